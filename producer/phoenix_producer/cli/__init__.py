"""The command `phoenix-lxc`; `phoenix_lxc` has its commands."""

from __future__ import annotations

import contextlib
import io
import os
import sys

_LIBRARIES = {"typer", "rich"}
_FAILED = 1
_BAD_INPUT = 2
_INTERRUPTED = 130


def main() -> None:
    """Run the command line; the entry point.

    Exit with 130 on Ctrl-C, with 1 if stdout takes no more, and with 2 if the libraries of the command are not
    installed; each with one line on stderr at most.
    """
    try:
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            _run()
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
    except OSError as error:
        if not _stdout_is_lost():
            raise
        if not isinstance(error, BrokenPipeError):
            sys.stderr.write(f"phoenix-lxc cannot write its output: {error.strerror}.\n")
        raise SystemExit(_FAILED) from None


def _run() -> None:
    try:
        from phoenix_producer.cli.phoenix_lxc import app  # noqa: PLC0415 - its libraries are an extra
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        sys.stderr.write("phoenix-lxc needs its command line libraries. From a checkout: pip install '.[cli]'\n")
        raise SystemExit(_BAD_INPUT) from None
    app()


def _stdout_is_lost() -> bool:
    """Tell whether stdout refuses what it was given; if so, let the interpreter's last flush go nowhere."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return True
    return False
