"""What a terminal shows while `phoenix-lxc` waits or watches: lines that are drawn again."""

from __future__ import annotations

import os
import pty
import signal
from typing import TYPE_CHECKING

from phoenix_worker.commands.demo.embedded import private_redis
from tests.support.cli import invoke

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path


def test_a_terminal_shows_one_live_line_for_each_job(started: Callable[..., subprocess.Popen[str]]) -> None:
    ours, theirs = pty.openpty()
    process = started("ensure", "103", "101", stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = ""
    while chunk := _read(ours):
        shown += chunk
    os.close(ours)
    assert process.wait(60) == 0
    assert "\x1b[" in shown
    assert "103" in shown
    assert "created on pve" in shown


def test_a_notice_stands_above_the_live_lines(started: Callable[..., subprocess.Popen[str]], redis_url: str) -> None:
    ours, theirs = pty.openpty()
    started("--redis-url", redis_url, "ensure", "103", stdout=theirs, stderr=theirs)
    os.close(theirs)
    shown = ""
    while "\x1b[2K" not in shown.partition("No worker answers")[2]:
        shown += _read(ours)
    os.close(ours)
    before = shown.partition("No worker answers")[0]
    assert before.endswith(("\x1b[2K", "\x1b[?25l")), "a line that was there is cleared"


def test_jobs_are_watched_until_ctrl_c_though_redis_is_away_meanwhile(
    started: Callable[..., subprocess.Popen[str]], tmp_path: Path
) -> None:
    ours, theirs = pty.openpty()
    with private_redis(tmp_path) as server:
        process = started("--redis-url", server.url, "jobs", "--watch", stdout=theirs, stderr=theirs)
        os.close(theirs)
        shown = ""
        while "There are no open jobs." not in shown:
            shown += _read(ours)
        invoke("--redis-url", server.url, "ensure", "103", "--no-wait")
        while "ensure 103" not in shown:
            shown += _read(ours)
        server.kill()
        while "cannot be used" not in shown:
            assert process.poll() is None, shown
            shown += _read(ours)
        drawn = shown.partition("cannot be used")[0].rpartition("\x1b[2K")[2]
        assert "ensure 103" in drawn, "what was known stays"
        server.start()
        invoke("--redis-url", server.url, "ensure", "104", "--no-wait")
        while "ensure 104" not in shown:
            assert process.poll() is None, shown
            shown += _read(ours)
        process.send_signal(signal.SIGINT)
        while chunk := _read(ours):
            shown += chunk
    os.close(ours)
    assert process.wait(60) == 130
    assert "Traceback" not in shown


def _read(terminal: int) -> str:
    try:
        return os.read(terminal, 65536).decode(errors="replace")
    except OSError:  # Linux says so when the other side is closed
        return ""
