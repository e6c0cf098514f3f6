"""What is at Redis's place, or what it refuses: each subcommand says it in one line, with a remedy, and ends soon."""

from __future__ import annotations

import os
import socket
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
import redis

from phoenix_producer.client import reaching
from phoenix_producer.client.redis_words import remedy_of, words_of
from phoenix_producer.http import serve_command
from phoenix_worker.commands.demo.embedded import private_redis
from tests.support.cli import invoke
from tests.support.subcommands import Subcommand, subcommands

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from phoenix_worker.commands.demo.embedded import RedisServer

ASKING = [one for one in subcommands() if one.asks_redis]
SENDING = [one for one in ASKING if one.sends]
_HTTP = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def own_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with private_redis(tmp_path_factory.mktemp("redis")) as server:
        yield server


@contextmanager
def listening(serve: Callable[[socket.socket], object]) -> Iterator[int]:
    """Something else than Redis at a port: each connection is given to `serve`."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def accept() -> None:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                threading.Thread(target=_served, args=(serve, connection), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


def _served(serve: Callable[[socket.socket], object], connection: socket.socket) -> None:
    with connection:
        try:
            serve(connection)
        except OSError:
            return


def _answer_as_http(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(_HTTP)


def _say_nothing(connection: socket.socket) -> None:
    while connection.recv(4096):
        pass


def one_line(command: Subcommand, url: str, remedy: str, code: int = 1) -> None:
    """Assert that it ends with one line for this trouble; it may also have said that nobody works."""
    done = invoke("--redis-url", url, *command.words, *(["--timeout", "0.2"] if command.sends else []))
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    told = [line for line in done.stderr.splitlines() if not line.startswith("No worker ")]
    assert (done.exit_code, done.stdout, len(told)) == (code, "", 1), done.output
    assert told[0].startswith("Redis at redis")
    assert told[0].endswith(remedy)
    assert not [word for word in ("script:", "pipeline", "s3cret") if word in told[0]]


def test_the_commands_are_those_of_the_parser() -> None:
    assert {"ensure", "jobs", "jobs show", "cancel", "move"} <= {str(one) for one in ASKING}
    assert not {"locks", "jobs", "jobs show"} & {str(one) for one in SENDING}


@pytest.mark.parametrize("command", ASKING, ids=str)
def test_a_port_of_another_protocol(command: Subcommand) -> None:
    with listening(_answer_as_http) as port:
        one_line(command, f"redis://127.0.0.1:{port}/0", "correct the port in PHOENIX_REDIS_URL.")


@pytest.mark.parametrize(("scheme", "command"), [*(("redis", one) for one in ASKING), ("rediss", ASKING[0])], ids=str)
def test_a_port_that_says_nothing_is_asked_once(
    scheme: str, command: Subcommand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaching, "ANSWER_SECONDS", 0.05)
    asked: list[socket.socket] = []

    def count(connection: socket.socket) -> None:
        asked.append(connection)
        _say_nothing(connection)

    with listening(count) as port:
        one_line(command, f"{scheme}://127.0.0.1:{port}/0", "with redis:// it must not.")
    assert len(asked) <= 1, "it is not accepted yet, at the earliest"


@pytest.mark.parametrize("command", ASKING[:1], ids=str)
def test_a_port_that_closes_each_connection(command: Subcommand) -> None:
    with listening(lambda _: None) as port:
        one_line(command, f"redis://127.0.0.1:{port}/0", "let PHOENIX_REDIS_URL begin with rediss://.")


@pytest.mark.parametrize("command", ASKING, ids=str)
def test_a_user_who_may_do_nothing(command: Subcommand, own_redis: RedisServer) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.execute_command("ACL", "SETUSER", "joe", "reset", "on", ">s3cret", "~*", "&*", "-@all")
    url = own_redis.url.replace("redis://", "redis://joe:s3cret@")
    one_line(command, url, "docs/security.md lists what each role may do.")


@pytest.mark.parametrize("words", [["serve", "--port", "0"], ["flower", "--port=0"]])
@pytest.mark.parametrize("wrong", ["redis://:s3cret@", "/99"])
def test_what_serves_does_not_start_with_a_login_that_redis_refuses(
    words: list[str], wrong: str, own_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "execv")  # it would take the place of the tests
    monkeypatch.setattr(serve_command, "serve_http", None)
    url = own_redis.url.replace("/0", wrong) if wrong == "/99" else own_redis.url.replace("redis://", wrong)
    done = invoke("--redis-url", url, *words, PHOENIX_HTTP_TOKENS=str(tmp_path / "tokens.json"))
    assert (done.exit_code, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.output
    assert done.stderr.startswith("Redis at redis")
    assert "s3cret" not in done.stderr


@pytest.mark.parametrize("command", SENDING, ids=str)
def test_a_redis_without_memory_for_writes(command: Subcommand, own_redis: RedisServer) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory", 1)
        try:
            one_line(command, own_redis.url, "Give Redis more memory: maxmemory in its configuration.")
        finally:
            client.config_set("maxmemory", 0)


@pytest.mark.parametrize("command", SENDING, ids=str)
def test_a_replica_is_named_with_the_setting_to_correct(command: Subcommand, own_redis: RedisServer) -> None:
    with redis.Redis.from_url(own_redis.url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        try:
            one_line(command, own_redis.url, "Let PHOENIX_REDIS_URL name the primary: replicas take no writes.")
        finally:
            client.execute_command("REPLICAOF", "NO", "ONE")


@pytest.mark.parametrize(
    ("said", "words", "remedy"),
    [
        (
            "Command # 1 (HGETALL phoenix:job:1) of pipeline caused error: Link with MASTER is down.",
            "Link with MASTER is down",
            "Let PHOENIX_REDIS_URL name the primary",
        ),
        (
            "command not allowed when used memory > 'maxmemory'. script: on @user_script:71.",
            "command not allowed when used memory > 'maxmemory'",
            "Give Redis more memory",
        ),
        (
            "ACL failure in script: No permissions to access a key script: 5b0e2f0a, on @user_script:9.",
            "No permissions to access a key",
            "docs/security.md",
        ),
        ("Redis is loading the dataset in memory", "Redis is loading the dataset in memory", "Try again"),
        ("NOREPLICAS Not enough good replicas to write.", None, "It takes writes again when enough replicas"),
        (
            "WRONGTYPE Operation against a key holding the wrong kind of value script: on @user_script:71.",
            "WRONGTYPE Operation against a key holding the wrong kind of value",
            "Another program has written",
        ),
        ("max number of clients reached", "max number of clients reached", "Raise maxclients"),
        ("MOVED 3999 127.0.0.1:6381", "MOVED 3999 127.0.0.1:6381", "Use a single server, or Sentinel"),
        ("unknown command 'XADD'", "unknown command 'XADD'", "Use Redis 7 or newer"),
        (
            "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.",
            "MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk",
            "Redis's log says why",
        ),
        ("Error 111 connecting to 127.0.0.1:1. Connection refused.", None, "Check that Redis runs there"),
        ("Error 1 connecting. [SSL: WRONG_VERSION_NUMBER] wrong version number", None, "No TLS at this port"),
        ("certificate verify failed: self-signed certificate", None, "Set PHOENIX_REDIS_CA_FILE"),
        ("No master found for 'mymaster'", None, "Correct the name of the master"),
        ("The previous master is now a slave", None, "Not all Sentinels name the new master yet: try again"),
        ("unknown command 'SENTINEL', with args beginning with: 'MASTERS'", None, "No Sentinel answers at this port"),
    ],
)
def test_what_redis_says_is_told_without_what_is_around_it_and_with_a_remedy(
    said: str, words: str | None, remedy: str
) -> None:
    assert words_of(said) == (words or said.rstrip("."))
    assert remedy_of(words_of(said)).startswith(remedy)
