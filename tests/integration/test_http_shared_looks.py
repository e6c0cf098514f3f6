"""Who accepts an answer of some age costs the workers one look, however many ask; none is older than what has ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from phoenix_producer.http.tokens import Role
from tests.support.http_door import HttpDoor, Said, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from phoenix_worker.commands.demo.embedded import RedisServer

LATELY = {"Cache_Control": "max-age=60"}
PATHS = ("/v1/status?ctid=103", "/v1/status?wait=20&ctid=103", "/v1/status?ctid=103&wait=10")


@pytest.fixture(scope="module")
def door(answering_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpDoor]:
    with serving(answering_url, tmp_path_factory.mktemp("shared")) as door:
        yield door


@pytest.fixture
def looks(answering_client: Redis) -> Callable[[], int]:
    """How many looks were sent since this was called last."""
    known: set[str] = set()

    def sent() -> int:
        fresh = set(answering_client.scan_iter("phoenix:job:*", _type="hash")) - known
        known.update(fresh)
        return len(fresh)

    sent()
    return sent


def at_once(door: HttpDoor, *paths: str) -> list[Said]:
    with ThreadPoolExecutor(len(paths)) as clients:
        return list(clients.map(lambda path: door.get(path, **LATELY), paths))


def test_many_who_look_cost_one_look_until_something_has_ended(
    door: HttpDoor, looks: Callable[[], int], answering_client: Redis
) -> None:
    answering_client.xadd("phoenix:events", {"kind": "done", "request": "phoenix.ensure"})
    answers = at_once(door, *PATHS, *PATHS, *PATHS)
    assert ({one.status for one in answers}, len({one.text for one in answers}), looks()) == ({200}, 1, 1)
    for name, kind in (("status", "done"), ("drift", "failed"), ("ensure", "requested")):
        answering_client.xadd("phoenix:events", {"kind": kind, "request": f"phoenix.{name}"})
    assert int(at_once(door, *PATHS)[0].headers["age"]) > 0, "it was given before"
    assert looks() == 0, "looks change nothing, and what was only asked for has changed nothing yet"
    for name, kind in (("ensure", "done"), ("destroy", "failed"), ("drain", "cancelled")):
        answering_client.xadd("phoenix:events", {"kind": kind, "request": f"phoenix.{name}"})
        at_once(door, *PATHS, *PATHS)
        assert looks() == 1, name
    at_once(door, "/v1/drift?ctid=103", "/v1/status?ctid=103&ctid=104", "/v1/nodes", *PATHS)
    assert looks() == 3, "other questions have answers of their own"


def test_who_does_not_accept_an_old_answer_gets_none(door: HttpDoor, looks: Callable[[], int]) -> None:
    at_once(door, PATHS[0])
    looks()
    for header in ({}, {"Cache_Control": "no-cache"}, {"Cache_Control": "max-age=x"}, {"Cache_Control": "max-age=0"}):
        assert door.get(PATHS[0], **header).headers["age"] == "0"
        assert looks() == 1, header


def test_a_failure_is_nobody_elses_answer(door: HttpDoor, looks: Callable[[], int]) -> None:
    for _ in range(2):
        assert door.get("/v1/status?ctid=555", **LATELY).problem()["cause"] == "not-declared"
        assert looks() == 1


def test_one_look_waits_for_workers_that_are_away_and_none_for_a_redis_that_was(
    redis_server: RedisServer, tmp_path: Path
) -> None:
    with serving(redis_server.url, tmp_path) as server:
        server.as_a(Role.VIEWER, name="first")
        doors = [server.as_a(role) for role in (Role.VIEWER, Role.OPERATOR, Role.REQUESTER)]
        with Redis.from_url(redis_server.url) as client:
            for door in doors * 2:
                assert door.get("/v1/status?wait=0.1", **LATELY).problem()["status"] == 504
            assert client.llen("phoenix.upkeep") + client.llen("phoenix.ensure") == 1
        redis_server.kill()
        assert doors[0].get("/v1/nodes?wait=0.1", **LATELY).problem()["status"] == 503
        redis_server.start()
        assert doors[0].get("/v1/nodes?wait=0.1", **LATELY).problem()["status"] == 504
