"""The commands of a Proxmox node as their own sources define them: which words and options each takes.

Read from `our $cmddef` and the `parameters` of the methods that it names, in pve-container 6.1 (`PVE/CLI/pct.pm`),
pve-storage 9.1 (`PVE/CLI/pvesm.pm`), pve-ha-manager 5.1 (`PVE/CLI/ha_manager.pm`), pve-manager 9.2 (`pvesr`, `pveam`,
`pvenode`, `pvesh`), pve-cluster 9.1 (`PVE/CLI/pvecm.pm`) and pve-access-control 9.1 (`PVE/CLI/pveum.pm`).
"""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

_OF_A_CONTAINER = json.loads((Path(__file__).parents[1] / "data" / "pve_container_options.json").read_text())["options"]
_WORDS = {
    "vmid": r"[1-9]\d{2,8}|CTID",
    "snapname": r"[A-Za-z][\w-]+",
    "volkey": r"rootfs|(mp|unused)\d{1,3}",
    "storage": r"[A-Za-z][\w.-]*[A-Za-z\d]",
    "volume": r"[A-Za-z][\w.-]+:\S+",
    "sid": r"ct:\d+",
    "job": r"[1-9]\d{2,8}-\d{1,9}|JOB",
    "role": r"[A-Za-z0-9._-]+",
    "path": r"/\S*",
    "kind": r"node-affinity|resource-affinity",
    "name": r"\S+",
    "command": r".+",
}
_NUMBERED = r"^(mp|net|dev|unused)\d{1,3}$"
_FLAGS = frozenset({"force", "purge", "destroy-unreferenced-disks", "silent", "dryrun"})
"""Options of the type boolean: their value may be left out."""


class Form(NamedTuple):
    """The words after the command, and the options."""

    words: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()


def _form(words: str = "", options: str = "") -> Form:
    return Form(tuple(words.split()), frozenset(options.split()))


GRAMMAR = {
    "pct config": _form("vmid", "current snapshot"),
    "pct delsnapshot": _form("vmid snapname", "force"),
    "pct destroy": _form("vmid", "force purge destroy-unreferenced-disks"),
    "pct exec": _form("vmid command", "keep-env"),
    "pct listsnapshot": _form("vmid"),
    "pct move-volume": _form("vmid volkey storage", "delete digest bwlimit target-vmid target-volume target-digest"),
    "pct rescan": _form("", "vmid dryrun"),
    "pct set": _form("vmid", " ".join(["delete", "revert", "digest", *_OF_A_CONTAINER])),
    "pct shutdown": _form("vmid", "timeout forceStop"),
    "pct status": _form("vmid", "verbose"),
    "pct unlock": _form("vmid"),
    "pvesm free": _form("volume", "storage delay"),
    "pvesm set": _form("storage", "content disable nodes shared delete digest"),
    "pvesm status": _form("", "storage content enabled target format"),
    "ha-manager remove": _form("sid", "purge"),
    "ha-manager rules add": _form("kind name", "resources nodes strict disable comment affinity"),
    "ha-manager set": _form("sid", "state group max_restart max_relocate comment failback delete digest"),
    "ha-manager status": _form("", "verbose"),
    "pvesr delete": _form("job", "keep force"),
    "pveam available": _form("", "section"),
    "pveam update": _form(),
    "pvecm status": _form(),
    "pvecm updatecerts": _form("", "force silent unmerge-known-hosts"),
    "pvenode acme cert order": _form("", "force"),
    "pvenode cert info": _form("", "output-format"),
    "pvesh create": _form("path", "group name cidr comment"),
    "pveum acl modify": _form("path", "groups propagate roles tokens users"),
    "pveum role add": _form("role", "privs"),
    "pveum role modify": _form("role", "privs append"),
}
PROGRAMS = tuple(sorted({command.split()[0] for command in GRAMMAR}))


@dataclass(frozen=True, slots=True)
class Typed:
    """One command line, understood."""

    command: str
    words: tuple[str, ...]
    options: dict[str, str]


def understood(line: str) -> Typed:
    """Read a line as the node's own program does; ValueError says what it would refuse."""
    given = shlex.split(line)
    command = next((one for one in GRAMMAR if given[: len(one.split())] == one.split()), None)
    if command is None:
        raise ValueError(f"unknown command: {line}")
    form, rest = GRAMMAR[command], given[len(command.split()) :]
    if form.words[-1:] == ("command",):
        before, _, after = line.partition(" -- ")
        rest = [*shlex.split(before)[len(command.split()) :], after]
    words, options = _parted(rest)
    if unknown := {one for one in options if re.sub(_NUMBERED, "", one) not in {*form.options, ""}}:
        raise ValueError(f"{command} has no option {', '.join(sorted(unknown))}")
    if len(words) != len(form.words):
        raise ValueError(f"{command} takes {' '.join(form.words) or 'nothing'}, and got {' '.join(words)}")
    for kind, word in zip(form.words, words, strict=True):
        if re.fullmatch(_WORDS[kind], word) is None:
            raise ValueError(f"{command}: {word} is no {kind}")
    return Typed(command, tuple(words), options)


def _parted(rest: list[str]) -> tuple[list[str], dict[str, str]]:
    words: list[str] = []
    options: dict[str, str] = {}
    waiting = iter(rest)
    for word in waiting:
        if not word.startswith("--"):
            words.append(word)
            continue
        name, has_value, value = word[2:].partition("=")
        options[name] = value if has_value else "1" if name in _FLAGS and _is_last(word, rest) else next(waiting, "")
        if not options[name] and name not in _FLAGS:
            raise ValueError(f"option {name} needs a value")
    return words, options


def _is_last(word: str, rest: list[str]) -> bool:
    place = rest.index(word) + 1
    return place == len(rest) or rest[place].startswith("--")
