#!/usr/bin/env python3
"""A forced command for the SSH key of phoenix-lxc workers on a Proxmox node: runs what they need, and nothing else.

Copy it to /usr/local/sbin/phoenix-node-door (root's, mode 755); `docs/proxmox-access.md` tells the rest. It needs
nothing but Python's standard library. In ~root/.ssh/authorized_keys, on one line:

    restrict,command="/usr/local/sbin/phoenix-node-door --ctids 100-199,900-999 --directories /tank" ssh-ed25519 AAAA…

A worker's command comes in SSH_ORIGINAL_COMMAND, quoted for a shell; no shell ever reads it here. What is refused ends
with 126 and is told in the system's log. `phoenix-node-door --foresee` runs nothing: it reads commands as JSON and says
for which reasons they would be refused.
"""

from __future__ import annotations

import argparse
import fnmatch
import hashlib
import json
import os
import posixpath
import re
import shlex
import subprocess
import sys
import syslog
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

REFUSED = 126
CHANGED, CUT = 76, 77
"""As REPLACE ends when the file is not what it was, or when not all has come in."""
ABSENT = 127
"""As a shell ends for a program that is not there."""
MOST_MIB = 16
"""Of input: without an end it would take the node's memory. A configuration has at most 1."""
LOGGED = 2000
"""Characters of a reason in the system's log, which cuts longer lines, or drops them."""
FORESEE = ["phoenix-node-door", "--foresee"]
VERSION = "install the node_door.py of the workers' version"
RAW_KEYS = "lxc.apparmor.*,lxc.autodev,lxc.cap.*,lxc.cgroup2.*,lxc.environment,lxc.idmap,lxc.mount.auto,lxc.prlimit.*"
DEVICES = "/dev/nvidia*"
_SECTION = re.compile(r"\[(pve:pending|[a-z][a-z0-9_-]+)\]\s*", re.IGNORECASE)
_RAW = re.compile(r"(lxc\.[a-z0-9_.-]+)(:|\s*=)\s*(.*?)\s*")


class NotAllowed(Exception):  # noqa: N818 - reads as what it is
    """The command is none of those that are allowed, for each of these reasons."""

    def __init__(self, *reasons: str) -> None:
        super().__init__("; ".join(reasons))
        self.reasons = reasons


def see_all(checks: Iterable[Callable[[], object]]) -> None:
    """Make every check. Raises NotAllowed with all that they refuse, each reason once."""
    reasons: list[str] = []
    for check in checks:
        try:
            check()
        except NotAllowed as refused:
            reasons += refused.reasons
    if reasons:
        raise NotAllowed(*dict.fromkeys(reasons))


def _ctids(text: str) -> list[range]:
    """Read CTIDs, as 100-199,900. Raises ArgumentTypeError for what would allow others than are meant, or none."""
    found = []
    for part in filter(None, text.split(",")):
        ends = re.fullmatch("([1-9][0-9]{2,8})(?:-([1-9][0-9]{2,8}))?", part)
        if ends is None or int(ends[1]) > int(ends[2] or ends[1]):
            raise argparse.ArgumentTypeError(f"{part!r} is neither a CTID nor a range of CTIDs, as 100-199")
        found.append(range(int(ends[1]), int(ends[2] or ends[1]) + 1))
    return found


def _directories(text: str) -> list[str]:
    """Read directories, as /tank:/srv. Raises ArgumentTypeError for one that no path of a bind mount is in."""
    found = list(filter(None, text.split(":")))
    for one in found:
        if not one.startswith("/") or one.startswith("//") or posixpath.normpath(one) != (one.rstrip("/") or "/"):
            raise argparse.ArgumentTypeError(f"{one!r} is not a whole path without . and ..")
    return [one.rstrip("/") for one in found]


class Rules:
    """What the arguments of the forced command allow."""

    def __init__(self, arguments: Sequence[str]) -> None:
        parser = argparse.ArgumentParser(prog="phoenix-node-door", description=__doc__)
        parser.add_argument("--ctids", type=_ctids, default=[], help="CTIDs, as 100-199,900; none by default")
        parser.add_argument(
            "--directories",
            type=_directories,
            default=[],
            help="where bind mounts may be, as /tank:/srv; none by default",
        )
        parser.add_argument("--devices", default=DEVICES, help=f"devices for containers, patterns; {DEVICES}")
        parser.add_argument(
            "--hookscripts",
            default="",
            help="hookscripts, patterns, as local:snippets/*: anything, as root; none by default",
        )
        parser.add_argument("--raw-keys", default=RAW_KEYS, help=f"raw keys that may change, patterns; {RAW_KEYS}")
        parser.add_argument("--node-scripts", action="store_true", help="scripts on the node itself: anything, as root")
        told = parser.parse_args(arguments)
        self._ctids: list[range] = told.ctids
        self._directories: list[str] = told.directories
        self._devices = told.devices.split(",")
        self._hookscripts = [one for one in told.hookscripts.split(",") if one]
        self._raw_keys = told.raw_keys.split(",")
        self.node_scripts: bool = told.node_scripts

    def ctid(self, word: str) -> str:
        """Return a CTID that is allowed."""
        if re.fullmatch("[1-9][0-9]{2,8}", word) is None or not any(int(word) in ctids for ctids in self._ctids):
            raise NotAllowed(f"CTID {word} (--ctids)")
        return word

    def directory(self, path: str) -> None:
        """See that a path is in an allowed directory, and that no part of it is a link: Proxmox follows none."""
        inside = any(path == top or path.startswith(f"{top}/") for top in self._directories)
        if not inside or posixpath.normpath(path) != path:
            raise NotAllowed(f"directory {path} (--directories)")
        try:
            real = os.path.realpath(path)
        except ValueError as error:
            raise NotAllowed(f"directory {path} (not a path: {error})") from error
        if real != path:
            raise NotAllowed(f"directory {path} (it leads to {real} by a link: declare that one)")

    def option(self, name: str, value: str) -> None:
        """See that an option of `pct set` is allowed."""
        if re.fullmatch(r"--mp\d+", name):
            self.directory(value.partition(",")[0])
        elif re.fullmatch(r"--dev\d+", name):
            self._device(value.partition(",")[0])
        elif name == "--hookscript":
            if not any(fnmatch.fnmatchcase(value, one) for one in self._hookscripts):
                raise NotAllowed(f"hookscript {value} (--hookscripts)")
        elif name == "--delete":
            if not all(re.fullmatch(r"dev\d+", key) for key in value.split(",")):
                raise NotAllowed(f"deleting {value}")
        elif name not in ("--features", "--digest"):
            raise NotAllowed(f"option {name}")

    def _device(self, path: str) -> None:
        known = any(fnmatch.fnmatchcase(path, one) for one in self._devices)
        if not known or posixpath.normpath(path) != path:
            raise NotAllowed(f"device {path} (--devices)")

    def change(self, old: str, new: str) -> None:
        """See that a configuration file changes in nothing but raw lines with keys that are allowed."""
        before, after = _split(old), _split(new)
        if before[1] != after[1]:
            raise NotAllowed("a change of other lines than raw ones")
        values = [
            {key: [value for name, value in raw if name == key] for key, _ in raw} for raw in (before[0], after[0])
        ]
        keys = sorted(values[0].keys() | values[1].keys())
        see_all(partial(self.raw_key, key) for key in keys if values[0].get(key) != values[1].get(key))

    def raw_key(self, key: str) -> None:
        """See that a raw key may change."""
        if not any(fnmatch.fnmatchcase(key, one) for one in self._raw_keys):
            raise NotAllowed(f"raw key {key} (--raw-keys)")

    def scripts(self) -> None:
        """See that scripts may run on the node itself."""
        if not self.node_scripts:
            raise NotAllowed("scripts on the node (--node-scripts)")


def _split(text: str) -> tuple[list[tuple[str, str]], list[str]]:
    """Raw lines of the container itself, and all other lines."""
    lines = text.split("\n")
    end = next((number for number, line in enumerate(lines) if _SECTION.fullmatch(line)), len(lines))
    found = [(_RAW.fullmatch(line), line) for line in lines[:end]]
    raw = [(match[1], match[3]) for match, _ in found if match]
    return raw, [line for match, line in found if not match] + lines[end:]


def allow(argv: list[str], rules: Rules) -> bytes | None:
    """Raise NotAllowed unless a worker runs such commands. Returns what it gets as its input, if that was read."""
    match argv:
        case ["pct", "unlock", ctid] | ["pct", "exec", ctid, "--", _, *_]:
            rules.ctid(ctid)
        case ["pct", "set", ctid, *options] if len(options) % 2 == 0:
            pairs = zip(options[::2], options[1::2], strict=True)
            see_all([partial(rules.ctid, ctid), *(partial(rules.option, name, value) for name, value in pairs)])
        case ["cat", path] if found := re.fullmatch(r"/etc/pve/lxc/(\d+)\.conf", path):
            rules.ctid(found[1])
        case ["python3", "-c", program, *arguments]:
            if hashlib.sha256(program.encode("utf-8", "surrogateescape")).hexdigest() != HAVE_DIRECTORY:
                raise NotAllowed(f"another program than that of this version to make a directory ({VERSION})")
            making(arguments, rules)
        case ["flock", "-w", "10", "-E", "75", *_]:
            replacing(argv, rules)
            return _replacement(rules, *argv[-3:])
        case ["pct", "list"]:
            pass
        case ["sh", "-c", _, "phoenix-lxc", *_] | ["sha256sum", "-z", "--", _, *_]:  # the second of older workers
            rules.scripts()
        case _:
            raise NotAllowed(shlex.join(argv[:3]) or "a login without a command")
    return None


HAVE_DIRECTORY = "f925a1b124c4a5e8d2ca1fac2c2b9cc68ab36c0043fd42cc8022ac734d8f8a36"
"""The SHA-256 of the program of a worker's that makes a directory."""

REPLACE = """\
set -e
new="$1.tmp.$$"
trap 'rm -f -- "$new"' EXIT
cat >"$new"
[ "$(sha1sum <"$new")" = "$3  -" ] || exit 77
[ "$(sha1sum <"$1")" = "$2  -" ] || exit 76
mv -f -- "$new" "$1"
"""
"""The one program of a worker's that replaces a file: to the letter."""


def replacing(argv: list[str], rules: Rules) -> None:
    """Raise NotAllowed unless a command replaces a container's configuration as workers do; its content comes later."""
    match argv[5:]:
        case [lock, "sh", "-c", program, "sh", path, old, new] if program == REPLACE:
            found = re.fullmatch(r"/etc/pve/lxc/(\d+)\.conf", path)
            if found is None or lock != f"/run/lock/lxc/pve-config-{found[1]}.lock":
                raise NotAllowed("another file than a container's configuration under its lock")
            rules.ctid(found[1])
            if not re.fullmatch("[0-9a-f]{40} [0-9a-f]{40}", f"{old} {new}"):
                raise NotAllowed("a digest that is none")
        case _:
            raise NotAllowed(f"another way to replace a file ({VERSION})")


def making(arguments: list[str], rules: Rules) -> None:
    """Raise NotAllowed unless a directory is made where that is allowed."""
    match arguments:
        case [path, uid, gid, "0" | "1"] if re.fullmatch("[0-9]{1,10}:[0-9]{1,10}", f"{uid}:{gid}"):
            rules.directory(path)
        case _:
            raise NotAllowed("other arguments than those to make a directory")


def received() -> bytes:
    """Read all that comes in. Raises NotAllowed for more than any worker sends."""
    content = sys.stdin.buffer.read(MOST_MIB * 1024**2 + 1)
    if len(content) > MOST_MIB * 1024**2:
        raise NotAllowed(f"more than {MOST_MIB} MiB of input")
    return content


def _replacement(rules: Rules, path: str, old: str, new: str) -> bytes:
    """Read what comes in. Ends with the codes of REPLACE, before that is run, for what is not as the worker says."""
    content = received()
    present = subprocess.run(["cat", path], check=False, stdout=subprocess.PIPE).stdout
    for told, digest, code in ((content, new, CUT), (present, old, CHANGED)):
        if hashlib.sha1(told, usedforsecurity=False).hexdigest() != digest:
            sys.exit(code)
    rules.change(present.decode("utf-8", "surrogateescape"), content.decode("utf-8", "surrogateescape"))
    return content


def foresee(asked: bytes, rules: Rules) -> list[str]:
    """Say for which reasons commands would be refused; each is given with the raw keys that it changes."""

    def judge(command: dict[str, list[str]]) -> None:
        argv, keys = command["argv"], command.get("raw_keys", ())
        look = partial(replacing if argv[:1] == ["flock"] else allow, argv, rules)
        see_all([look, *(partial(rules.raw_key, key) for key in keys)])

    try:
        see_all(partial(judge, command) for command in json.loads(asked))
    except NotAllowed as refused:
        return list(refused.reasons)
    except (AttributeError, LookupError, RecursionError, TypeError) as error:
        raise NotAllowed("what is foreseen, unless it is a list of commands") from error
    return []


def harmless(text: str) -> str:
    """Return text of others on one line, without what changes a terminal or cannot be encoded."""
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in text)


def main() -> int:
    """Run the worker's command; its exit code."""
    rules = Rules(sys.argv[1:])
    line = os.environ.get("SSH_ORIGINAL_COMMAND", "")
    try:
        argv = shlex.split(line)
        if argv[:3] == ["sudo", "-n", "--"]:
            argv = argv[3:]
        if argv == FORESEE:
            print(json.dumps(foresee(received(), rules)))  # noqa: T201 - the answer
            return 0
        content = allow(argv, rules)
    except (NotAllowed, ValueError) as error:
        why = harmless(str(error))
        print(f"phoenix-node-door: not allowed: {why}", file=sys.stderr)  # noqa: T201 - told to the worker
        syslog.syslog(syslog.LOG_WARNING, f"phoenix-node-door refused {line[:200]!r}: {why[:LOGGED]}")
        return REFUSED
    try:
        if content is None:
            os.execvp(argv[0], argv)  # noqa: S606 - what was allowed
        return subprocess.run(argv, check=False, input=content).returncode
    except FileNotFoundError:
        print(f"phoenix-node-door: {argv[0]}: not found", file=sys.stderr)  # noqa: T201 - told to the worker
        return ABSENT


if __name__ == "__main__":
    sys.exit(main())
