"""What is refused, and what is warned of, about scripts."""

from __future__ import annotations

import shlex
from codecs import BOM_UTF8
from typing import TYPE_CHECKING

from phoenix_worker.catalog.access import key_file
from phoenix_worker.catalog.directories import LIMITS
from phoenix_worker.catalog.files import CHANGES
from phoenix_worker.catalog.findings import Refusal, plain
from phoenix_worker.catalog.old_forms import SWITCHES
from phoenix_worker.catalog.scripts import APPLICATION, NAMING_FILES, directories_beside, files_beside

if TYPE_CHECKING:
    from collections.abc import Container, Iterator, Mapping

    from phoenix_worker.catalog.entry import ParsedEntry
    from phoenix_worker.catalog.files import FileRead
    from phoenix_worker.catalog.scripts import ScriptPlaces

    Entries = Mapping[int, ParsedEntry]


def refuse_script_files(entries: Entries) -> Iterator[Refusal]:
    """Refuse files for scripts that an entry does not have: the script that is meant would be another one."""
    for ctid, parsed in entries.items():
        entry = parsed.entry
        names = [*entry.features, *([APPLICATION] if entry.application_script is not None else [])]
        strange = [name for name in entry.script_files if name not in names]
        if strange and not {"features", APPLICATION} & parsed.broken:
            known = f"Its scripts are: {', '.join(map(plain, names))}." if names else "It has no scripts."
            yield Refusal(ctid, f"script_files has {', '.join(map(plain, strange))}, which it does not run.", known)


def refuse_files(
    entries: Entries, files: Mapping[str, FileRead], directories: Mapping[str, FileRead], places: ScriptPlaces
) -> Iterator[Refusal]:
    """Refuse files that are too large, and directories beside scripts that cannot be pushed with them."""
    fitting = f"What is pushed with scripts has {LIMITS}, and no link that leads out of it."
    for ctid, parsed in entries.items():
        names = files_beside(parsed.entry, places)
        for name in filter(None, (*names, key_file(parsed.entry))):
            if files[name].problem:
                remedy = _remedy(files[name], "Have the script fetch what it needs.")
                yield Refusal(ctid, f"{plain(name)}: {files[name].problem}.", remedy)
        for name in dict.fromkeys(one for file in names for one in directories_beside(file)):
            if directories[name].problem:
                remedy = _remedy(directories[name], fitting)
                yield Refusal(ctid, f"The directory {plain(name)} {plain(directories[name].problem)}.", remedy)


def _remedy(file: FileRead, otherwise: str) -> str:
    changes = file.problem.endswith(CHANGES)
    return "Wait until it is written; mv puts another in its place as a whole." if changes else otherwise


def unfit_scripts(
    entries: Entries, contents: Mapping[str, bytes], places: ScriptPlaces
) -> Iterator[tuple[int, str, str]]:
    """List CTID, problem and remedy of each script that no interpreter can run as another system has written it."""
    for ctid, parsed in entries.items():
        for name in files_beside(parsed.entry, places):
            first = contents.get(name, b"").partition(b"\n")[0]
            if first.startswith(b"#!") and first.endswith(b"\r"):
                problem = (
                    f"The first line of {plain(name)} has a Windows line ending (CR LF): its interpreter is not found."
                )
                yield ctid, problem, rf"Convert it: sed -i 's/\r$//' -- {shlex.quote(name)}"
            elif first.startswith(BOM_UTF8 + b"#!"):
                problem = f"{plain(name)} begins with a byte order mark, so that its #! is not seen."
                yield ctid, problem, rf"Remove it: sed -i '1s/^\xEF\xBB\xBF//' -- {shlex.quote(name)}"


def missing_scripts(entries: Entries, there: Container[str], places: ScriptPlaces) -> Iterator[tuple[int, str, str]]:
    """List CTID, problem and remedy of each entry that lacks scripts which should lie beside the catalog."""
    for ctid, parsed in entries.items():
        keys = filter(None, [key_file(parsed.entry)])
        missing = [name for name in (*keys, *files_beside(parsed.entry, places)) if name not in there]
        if missing:
            problem = f"{', '.join(map(plain, missing))} not found beside the catalog."
            options = [
                f"{name}=1"
                for name in parsed.entry.features
                if name in SWITCHES and places.feature(name).path in missing
            ]
            meant = f" Proxmox's own features go into pct_options: {', '.join(options)}." if options else ""
            yield ctid, problem, f"Put it there, or remove it from {NAMING_FILES}.{meant}"
