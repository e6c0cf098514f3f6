"""The command of Redis in compose.yaml reads its secret itself: it must read what workers read, or not start."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry

from phoenix_producer.client.secret_files import secret
from phoenix_worker.commands.demo.embedded import find_server, free_port
from tests.support.compose_file import compose


class RedisCommand:
    """The shell of the command, with the container's paths in a folder of the test's."""

    def __init__(self, folder: Path) -> None:
        self.secret = folder / "redis_password"
        self._folder = folder
        shell, option, script = compose({"PHOENIX_PROXMOX_HOST": "pve"})["services"]["redis"]["command"]
        for inside, here in (
            ("/run/secrets", str(folder)),
            ("/tmp/password", f"{folder}/password"),  # noqa: S108 - the container's
            ("--dir /data", f"--dir {folder}"),
        ):
            assert inside in script
            script = script.replace(inside, here)
        self._command = [shell, option, f"{script.rstrip()} $options\n"]

    def start(self, server: str, options: str = "") -> subprocess.Popen[str]:
        """Start it, with this program as `valkey-server`."""
        (self._folder / "valkey-server").write_text(server)
        (self._folder / "valkey-server").chmod(0o755)
        environ = {"PATH": f"{self._folder}:{os.environ['PATH']}", "options": options}
        pipe = subprocess.PIPE
        return subprocess.Popen(self._command, stdout=pipe, stderr=pipe, text=True, env=environ)


EMPTY = "is empty or cannot be read"
LONG = "has more than one line"


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, EMPTY),
        (Path(), EMPTY),
        ("", EMPTY),
        ("\n", EMPTY),
        (" \t\r\n", EMPTY),
        ("s3cret\n\n", LONG),
        ('s3cret"\nport 7777', LONG),
    ],
)
def test_redis_does_not_start_without_its_password(content: str | Path | None, why: str, tmp_path: Path) -> None:
    """A folder is what some engines make of a file that is not there."""
    command, server = RedisCommand(tmp_path), "#!/bin/sh\necho started\n"
    if isinstance(content, Path):
        command.secret.mkdir()
    elif content is not None:
        command.secret.write_text(content)
    refused = command.start(server)
    said, complained = refused.communicate(timeout=60)
    assert (refused.returncode, said) == (1, "")
    assert f"redis_password {why}" in complained
    assert "s3cret" not in complained
    if command.secret.is_dir():
        command.secret.rmdir()
    command.secret.write_text("s3cret\n")
    assert command.start(server).communicate(timeout=60)[0] == "started\n"
    assert (tmp_path / "password.conf").read_text() == 'requirepass "s3cret"\n'


def test_redis_takes_the_password_that_workers_read_from_the_same_file(tmp_path: Path) -> None:
    """Whatever is special to a shell, to printf, to sed or in a configuration of Redis, and a line break of Windows."""
    command, port = RedisCommand(tmp_path), free_port()
    command.secret.write_bytes(rb""" s3cret '$(id)`#;&|%s \x41\n"q"/ """ + b"\t\r\n")
    read = secret({"PHOENIX_REDIS_PASSWORD_FILE": str(command.secret)}, "PHOENIX_REDIS_PASSWORD")
    server = command.start(f'#!/bin/sh\nexec {find_server()} "$@"\n', f"--port {port} --bind 127.0.0.1")
    try:
        with redis.Redis(port=port, password=read, retry=Retry(ConstantBackoff(0.1), 300)) as client:
            assert client.ping()
    finally:
        server.kill()
        server.communicate(timeout=60)
    assert (tmp_path / "password").read_text() == read, "the health check reads it there"
