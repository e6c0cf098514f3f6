"""What is done inside a container, or on the node for it: scripts, the health check and snapshots around them."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.declaration import HealthCheck, Script

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.entry import Entry, ParsedEntry

HASH_LENGTH = 16
APPLICATION = "application_script"
"""The name of the application script among the scripts."""
IN_CONTAINER = "features/{feature}.sh"
_OF_THE_REQUEST = ("wait_for_address",)
"""Keys of an entry that say nothing of the container: no script runs again because of them."""


@dataclass(frozen=True, slots=True)
class ScriptPlaces:
    """Where feature scripts are: beside the catalog, to be run in the container, or on the node, to be run there."""

    pattern: str = IN_CONTAINER
    on_node: bool = False

    def file(self, feature: str) -> str:
        """Return the file of a feature."""
        return self.pattern.replace("{feature}", feature)

    def application(self, script: str) -> str:
        """Return the file of an application script: on a node, a bare name lies beside the features."""
        return str(PurePosixPath(self.pattern).parent / script) if self.on_node else script


@dataclass(frozen=True, slots=True)
class ScriptSurroundings:
    """What lies beside the catalog's entries: its globals, and the content of the scripts that are there."""

    globals: Mapping[str, Any] = field(default_factory=dict)
    contents: Mapping[str, bytes] = field(default_factory=dict)


def script_files(entry: Entry, places: ScriptPlaces) -> dict[str, str]:
    """Name the scripts of an entry, in their order, with the file of each."""
    files = {feature: places.file(feature) for feature in entry.features}
    if entry.application_script is not None:
        files[APPLICATION] = places.application(entry.application_script)
    return files


def inside_keys(entry: Entry, *, template: bool) -> Iterator[str]:
    """Name the keys of an entry whose effect needs shell access to the node."""
    for key in ("features", APPLICATION):
        if getattr(entry, key):
            yield key
    if entry.health_check is not None and not template:
        yield "health_check"


def inside(
    parsed: ParsedEntry, places: ScriptPlaces, surroundings: ScriptSurroundings, *, template: bool
) -> dict[str, Any]:
    """Return the fields of a declaration that are about its inside. A template never runs: nobody asks its health."""
    entry = parsed.entry
    files = script_files(entry, places)
    given = _json(parsed.ctid, parsed.raw, surroundings.globals) if files else ""
    lasting = {key: value for key, value in parsed.raw.items() if key not in _OF_THE_REQUEST}
    hashed = given if lasting == parsed.raw else _json(parsed.ctid, lasting, surroundings.globals)
    return {
        "scripts": tuple(
            _script(parsed, name, file, hashed, surroundings.contents.get(file), on_node=places.on_node)
            for name, file in files.items()
        ),
        "script_json": given,
        "health_check": None if template or entry.health_check is None else _health(entry),
        "snapshots": entry.enable_lifecycle_snapshots and not template,
    }


def _script(parsed: ParsedEntry, name: str, file: str, given: str, content: bytes | None, *, on_node: bool) -> Script:
    words = "\0".join((str(parsed.ctid), name, file, given)).encode("utf-8", "surrogatepass")
    return Script(
        name,
        file,
        short_hash(words + b"\0" + (content or b"")),
        content=None if content is None or on_node else base64.b64encode(content).decode(),
        on_node=on_node,
        timeout=parsed.entry.script_timeouts.get(name),
    )


def _json(ctid: int, raw: Mapping[str, Any], globals_: Mapping[str, Any]) -> str:
    """Return the entry with the globals beside its keys, and as it stands in the file for scripts that read that."""
    given = {**globals_, **raw, "lxc_configs": {str(ctid): raw}}
    return json.dumps(given, indent=2, sort_keys=True)


def json_at(given: str, ctid: int, other: int) -> str:
    """Return what scripts are given, to be looked up by another CTID too."""
    if not given:
        return given
    whole = json.loads(given)
    whole["lxc_configs"][str(other)] = whole["lxc_configs"][str(ctid)]
    return json.dumps(whole, indent=2, sort_keys=True)


def _health(entry: Entry) -> HealthCheck:
    declared = {} if entry.health_check is None else entry.health_check.model_dump(exclude_none=True)
    return HealthCheck(**declared)


def short_hash(data: bytes) -> str:
    """Hash bytes to a short hexadecimal word."""
    return hashlib.sha256(data).hexdigest()[:HASH_LENGTH]
