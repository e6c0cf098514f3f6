"""Scripts in containers and on nodes: started detached, looked at, stopped. The program that does it: script_runner.sh.

A script outlives the connection and the worker that started it. It is not started twice: whoever starts the same again
is told of the run that is under way.
"""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from phoenix_producer.plain_text import plain, without_escapes
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.marker import ADOPTED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_worker.catalog.declaration import Declaration, Script
    from phoenix_worker.core.model.ports import NodeShell, Ran

_RUNNER = (files(__package__) / "script_runner.sh").read_text(encoding="utf-8")
_HOME = "/var/lib/phoenix-lxc"
_LOOK_SECONDS = 20.0
_STOP_SECONDS = 30.0
_NOT_RUNNING = 255
"""What `pct exec` gives for a container that does not run."""
_TAIL = 2000
_LONGEST = 2000
"""Characters of a line of output that are shown, or of the name of a directory."""
_SIZE = re.compile(rb"[0-9]{1,18}")
_END_OF_ARCHIVE = 1024
"""Bytes of zero that end a tar archive."""
_UNSEEN = dict.fromkeys(map(ord, "\0\a\x0e\x0f"))
BUSY, LOST, STOPPED, CHANGED = "busy", "lost", "stopped", "changed"
_CODE = re.compile(rf"[0-9]{{1,3}}|{STOPPED}|{CHANGED}")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a script runs: in a container, or on its node for it."""

    node: str
    ctid: int
    on_node: bool = False
    creation: str = ""
    """The creation id in the container's marker; '' for a place that is only looked at or cleared."""

    @property
    def home(self) -> str:
        """The directory of all runs of one creation.

        Another container may have had the CTID on the node, and a clone has in it what ran in its template.
        """
        parts = [_HOME, str(self.ctid) if self.on_node else "", self.creation]
        return "/".join(part for part in parts if part)

    @property
    def keeps_runs(self) -> bool:
        """Whether a run that ended well counts for a job that did not start it.

        A container that is rolled back or restored takes its runs along; a node does not. Who is adopted shares its
        creation id with all who are.
        """
        return not self.on_node and self.creation != ADOPTED

    def command(self, argv: Sequence[str]) -> list[str]:
        """Make a command of the place one of the node."""
        return list(argv) if self.on_node else ["pct", "exec", str(self.ctid), "--", *argv]

    def __str__(self) -> str:
        return f"on {self.node} for CT {self.ctid}" if self.on_node else f"in CT {self.ctid} on {self.node}"


@dataclass(frozen=True, slots=True)
class ScriptState:
    """What a look at a run saw."""

    state: str
    """`running`, `starting`, `absent`, `lost`, or `ended`."""
    code: str = ""
    """The exit code of one that has ended; `stopped` if it was ended from outside, `changed` if it was not itself."""
    size: int = 0
    """Bytes of the whole log."""
    log: bytes = b""
    """The log from where it was asked for."""

    @property
    def under_way(self) -> bool:
        """Whether its end is still to come."""
        return self.state in {"running", "starting"}


def start(
    shell: NodeShell, place: Place, declaration: Declaration, script: Script, token: str
) -> tuple[ScriptState, str]:
    """Start a script unless it is under way; returns how it is and the directory of its run.

    The state `busy` says that another version of it is under way. Raises PermanentError when nothing can be written
    there.
    """
    fresh = script.again or not place.keeps_runs
    argv = ["start", place.home, script.name, script.hash, token, str(int(fresh))]
    argv += [str(place.ctid), declaration.name]
    if script.on_node:
        argv += [script.file, script.sha256]
    ran = _run(shell, place, argv, stdin=_given(declaration, script))
    told = ran.out.decode(errors="replace").splitlines()
    if ran.exit_code or len(told) != len(("state", "run")) or not 0 < len(told[1]) <= _LONGEST:
        raise _unable(f"start {script.file} {place}", ran)
    return _read(told[0]), told[1]


def check(shell: NodeShell, place: Place, declaration: Declaration, script: Script, timeout: float) -> Ran:
    """Push a script that looks after a container's health, run it to its end, and leave nothing of it."""
    argv = ["check", f"{place.home}/{script.name}", str(place.ctid), declaration.name]
    return _run(shell, place, argv, stdin=_given(declaration, script), timeout=timeout)


def _given(declaration: Declaration, script: Script) -> bytes:
    """Return what script_runner.sh reads: script, JSON, and the directories beside the script."""
    archive = b"".join(declaration.archives[digest] for digest in script.directories)
    text = declaration.script_json if script.given is None else script.given
    given = base64.b64encode(text.encode()).decode()
    lines = "".join(f"{line}\n" for line in (script.content or "", given, "archive" if archive else "")).encode()
    return lines + archive + bytes(_END_OF_ARCHIVE) if archive else lines


def look(shell: NodeShell, place: Place, run: str, offset: int) -> ScriptState | None:
    """Look at a run, and read its log from `offset` on; None when its container does not run. Raises TransientError."""
    ran = _run(shell, place, ["look", run, str(offset)], timeout=_LOOK_SECONDS)
    if ran.exit_code == _NOT_RUNNING and not place.on_node:
        return None
    state, _, rest = ran.out.partition(b"\n")
    size, _, log = rest.partition(b"\n")
    if ran.exit_code or not _SIZE.fullmatch(size.strip()):
        raise TransientError(f"Unable to look at {run} {place}: {_words(ran)}", cause="shell-cut")
    return _read(state.decode(errors="replace"), int(size), log)


def tail(shell: NodeShell, place: Place, run: str, size: int) -> list[str]:
    """Read the last lines of a run's log, which has `size` bytes: whole ones, unless there is only one."""
    begin = max(size - _TAIL, 0)
    seen = look(shell, place, run, begin)
    if seen is None:
        return []
    whole = seen.log.partition(b"\n")[2] if begin else seen.log
    return readable(whole or seen.log)[-20:]


def stop(shell: NodeShell, place: Place, run: str) -> ScriptState | None:
    """End a run with everything that it started; None when its container does not run."""
    ran = _run(shell, place, ["stop", run], timeout=_STOP_SECONDS)
    return None if ran.exit_code == _NOT_RUNNING else _read(ran.out.decode(errors="replace").strip())


def clear(shell: NodeShell, place: Place) -> None:
    """Remove what the runs for a container left on its node. Raises TransientError or PermanentError."""
    ran = _run(shell, place, ["clear", place.home])
    if ran.exit_code:
        raise _unable(f"remove {place.home} on {place.node}", ran)


def contents(shell: NodeShell, node: str, files_: Sequence[str]) -> dict[str, str]:
    """Return a hash of the content of each file on a node. Raises PermanentError for one that cannot be read."""
    ran = shell.run(node, _command(["hashes", *files_]))
    if ran.exit_code:
        raise PermanentError(
            f"Unable to read scripts on {node}: {_words(ran)}.",
            cause="script-missing",
            remedy="Put them there, or correct PHOENIX_SCRIPTS, or script_files in the catalog.",
        )
    lines = (line.partition("  ") for line in ran.out.decode().split("\0") if line)
    return {file: hashed for hashed, _, file in lines}


def running(place: Place, argv: Sequence[str]) -> list[str]:
    """Write the command that has script_runner.sh do something."""
    return place.command(_command(argv))


def _command(argv: Sequence[str]) -> list[str]:
    return ["sh", "-c", _RUNNER, "phoenix-lxc", _RUNNER, *argv]


def run_inside(shell: NodeShell, place: Place, command: str, timeout: float) -> Ran:
    """Run a command line in a container, by the container's own shell."""
    return shell.run(place.node, place.command(["sh", "-c", command]), timeout=timeout)


def readable(log: bytes) -> list[str]:
    """Return lines without what would change a terminal; of what was written over, the last writing.

    What is longer than anybody reads is cut.
    """
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in log.decode(errors="replace").split("\n"))
    clean = ("".join(one for one in _typed(line) if one.isprintable() or one == "\t").rstrip() for line in lines)
    return [line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…" for line in clean if line]


def _typed(line: str) -> str:
    """Return a line as a terminal shows it: bells and changes of character sets, as of `tput sgr0`, are not seen."""
    if line.isprintable():  # as nearly all of them are
        return line
    shown: list[str] = []
    for one in without_escapes(line).translate(_UNSEEN):
        if one == "\b":
            del shown[-1:]
        else:
            shown.append(one)
    return plain("".join(shown))


def _run(shell: NodeShell, place: Place, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Ran:
    return shell.run(place.node, running(place, argv), stdin=stdin, timeout=timeout)


def _read(told: str, size: int = 0, log: bytes = b"") -> ScriptState:
    """Read the line about a state. A container may have written it: what is no code is none, as of one that is lost."""
    state, _, code = told.partition(" ")
    return ScriptState(state, code if _CODE.fullmatch(code) else "", size, log)


def _unable(doing: str, ran: Ran) -> PermanentError | TransientError:
    words = _words(ran)
    if ran.exit_code == _NOT_RUNNING:
        return TransientError(f"Unable to {doing}: {words}", cause="not-running")
    return PermanentError(
        f"Unable to {doing}: {words}", cause="script-start", remedy=f"See that {_HOME} can be written to there."
    )


def _words(ran: Ran) -> str:
    return " ".join(readable(ran.err)[-3:] or [f"it ended with {ran.exit_code}"])
