"""Scripts run on whichever server answers: after a failover it may be one that has never heard of them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from redis import Redis

from phoenix_producer.client.lua_script import LuaScript
from phoenix_producer.client.record import PREFIX, Outgoing, Recorder
from phoenix_producer.contract import QUEUE

if TYPE_CHECKING:
    from collections.abc import Iterator


class AlwaysAnother(Redis):
    """A client whose every command reaches a server that knows no script yet: it became the master just now."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Have what the server knew forgotten first."""
        super().execute_command("SCRIPT FLUSH")  # type: ignore[no-untyped-call]
        return super().execute_command(*args, **options)  # type: ignore[no-untyped-call]


@pytest.fixture
def client(redis_url: str) -> Iterator[AlwaysAnother]:
    with AlwaysAnother.from_url(redis_url, decode_responses=True) as client:
        yield client


def test_a_script_runs_where_it_arrives(client: AlwaysAnother) -> None:
    assert LuaScript(client, "return ARGV[1] + ARGV[2]")(40, 2) == 42


def test_a_known_script_is_sent_by_its_digest(redis_client: Redis) -> None:
    script = LuaScript(redis_client, "return ARGV[1]")
    redis_client.config_resetstat()
    assert [script("a"), script("b")] == ["a", "b"]
    calls = redis_client.info("commandstats")
    assert [calls[f"cmdstat_{command}"]["calls"] for command in ("eval", "evalsha")] == [1, 2]


@pytest.mark.parametrize("replicated", [False, True])
def test_a_request_is_recorded_there(client: AlwaysAnother, replicated: bool) -> None:
    request = Outgoing("phoenix.ensure", "5f0c3c52-7a44-4c39-8a1e-0d8b6c4b9a01", 0, QUEUE, ((103,), {}, {}), {}, {})
    client.script_flush()
    assert Recorder(client, "billing", replicated=replicated)(request)
    assert json.loads(client.hget(f"{PREFIX}job:{request.id}", "subject") or "0") == 103
