"""`phoenix-lxc worker` serves requests and ends in order, and a shell completes the CTIDs that it declares."""

from __future__ import annotations

import os
import subprocess
from typing import TYPE_CHECKING

from phoenix_worker.commands.demo.child import ChildProcess
from tests.support.cli import COMMAND
from tests.support.waiting import wait_for
from tests.support.worker import QUICK_START

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.product import Product


def completed(line: str, redis_url: str) -> list[str]:
    """What bash is offered at the end of a line."""
    environ = {"PATH": os.environ["PATH"], "PHOENIX_REDIS_URL": redis_url, "_PHOENIX_LXC_COMPLETE": "complete_bash"}
    environ |= {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    done = subprocess.run([COMMAND], check=False, capture_output=True, text=True, timeout=180, env=environ)
    assert done.stderr == ""
    return done.stdout.split()


def test_a_worker_that_the_command_started_serves_and_completes_ctids(product: Product, tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), **product.environ()}
    # The Redis of the command line comes before that of the environment.
    environ["PHOENIX_REDIS_URL"] = "redis://127.0.0.1:1/0"
    command = [str(COMMAND), "--redis-url", product.redis_url, "worker", "-nw1@test", "-c4", *QUICK_START]
    assert completed("phoenix-lxc ensure 1", product.redis_url) == [], "nobody answers"
    with ChildProcess(command, log=log, environ=environ, directory=tmp_path) as worker:
        wait_for(lambda: "w1@test ready." in log.read_text() or not worker.running())
        assert product.ensure(103).outcome == "created"
        assert completed("phoenix-lxc ensure 10", product.redis_url) == ["101", "103"]
        assert completed("phoenix-lxc rebuild ", product.redis_url) == ["900", "901"]
        assert completed(f"phoenix-lxc --redis-url {product.redis_url} plan 80", "redis://127.0.0.1:1/0") == ["801"]
        worker.stop(grace=60)
        assert worker.wait(0) == 0, log.read_text()
