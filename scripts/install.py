"""Bring .venv up to date: `python install.py MARK EXTRAS`, for the Makefile. Whatever was interrupted is begun again.

MARK is the file that says that these extras are installed; the demo has one of its own, for fewer packages.

One at a time: others wait for the lock, which is on pyproject.toml itself, so that it leaves nothing behind and ends
with whoever has it, pip included.
"""

from __future__ import annotations

import fcntl
import os
import platform
import re
import subprocess
import sys
import venv
from pathlib import Path
from typing import IO

import uv_command

VENV = Path(".venv")
PYTHON = VENV / "bin" / "python"
MARKS = (VENV / ".installed", VENV / ".installed-demo")
LOG = VENV / "install.log"
SOURCES = (Path("pyproject.toml"), Path("constraints.txt"), Path(__file__), Path(uv_command.__file__))
WITH_PIP = ("install", "--no-input", "--progress-bar=off", "--disable-pip-version-check")


def say(text: str) -> None:
    """Tell what goes on; on stderr, so that the output of `make` is that of its command."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - this is the program's output


def wait_for_turn(lock: IO[str]) -> None:
    """Take the lock."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        say("Waiting for another make, which installs into .venv")
        fcntl.flock(lock, fcntl.LOCK_EX)


def installed(extras: str) -> bool:
    """Whether nothing has changed since these extras, or more, were installed."""
    needed = set(extras.split(","))
    return any(mark.exists() and _is_fresh(mark) and needed <= set(mark.read_text().split(",")) for mark in MARKS)


def _is_fresh(mark: Path) -> bool:
    return all(source.stat().st_mtime <= mark.stat().st_mtime for source in SOURCES)


def install(mark: Path, extras: str, lock: IO[str]) -> int:
    """Install; returns the exit code. Without any mark, what is in .venv is not whole."""
    before = {one: one.read_text() for one in MARKS if one.exists()}
    if not before:
        say(f"Creating .venv with Python {platform.python_version()}")
        venv.create(VENV, clear=True, symlinks=True, with_pip=False)
    for one in before:
        one.unlink()
    say(f"Installing phoenix-lxc[{extras}] into .venv")
    testing = "test" in extras.split(",")
    if testing:
        uv_command.give_pip(PYTHON)
    code = run_installer(["-c", "constraints.txt", "-e", f".[{extras}]"], lock, compiled=testing)
    # The others stay as they were: a refusal changes nothing, and without the network nothing would replace it.
    for one, content in before.items():
        one.write_text(content)
        os.utime(one, (0, 0))
    if code:
        say(f"{LOG.read_text()}Installing failed; the log above is {LOG}.")
        return 1
    mark.write_text(extras)
    return 0


def run_installer(what: list[str], lock: IO[str], *, compiled: bool) -> int:
    """Install with uv; with pip where uv is not to be had or fails. The log is that of the last one that ran.

    Tests start many processes, so everything is `compiled` for them; for one demo it takes longer than it saves.
    """
    if found := uv_command.uv_install(PYTHON):
        command, variables = found
        compiling = ["--compile-bytecode"] if compiled else []
        if run([*command, *compiling, *what], lock, {**variables, **os.environ}) == 0:
            return 0
        say("uv could not install it; trying with pip")
    return run([*uv_command.pip(PYTHON), *WITH_PIP, *what], lock, dict(os.environ))


def run(command: list[str], lock: IO[str], environ: dict[str, str]) -> int:
    """Run it, its output in the log, and show how far it is; on a terminal in one line that is written over."""
    over = "\r\033[K" if sys.stderr.isatty() else ""
    seen = 0
    with LOG.open("w") as log:
        installer = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environ, pass_fds=[lock.fileno()]
        )
        for line in installer.stdout or ():
            log.write(line)
            if found := re.match(r"(?:Collecting|Requirement already satisfied:|Downloading) ([\w-][\w.-]*)", line):
                seen += 1
                show(f"{over}  {seen} packages found, {found[1]}" if over else "")
            elif found := re.match(r"Resolved (\d+) packages|Installing collected packages: (.*)", line):
                count = found[1] or len(found[2].split())
                show(f"{over}  {count} packages are being installed{'' if over else chr(10)}")
    show(over)
    return installer.wait()


def show(text: str) -> None:
    """Show progress, without the end of a line."""
    sys.stderr.write(text)
    sys.stderr.flush()


def main(mark: str, extras: str) -> int:
    """Do it, once and in turn."""
    try:
        with SOURCES[0].open() as lock:
            wait_for_turn(lock)
            if not installed(extras):
                return install(Path(mark), extras, lock)
            Path(mark).write_text(extras)
            return 0
    except KeyboardInterrupt:
        say("Interrupted. Run make again: it begins again.")
        return 130


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
