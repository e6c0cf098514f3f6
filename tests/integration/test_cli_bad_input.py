"""What is wrong with a command, its settings or its Redis: one clear error, its exit code, and nothing begun."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import redis

from tests.support.cli import invoke

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path

    from phoenix_worker.commands.demo.embedded import RedisServer

REFUSED, BROKEN, STOPPED = "404", "500", "499"
WARNED = ("420", "421")
NOBODY = "redis://:s3cret@127.0.0.1:1/0"


@pytest.mark.parametrize(
    "arguments",
    [
        ["ensure"],
        ["ensure", "103", "--all"],
        ["ensure", "5"],
        ["ensure", "x"],
        ["ensure", "+103"],
        ["status", "0103"],
        ["destroy", "1_03", "--yes"],
        ["adopt", "103", "--seal", " 103"],
        ["jobs", "--ctid", "\u0661\u0660\u0663"],
        ["token", "add", "x", "--role", "requester", "--ctid", "0103"],
        ["plan"],
        ["plan", "5"],
        ["plan", "103", "--all"],
        ["drift", "5"],
        ["ensure", "103", "--state", "on"],
        ["ensure", "103", "--wait-for-address", "0"],
        ["ensure", "103", "--wait-for-address", "3601"],
        ["adopt", "103", "--seal", "104", "--yes"],
    ],
)
def test_bad_input_has_its_exit_code_and_nothing_on_stdout(arguments: list[str]) -> None:
    result = invoke("--redis-url", NOBODY, *arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Invalid value" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["ensure", "555"], 2),
        (["ensure", "555", "556", "--json"], 2),
        (["plan", "555"], 2),
        (["plan", "103", "555"], 1),
        (["status", "103", "555"], 2),
        (["ensure", "555", REFUSED], 1),
        (["ensure", "103", "555"], 1),
    ],
)
def test_ctids_that_the_catalog_does_not_have_are_bad_input_if_nothing_was_begun(
    arguments: list[str], code: int, run: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = run(*arguments)
    assert done.returncode == code
    assert "CT 555 is not in the catalog." in done.stdout + done.stderr


@pytest.mark.parametrize(("command", "code"), [("ensure", 2), ("plan", 2)])
def test_a_url_that_is_none_is_bad_input(command: str, code: int) -> None:
    result = invoke("--redis-url", "http://:s3cret@127.0.0.1", command, "103")
    assert result.exit_code == code
    assert "Not a usable Redis URL" in result.stderr
    assert "s3cret" not in result.output


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["destroy", "103", "--yes"], 2), (["ensure", "103"], 2), (["plan", "103"], 2), (["drift"], 2), (["jobs"], 2)],
)
@pytest.mark.parametrize("by_option", [True, False])
def test_a_database_that_is_no_number_is_refused_and_nothing_is_sent(
    arguments: list[str], code: int, *, by_option: bool, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"{redis_server.url.rsplit('/', 1)[0]}/abc"
    monkeypatch.setenv("PHOENIX_REDIS_URL", "redis://127.0.0.1:1/0" if by_option else url)
    result = invoke(*(["--redis-url", url] if by_option else []), *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert "Not a usable Redis URL" in result.stderr
    with redis.Redis.from_url(redis_server.url) as client:
        assert client.info("keyspace") == {}


def test_a_database_that_redis_does_not_have_is_bad_input(redis_server: RedisServer) -> None:
    result = invoke("--redis-url", f"{redis_server.url.rsplit('/', 1)[0]}/4444", "ensure", "103")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "/4444 has no database with that number" in result.stderr


@pytest.mark.parametrize(
    ("login", "why"),
    [
        (":wr0ng@", "refuses the password in PHOENIX_REDIS_URL"),
        ("", "wants a password, and PHOENIX_REDIS_URL has none"),
    ],
)
def test_a_password_that_redis_refuses_is_bad_input(login: str, why: str, redis_server: RedisServer) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("requirepass", "s3cret")
    result = invoke("--redis-url", redis_server.url.replace("redis://", f"redis://{login}"), "ensure", "103")
    assert (result.exit_code, result.stdout) == (2, "")
    assert why in result.stderr
    assert "is it running" not in result.stderr.lower()
    assert "wr0ng" not in result.output


@pytest.mark.parametrize("in_file", [False, True])
def test_a_refused_password_is_blamed_on_the_variable_that_gave_it(
    redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, in_file: bool
) -> None:
    with redis.Redis.from_url(redis_server.url) as client:
        client.config_set("requirepass", "s3cret")
    monkeypatch.setenv("PHOENIX_REDIS_URL", redis_server.url)
    name = "PHOENIX_REDIS_PASSWORD_FILE" if in_file else "PHOENIX_REDIS_PASSWORD"
    (tmp_path / "password").write_text("wr0ng\n")
    monkeypatch.setenv(name, str(tmp_path / "password") if in_file else "wr0ng")
    monkeypatch.setenv("PHOENIX_REDIS_PASSWORD" if in_file else "PHOENIX_REDIS_PASSWORD_FILE", "")
    monkeypatch.setenv("PHOENIX_REDIS_CA_FILE", "")
    result = invoke("ensure", "103")
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"refuses the password in {name}. Correct it there" in result.stderr
    assert "PHOENIX_REDIS_URL" not in result.stderr
    assert "wr0ng" not in result.output


def test_a_redis_that_is_down_is_one_line_without_its_password() -> None:
    result = invoke("--redis-url", NOBODY, "ensure", "103")
    assert (result.exit_code, result.stdout) == (1, "")
    assert len(result.stderr.splitlines()) == 1
    assert "Redis at redis://:**@127.0.0.1:1/0 cannot be used" in result.stderr
