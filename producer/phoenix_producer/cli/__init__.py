"""The command `phoenix-lxc`; `phoenix_lxc` has its commands."""

# Nothing is imported here that the interpreter has not imported itself: a Ctrl-C before `main` is a traceback.
from __future__ import annotations

import io
import os
import sys

_LIBRARIES = {"typer", "rich"}
_FAILED = 1
_BAD_INPUT = 2
_INTERRUPTED = 130
_READER_GONE = 141
"""As a shell has it for a process that ended by SIGPIPE."""
_COMPLETING = "_PHOENIX_LXC_COMPLETE"
"""The shell sets it to ask what may follow on its line."""


def main() -> None:
    """Run the command line; the entry point.

    Exit with 130 on Ctrl-C, 143 on SIGTERM, 129 on SIGHUP and 141 if who reads stdout has gone, without a word; with 1
    if stdout takes no more or a file cannot be used, and with 2 if the libraries of the command are not installed, each
    with one line on stderr.
    """
    try:
        from phoenix_producer.cli import process  # noqa: PLC0415 - see above

        process.complete_streams()
        process.forget_impossible_sizes()
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
        with process.ending_in_order():
            try:
                _run()
            finally:
                sys.stdout.flush()
    except KeyboardInterrupt:
        raise SystemExit(_INTERRUPTED) from None
    except SystemExit as end:
        # What typer and rich make of it, each on its own, is a failure.
        if not isinstance(end.__context__, BrokenPipeError):
            raise
        raise SystemExit(_READER_GONE) from None
    except OSError as error:
        raise SystemExit(_code_of(error)) from None
    except Exception:
        if _COMPLETING not in os.environ:
            raise
        raise SystemExit(_FAILED) from None  # the shell is in the middle of a line: there is no place for an error


def _code_of(error: OSError) -> int:
    """Say in one line what cannot be read or written, unless it is what would say so; return the exit code."""
    if _stderr_is_lost():
        return _FAILED
    if error.filename or not _stdout_is_lost():  # an error of a stream names no file
        what = f": {error.filename!r}" if error.filename else ""
        sys.stderr.write(f"phoenix-lxc cannot go on: {error.strerror or error}{what}\n")
        return _FAILED
    if isinstance(error, BrokenPipeError):
        return _READER_GONE
    sys.stderr.write(f"phoenix-lxc cannot write its output: {error.strerror}.\n")
    return _FAILED


def _run() -> None:
    try:
        from phoenix_producer.cli.phoenix_lxc import app  # noqa: PLC0415 - its libraries are an extra
    except ModuleNotFoundError as error:
        if error.name not in _LIBRARIES:
            raise
        from phoenix_producer.cli.extras import installing_all  # noqa: PLC0415 - see above

        remedy = installing_all(sys.argv[1:])
        sys.stderr.write(f"phoenix-lxc needs its command line libraries. From a checkout: {remedy}\n")
        raise SystemExit(_BAD_INPUT) from None
    app()


def _stderr_is_lost() -> bool:
    """Tell whether stderr still refuses what it was given: then there is nowhere to say anything."""
    try:
        sys.stderr.flush()
    except OSError:
        _lead_nowhere(sys.stderr.fileno())
        return True
    return False


def _stdout_is_lost() -> bool:
    """Tell whether stdout refuses what it was given."""
    try:
        sys.stdout.write("\n")
        sys.stdout.flush()
    except OSError:
        _lead_nowhere(sys.stdout.fileno())
        return True
    return False


def _lead_nowhere(descriptor: int) -> None:
    """Let the interpreter's last flush succeed."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), descriptor)
