"""`phoenix-lxc check` and Redis: what it forgets, what its user may not do, and that it cannot be used."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from contextlib import closing
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.client.channel import LoginRefused
from phoenix_producer.client.connection import redis_client as client_of
from phoenix_producer.client.reaching import greet
from phoenix_producer.client.redis_url import place_of
from phoenix_producer.client.secret_files import redis_url_of
from phoenix_worker.check import redis_facts
from phoenix_worker.core.checkup.redis import judge
from phoenix_worker.durable.redis_check import objections
from tests.integration.test_check import found, lines, prepared

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from phoenix_worker.commands.demo.embedded import RedisServer
    from tests.support.product import Product

__all__ = ["prepared"]


def user(client: Redis, *refused: str) -> None:
    """Make the user `weak`, who may do all the rest."""
    rules = ["on", ">secret", "~*", "&*", "+@all", *refused]
    client.execute_command("ACL", "SETUSER", "weak", *rules)  # type: ignore[no-untyped-call]  # of redis-py


def typed(remedy: str, folder: Path) -> None:
    """Run commands as printed, with the `redis-cli` of this machine."""
    command = folder / "redis-cli"
    real = shutil.which("redis-cli") or shutil.which("valkey-cli")
    command.write_text(f'#!/bin/sh\nexec {real} "$@"\n')
    command.chmod(0o755)
    path = f"{folder}:{os.environ['PATH']}"
    subprocess.run(remedy, shell=True, check=False, env={**os.environ, "PATH": path}, timeout=60)  # noqa: S602 - as printed


REDIS = ("maxmemory-policy", "appendonly", "appendfsync")


@pytest.fixture
def reset(redis_client: Redis) -> Iterator[None]:
    """The server is shared with other tests."""
    before = {name: str(redis_client.config_get(name)[name]) for name in REDIS}
    yield
    for name, value in before.items():
        redis_client.config_set(name, value)
    redis_client.acl_deluser("weak")


@pytest.mark.usefixtures("reset")
@pytest.mark.parametrize(
    ("name", "value", "level", "about"),
    [
        ("maxmemory-policy", "allkeys-lru", "error", "Redis eviction"),
        ("appendonly", "no", "error", "Redis persistence"),
        ("appendfsync", "no", "warning", "Redis persistence"),
    ],
)
def test_a_redis_that_forgets_is_found(
    prepared: Product, redis_client: Redis, tmp_path: Path, name: str, value: str, level: str, about: str
) -> None:
    assert prepared.redis_url
    redis_client.config_set(name, value)
    _, remedy = found(level, about, 0 if level == "warning" else 1)
    assert f"CONFIG SET {name}" in remedy
    typed(remedy, tmp_path)
    assert about not in {line["about"] for line in lines(0)}


@pytest.mark.usefixtures("reset")
def test_a_redis_user_that_may_not_do_it_is_found(
    prepared: Product, redis_client: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    user(redis_client, "-eval", "-publish", "-config")
    monkeypatch.setenv("PHOENIX_REDIS_URL", prepared.redis_url.replace("redis://", "redis://weak:secret@"))
    text, _ = found("error", "Redis user")
    assert text == "weak lacks the permission to run scripts, or to publish results"
    found("warning", "Redis settings")


def test_a_default_user_without_a_password_is_found(redis_server: RedisServer, tmp_path: Path) -> None:
    """The other users limit nobody then: who gives no name makes them, here."""
    url = redis_server.url.replace("redis://", "redis://weak:secret@")
    with closing(client_of(redis_server.url)) as own:
        user(own)
        facts = redis_facts.redis_facts(own, redis_server.url)
        assert not facts.open_to_all, "it is the user of the worker itself"
    with closing(client_of(url)) as weak:
        facts = redis_facts.redis_facts(weak, url)
        (line,) = [line for line in judge(facts) if line.about == "Redis default user"]
        typed(line.remedy.partition(": ")[2].partition(", then")[0], tmp_path)
        assert not redis_facts.redis_facts(weak, url).open_to_all
        for closed in (("off", "nopass"), ("on", "-set")):
            weak.execute_command("ACL", "SETUSER", "default", *closed)  # type: ignore[no-untyped-call]  # of redis-py
            assert not redis_facts.redis_facts(weak, url).open_to_all


@pytest.mark.usefixtures("prepared", "reset")
@pytest.mark.parametrize(
    ("url", "words"),
    [("redis://127.0.0.1:1/0", "cannot be used"), ("redis://weak:wrong@{}", "refuses the login")],
)
def test_a_redis_that_cannot_be_used_is_found(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, url: str, words: str
) -> None:
    user(redis_client)
    monkeypatch.setenv("PHOENIX_REDIS_URL", url.format(redis_url.removeprefix("redis://")))
    text, _ = found("error", "Redis")
    assert words in text


@pytest.mark.usefixtures("prepared", "reset")
@pytest.mark.parametrize(
    ("login", "password", "remedy"),
    [
        ("weak:wrong@", "", "Correct the password in PHOENIX_REDIS_URL."),
        ("weak@", "wrong", "Correct the password in PHOENIX_REDIS_PASSWORD."),
        ("weak@", "", "Set PHOENIX_REDIS_PASSWORD."),
    ],
)
def test_a_refused_login_is_blamed_on_the_setting_that_has_it(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch, login: str, password: str, remedy: str
) -> None:
    user(redis_client)
    monkeypatch.setenv("PHOENIX_REDIS_URL", redis_url.replace("redis://", f"redis://{login}"))
    monkeypatch.setenv("PHOENIX_REDIS_PASSWORD", password)
    text, said = found("error", "Redis")
    assert (text.startswith("refuses the login"), said) == (True, remedy)


@pytest.mark.usefixtures("prepared", "reset")
def test_a_login_that_sentinels_refuse_is_blamed_on_their_password(
    redis_client: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Redis refuses a wrong password as a Sentinel does."""
    user(redis_client)
    url = f"sentinel{redis_url.removeprefix('redis').rpartition('/')[0]}/mymaster/0?sentinel_username=weak"
    monkeypatch.setenv("PHOENIX_REDIS_URL", url)
    monkeypatch.setenv("PHOENIX_SENTINEL_PASSWORD", "wrong")
    text, remedy = found("error", "Redis")
    hosts = place_of(url).addresses()[0]
    assert text.endswith(f"cannot be used: No master found for 'mymaster' : the Sentinel {hosts} refuses the login")
    assert remedy.startswith("Correct the password of the Sentinels: PHOENIX_SENTINEL_PASSWORD")
    with pytest.raises(LoginRefused, match=f"the Sentinel {hosts} refuses the login. Correct the password of"):
        greet(redis_url_of(os.environ))
    with client_of(redis_url_of(os.environ)) as client:
        (problem,) = objections(client, lambda: None)
    assert f"the Sentinel {hosts} refuses the login. Correct the password of the Sentinels" in problem
    monkeypatch.setenv("PHOENIX_SENTINEL_PASSWORD", "secret")
    text, remedy = found("error", "Redis")
    assert "refuses the login" not in text
    assert "PHOENIX_SENTINEL_PASSWORD" not in remedy, "what answers here is no Sentinel, as is said now"


@pytest.mark.usefixtures("prepared")
@pytest.mark.parametrize(("ahead", "told"), [(61, "61 s behind"), (-86_400, "86400 s ahead of")])
def test_a_clock_that_is_another_than_this_machine_s_is_found(
    monkeypatch: pytest.MonkeyPatch, ahead: int, told: str
) -> None:
    monkeypatch.setattr(redis_facts, "time", SimpleNamespace(time=lambda: time.time() + ahead))
    text, remedy = found("warning", "Redis clock", 0)
    assert (told in text, "timedatectl set-ntp true" in remedy) == (True, True)
