"""What is done inside a container, or on the node for it: scripts, the health check and snapshots around them."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.declaration import HealthCheck, Script

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phoenix_worker.catalog import sections
    from phoenix_worker.catalog.entry import Entry, ParsedEntry

HASH_LENGTH = 16
NAMING_FILES = "features, application_script, health_check or ssh_public_keys"
"""The keys that may name a file beside the catalog."""
APPLICATION = "application_script"
"""The name of the application script among the scripts."""
_OF_THE_REQUEST = ("wait_for_address", "lanes")
"""Keys of an entry that say nothing of the container: no script runs again because of them."""
FEATURES, APPLICATION_SCRIPTS = "features/{feature}.sh", "{script}"
"""Where scripts lie unless the settings say otherwise."""


@dataclass(frozen=True, slots=True)
class ScriptFile:
    """A file beside the catalog, which is pushed into the container and run there, or one that is run on its node."""

    path: str
    on_node: bool


@dataclass(frozen=True, slots=True)
class ScriptPlaces:
    """Where each kind of script is by the settings. An absolute path is one of the node."""

    features: str = FEATURES
    application_scripts: str = APPLICATION_SCRIPTS

    def feature(self, name: str) -> ScriptFile:
        """Return the script of a feature."""
        return ScriptFile(self.features.replace("{feature}", name), on_node=self.features.startswith("/"))

    def application_script(self, script: str) -> ScriptFile:
        """Return the application script. One that is declared by a whole path lies there, in the place of its kind."""
        path = script if script.startswith("/") else self.application_scripts.replace("{script}", script)
        return ScriptFile(path, on_node=self.application_scripts.startswith("/"))


@dataclass(frozen=True, slots=True)
class Pushed:
    """A directory that is pushed with scripts."""

    digest: str
    archive: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ScriptSurroundings:
    """What lies beside the catalog's entries: its globals, and the content of the scripts that are there."""

    globals: Mapping[str, Any] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict)
    directories: Mapping[str, Pushed] = field(default_factory=dict)
    made_from: Sequence[Mapping[str, Any]] = ()
    """The entries of the templates of one, the nearest first."""


def scripts_of(entry: Entry, places: ScriptPlaces) -> dict[str, ScriptFile]:
    """Name the scripts of an entry, in their order, with the file of each."""
    files = {feature: places.feature(feature) for feature in entry.features}
    if entry.application_script is not None:
        files[APPLICATION] = places.application_script(entry.application_script)
    declared = ((name, path) for name, path in entry.script_files.items() if name in files)
    return files | {name: ScriptFile(path, on_node=path.startswith("/")) for name, path in declared}


def files_beside(entry: Entry, places: ScriptPlaces) -> list[str]:
    """Name the scripts of an entry that lie beside the catalog, each once; that of its health check is one of them."""
    files = [file.path for file in scripts_of(entry, places).values() if not file.on_node]
    if entry.health_check is not None and entry.health_check.script is not None:
        files.append(entry.health_check.script)
    return list(dict.fromkeys(files))


def directories_beside(file: str) -> tuple[str, str]:
    """Name the directories that are pushed with a script, if they are there: for all that lie with it, and its own."""
    path = PurePosixPath(file)
    return str(path.parent / "files"), str(path.parent / f"{path.stem}.files")


def inside_keys(entry: Entry, *, template: bool) -> Iterator[str]:
    """Name the keys of an entry whose effect needs shell access to the node."""
    for key in ("features", APPLICATION):
        if getattr(entry, key):
            yield key
    if entry.health_check is not None and not template:
        yield "health_check"


def inside(
    parsed: ParsedEntry,
    places: ScriptPlaces,
    surroundings: ScriptSurroundings,
    *,
    template: bool,
) -> dict[str, Any]:
    """Return the fields of a declaration that are about its inside. A template never runs: nobody asks its health.

    Scripts see the entries of its templates too, and run again only for its own.
    """
    entry, made_from = parsed.entry, surroundings.made_from
    files = scripts_of(entry, places)
    checked = None if template else entry.health_check
    given_to_any = bool(files or (checked is not None and checked.script))
    lasting = {key: value for key, value in parsed.raw.items() if key not in _OF_THE_REQUEST}
    hashed = _json(parsed.ctid, lasting, surroundings.globals) if given_to_any else ""
    more = given_to_any and (made_from or lasting != parsed.raw)
    given = _json(parsed.ctid, parsed.raw, surroundings.globals, made_from) if more else hashed
    scripts = tuple(_script(parsed, name, file, hashed, surroundings) for name, file in files.items())
    health = None if checked is None else _health(parsed, checked, hashed, surroundings)
    used = {one for script in (*scripts, health and health.script) if script for one in script.directories}
    return {
        "scripts": scripts,
        "script_json": given,
        "archives": {one.digest: one.archive for one in surroundings.directories.values() if one.digest in used},
        "health_check": health,
        "snapshots": entry.enable_lifecycle_snapshots and not template,
    }


def _script(parsed: ParsedEntry, name: str, file: ScriptFile, given: str, surroundings: ScriptSurroundings) -> Script:
    content = None if file.on_node else surroundings.contents.get(file.path)
    words = "\0".join((str(parsed.ctid), name, file.path, given)).encode("utf-8", "surrogatepass")
    names = () if content is None else directories_beside(file.path)
    directories = tuple(surroundings.directories[one].digest for one in names if one in surroundings.directories)
    beside = "".join(f"\0{digest}" for digest in directories).encode()
    return Script(
        name,
        file.path,
        short_hash(words + b"\0" + (content or b"") + beside),
        content=None if content is None else base64.b64encode(content).decode(),
        on_node=file.on_node,
        directories=directories,
        timeout=parsed.entry.script_timeouts.get(name),
    )


def _json(
    ctid: int, raw: Mapping[str, Any], globals_: Mapping[str, Any], made_from: Sequence[Mapping[str, Any]] = ()
) -> str:
    """Return the entry with the globals beside its keys, and as it stands in the file for scripts that read that.

    The entry of a clone's template is its `template`, and so on up to what is created from an OS template.
    """
    above: dict[str, Any] = {}
    for template in reversed(made_from):
        above = {"template": {**template, **above}}
    given = {**globals_, **raw, **above, "lxc_configs": {str(ctid): raw}}
    return json.dumps(given, indent=2, sort_keys=True)


def json_at(given: str, ctid: int, other: int) -> str:
    """Return what scripts are given, to be looked up by another CTID too."""
    if not given:
        return given
    whole = json.loads(given)
    whole["lxc_configs"][str(other)] = whole["lxc_configs"][str(ctid)]
    return json.dumps(whole, indent=2, sort_keys=True)


def _health(
    parsed: ParsedEntry, declared: sections.HealthCheck, given: str, surroundings: ScriptSurroundings
) -> HealthCheck:
    check = HealthCheck(**{"command": "", **declared.model_dump(exclude_none=True, exclude={"script"})})
    if declared.script is None:
        return check
    file = ScriptFile(declared.script, on_node=False)
    return replace(check, script=_script(parsed, "health_check", file, given, surroundings))


def short_hash(data: bytes) -> str:
    """Hash bytes to a short hexadecimal word."""
    return hashlib.sha256(data).hexdigest()[:HASH_LENGTH]
