"""What lets somebody log in: set by the order that creates a container, and by scripts of our own in any other."""

from __future__ import annotations

import base64
from importlib.resources import files
from typing import TYPE_CHECKING

from phoenix_worker.catalog.access_sections import KeyFile, keys_in
from phoenix_worker.catalog.declaration import Script, Secret
from phoenix_worker.catalog.findings import Refusal, shown
from phoenix_worker.catalog.scripts import short_hash

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.catalog.entry import Entry, ParsedEntry

    Entries = Mapping[int, ParsedEntry]

KEYS, PASSWORD = "ssh_public_keys", "password"
_CONTENT = {
    name: base64.b64encode((files(__package__) / f"set_{name}.sh").read_bytes()).decode() for name in (KEYS, PASSWORD)
}


def key_file(entry: Entry) -> str | None:
    """Name the file beside the catalog that has the keys of an entry."""
    return entry.ssh_public_keys.name if isinstance(entry.ssh_public_keys, KeyFile) else None


def access(entry: Entry, contents: Mapping[str, bytes]) -> tuple[Script, ...]:
    """Return the scripts for what is declared. Their hashes are of the keys, and of where the password is found."""
    scripts = []
    if entry.ssh_public_keys is not None:
        file, keys = key_file(entry), _keys(entry, contents)
        given = "".join(f"{key}\n" for key in keys or ())
        content = None if keys is None else _CONTENT[KEYS]
        scripts.append(Script(KEYS, file or KEYS, _hash(KEYS, given), content=content, given=given))
    if entry.password is not None:
        secret = Secret(entry.password.env, entry.password.file)
        told = _hash(PASSWORD, secret.env or "", secret.file or "")
        scripts.append(Script(PASSWORD, PASSWORD, told, content=_CONTENT[PASSWORD], secret=secret))
    return tuple(scripts)


def access_keys(entry: Entry) -> Iterator[str]:
    """Name the keys that need shell access to the node; a new container from an OS template is created with them."""
    if entry.clone_from_ctid is not None:
        declared = {KEYS: entry.ssh_public_keys, PASSWORD: entry.password}
        yield from (key for key, value in declared.items() if value is not None)


def refuse_access(entries: Entries, contents: Mapping[str, bytes]) -> Iterator[Refusal]:
    """Refuse files with lines that are no keys, and features that are named as what we set ourselves."""
    for ctid, parsed in entries.items():
        name = key_file(parsed.entry)
        wrong = keys_in(_text(contents[name]))[1] if name is not None and name in contents else []
        if wrong:
            lines = f"line {wrong[0]} is" if len(wrong) == 1 else f"lines {', '.join(map(str, wrong))} are"
            remedy = "Have one public key a line, as in a .pub file, without options before it."
            yield Refusal(ctid, f"{shown(name)}: {lines} no public SSH key.", remedy)
        for key in {KEYS, PASSWORD} & {*parsed.entry.features}:
            if getattr(parsed.entry, key) is not None:
                yield Refusal(ctid, f"A feature is named {key}, as what is set by {key}.", "Rename the feature.")


def _keys(entry: Entry, contents: Mapping[str, bytes]) -> list[str] | None:
    """Return the keys; None where their file is not there."""
    declared = entry.ssh_public_keys
    if isinstance(declared, KeyFile):
        return keys_in(_text(contents[declared.name]))[0] if declared.name in contents else None
    return declared


def _text(content: bytes) -> str:
    return content.decode("utf-8", "replace")


def _hash(*words: str) -> str:
    return short_hash("\0".join(words).encode())
