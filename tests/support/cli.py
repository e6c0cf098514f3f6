"""The command `phoenix-lxc`, in a process of its own or in this one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import redis
from typer.testing import CliRunner

from phoenix_producer.cli.phoenix_lxc import app

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from typer.testing import Result

COMMAND = Path(sys.executable).parent / "phoenix-lxc"


@pytest.fixture
def environ(answering_url: str) -> dict[str, str]:
    return {**os.environ, "PHOENIX_REDIS_URL": answering_url, "COLUMNS": "120"}


@pytest.fixture
def run(environ: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """The installed command, in a process of its own."""

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [COMMAND, *arguments], check=False, capture_output=True, text=True, timeout=180, env=environ
        )

    return run


@pytest.fixture
def started(environ: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """The command still running, with pipes."""
    processes: list[subprocess.Popen[str]] = []

    def start(*arguments: str, **streams: Any) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
        process = subprocess.Popen([COMMAND, *arguments], text=True, env=environ, **pipes)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def release(answering_url: str) -> Callable[[], object]:
    """Lets the slow job end."""

    def release() -> object:
        with redis.Redis.from_url(answering_url) as client:
            return client.rpush("release", "now")

    return release


def invoke(*arguments: str, **environ: str) -> Result:
    return CliRunner().invoke(app, list(arguments), env=environ)
