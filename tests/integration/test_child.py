from __future__ import annotations

import gc
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.commands.demo.child import ChildProcess
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

LISTEN = """
import socket, sys, time
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
time.sleep(600)
"""
STARTER = f"""
import pathlib, sys, time
from phoenix_worker.commands.demo.child import ChildProcess
child = ChildProcess([sys.executable, "-c", {LISTEN!r}], log=pathlib.Path(sys.argv[1]), answers=True)
print(child.output.readline().decode(), flush=True)
if sys.argv[2] == "raises":
    raise RuntimeError("on purpose")
if sys.argv[2] == "returns":
    sys.exit()
time.sleep(600)
"""


def answers(port: int) -> bool:
    """Whether somebody listens: a fact also where nobody reaps orphans, unlike the existence of a process id."""
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


@pytest.mark.parametrize("end", ["SIGKILL", "SIGTERM", "SIGINT", "raises", "returns"])
def test_a_child_ends_with_its_starter_however_that_ends(tmp_path: Path, end: str) -> None:
    command = [sys.executable, "-c", STARTER, str(tmp_path / "log"), end]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as starter:
        assert starter.stdout is not None
        port = int(starter.stdout.readline())
        if end.startswith("SIG"):
            assert answers(port)
            starter.send_signal(signal.Signals[end])
        starter.wait(60)
    wait_for(lambda: not answers(port))


def test_stop_lets_a_child_end_in_order(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with ChildProcess(["sh", "-c", "trap 'echo in order; exit' TERM; echo up; while :; do sleep 0.01; done"], log=log):
        wait_for(lambda: "up" in log.read_text())
    assert log.read_text() == "up\nin order\n"


def test_stop_kills_a_child_that_does_not_listen_and_what_it_started(tmp_path: Path) -> None:
    log = tmp_path / "log"
    deaf = f"trap '' TERM; {sys.executable} -c '{LISTEN}' & wait; while :; do sleep 1; done"
    child = ChildProcess(["sh", "-c", deaf], log=log)
    port = int(wait_for(lambda: log.read_text().strip()))
    assert answers(port)
    child.stop(grace=0.01)
    assert not child.running()
    wait_for(lambda: not answers(port))


def test_a_program_that_is_not_there_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        ChildProcess(["no-such-program"], log=tmp_path / "log")
    gc.collect()  # a guard that was not reaped warns here, and warnings are errors


def test_output_belongs_to_who_asked_for_it(tmp_path: Path) -> None:
    with ChildProcess(["echo", "hello"], log=tmp_path / "log", answers=True) as child:
        assert child.output.read() == b"hello\n"
    with ChildProcess(["echo", "hello"], log=tmp_path / "log") as child:
        assert child.wait(60) == 0
        with pytest.raises(ValueError, match="log"):
            assert child.output
    assert (tmp_path / "log").read_text() == "hello\n"
