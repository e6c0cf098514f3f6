"""Bring .venv up to date: `python install.py EXTRAS`, for the Makefile. Whatever was interrupted is begun anew.

One at a time: others wait for the lock, which is on pyproject.toml itself, so that it leaves nothing behind and ends
with whoever has it, pip included.
"""

from __future__ import annotations

import fcntl
import os
import platform
import subprocess
import sys
import venv
from pathlib import Path
from typing import IO

VENV = Path(".venv")
DONE = VENV / ".installed"
LOG = VENV / "install.log"
SOURCES = (Path("pyproject.toml"), Path("constraints.txt"), Path(__file__))


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


def up_to_date() -> bool:
    """Whether nothing has changed since all was installed."""
    return DONE.exists() and all(source.stat().st_mtime <= DONE.stat().st_mtime for source in SOURCES)


def install(extras: str, lock: IO[str]) -> int:
    """Install; returns the exit code. Without its mark, what is in .venv is not whole."""
    whole = DONE.exists()
    if not whole:
        say(f"Creating .venv with Python {platform.python_version()}")
        venv.create(VENV, clear=True, symlinks=True, with_pip=True)
    DONE.unlink(missing_ok=True)
    say(f"Installing phoenix-lxc[{extras}] into .venv")
    command = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--quiet", "--no-input"]
    command += ["--disable-pip-version-check", "-e", f".[{extras}]", "-c", "constraints.txt"]
    with LOG.open("w") as log:
        code = subprocess.run(command, stdout=log, stderr=log, check=False, pass_fds=[lock.fileno()]).returncode
    if code:
        say(f"{LOG.read_text()}Installing failed; the log above is {LOG}.")
        if whole:  # as it was: a refusal of pip changes nothing, and without the network nothing would replace it
            DONE.touch()
            os.utime(DONE, (0, 0))
        return 1
    DONE.touch()
    return 0


def main(extras: str) -> int:
    """Do it, once and in turn."""
    try:
        with SOURCES[0].open() as lock:
            wait_for_turn(lock)
            return 0 if up_to_date() else install(extras, lock)
    except KeyboardInterrupt:
        say("Interrupted. Run make again: it begins anew.")
        return 130


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
