"""Signals that end the command, from its first moment to its last: no traceback, the usual code, a sane terminal."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.interrupted_import import CTRL_C_AT_IMPORT

if TYPE_CHECKING:
    from collections.abc import Callable

_LOADED = "import sys; before = set(sys.modules); import phoenix_producer.cli; print(*(set(sys.modules) - before))"
_SLOW_TO_IMPORT = {"typing", "re", "enum", "contextlib", "collections", "signal", "typer", "celery"}
_CELERY = f"""{CTRL_C_AT_IMPORT}import runpy
sys.argv = ["celery", "-A", {{app!r}}, {{command!r}}]
runpy.run_module("phoenix_producer.cli.celery_process", run_name="__main__", alter_sys=True)
"""
_AFTERWARDS = """
import atexit, os, signal, sys
atexit.register(os.kill, os.getpid(), signal.SIGINT)
sys.argv = ["phoenix-lxc", "--version"]
from phoenix_producer.cli import main
main()
"""


def python(script: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-c", script]
    return subprocess.run(words, check=False, capture_output=True, text=True, timeout=180)


def test_nothing_slow_is_imported_before_ctrl_c_is_heeded() -> None:
    # -S: what the site-packages of a checkout import at every start is not the command's.
    words = [sys.executable, "-S", "-c", f"import sys; sys.path[:0] = {sys.path!r}; {_LOADED}"]
    loaded = subprocess.run(words, check=True, capture_output=True, text=True, timeout=180).stdout.split()
    assert "phoenix_producer.cli" in loaded
    assert _SLOW_TO_IMPORT.isdisjoint(loaded)


def test_ctrl_c_when_all_is_done_is_no_traceback() -> None:
    done = python(_AFTERWARDS)
    assert (done.returncode, done.stderr) == (-signal.SIGINT, "")
    assert done.stdout.startswith("phoenix-lxc ")


@pytest.mark.parametrize(
    ("module", "app", "command"),
    [
        ("celery", "phoenix_producer.monitor", "flower"),
        ("celery.bin.celery", "phoenix_producer.monitor", "flower"),
        ("phoenix_producer.monitor", "phoenix_producer.monitor", "flower"),
        ("flower.command", "phoenix_producer.monitor", "flower"),
        ("phoenix_worker.app", "phoenix_worker", "worker"),
    ],
)
def test_ctrl_c_while_celery_begins_is_no_traceback(module: str, app: str, command: str) -> None:
    done = python(_CELERY.format(module=module, app=app, command=command))
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def ended_on_a_terminal(process: subprocess.Popen[str], terminal: int, shown: str, number: int) -> tuple[int, str]:
    """Wait until something is shown, then send the signal; return the code and all that was shown."""
    seen = _until(terminal, shown)
    process.send_signal(number)
    while chunk := _read(terminal):
        seen += chunk
    os.close(terminal)
    return process.wait(60), seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
@pytest.mark.parametrize(
    ("arguments", "shown"), [(["jobs", "--watch"], "There are no open jobs."), (["ensure", "103"], "requested")]
)
def test_a_live_view_that_a_signal_ends_gives_the_cursor_back(
    arguments: list[str],
    shown: str,
    number: signal.Signals,
    started: Callable[..., subprocess.Popen[str]],
    redis_url: str,
) -> None:
    ours, theirs = pty.openpty()
    process = started("--redis-url", redis_url, *arguments, stdin=theirs, stdout=theirs, stderr=theirs)
    os.close(theirs)
    code, seen = ended_on_a_terminal(process, ours, shown, number)
    assert code == 128 + number
    assert seen.rindex("\x1b[?25h") > seen.rindex("\x1b[?25l")
    assert "Traceback" not in seen


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_without_a_terminal_a_signal_ends_it_without_a_word(
    number: signal.Signals, started: Callable[..., subprocess.Popen[str]], redis_url: str
) -> None:
    process = started("--redis-url", redis_url, "ensure", "103")
    assert process.stdout is not None
    assert "requested" in process.stdout.readline()
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert [line for line in errors.splitlines() if not line.startswith("No worker answers.")] == []


def _until(terminal: int, text: str) -> str:
    seen = ""
    while text not in seen:
        chunk = _read(terminal)
        assert chunk, f"It ended before it showed {text!r}:\n{seen}"
        seen += chunk
    return seen


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode()
    except OSError:  # Linux says so when the other side is closed
        return ""
