"""Requests by HTTP: a real server process, a real Redis, a worker that answers at once."""

from __future__ import annotations

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from redis import Redis

from phoenix_producer import EnsureFailed
from phoenix_producer.client.channel import forgotten
from tests.support.http_door import HttpDoor, Said, serving
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from phoenix_producer import Producer
    from phoenix_worker.commands.demo.embedded import RedisServer

REFUSED, UNDECLARED, BROKEN, SLOW, FORGOTTEN = 404, 555, 500, 408, 410


@pytest.fixture(scope="module")
def door(answering_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpDoor]:
    with serving(answering_url, tmp_path_factory.mktemp("http")) as door:
        yield door


def test_a_request_is_accepted_and_read_at_its_location(door: HttpDoor) -> None:
    said = door.post("/v1/containers/103/ensure")
    assert said.status == 202
    location = said.headers["location"]
    assert location == said.json["url"] == f"/v1/requests/{said.json['id']}"
    view = wait_for(lambda: (shown := door.get(location).json)["state"] == "done" and shown)
    assert view["result"]["outcome"] == "created"
    assert view["what"] == "ensure 103"
    assert view["steps"][0]["name"] == "clone"
    assert view["failure"] is None


def test_waiting_answers_with_the_result(door: HttpDoor) -> None:
    said = door.post("/v1/containers/103/ensure?wait=30", {"state": "stopped"})
    assert said.status == 200
    assert (said.json["outcome"], said.json["ctid"]) == ("created", 103)
    assert "state: stopped" in said.json["not_applied"]
    assert said.headers["location"].endswith(said.json["request_id"])


def test_who_asks_is_in_the_job_list(door: HttpDoor) -> None:
    request = door.post("/v1/containers/103/ensure").json["id"]
    assert {job["id"]: job["requester"] for job in door.get("/v1/jobs?all=true").json}[request] == "http"
    assert door.get("/v1/locks").json == []


@pytest.mark.parametrize(
    ("ctid", "status", "cause"),
    [(REFUSED, 409, "not-ours"), (UNDECLARED, 404, "not-declared"), (BROKEN, 500, "unexpected")],
)
def test_a_failure_is_a_problem_with_cause_and_remedy(door: HttpDoor, ctid: int, status: int, cause: str) -> None:
    said = door.post(f"/v1/containers/{ctid}/ensure?wait=30")
    problem = said.problem()
    assert (said.status, problem["cause"], problem["type"]) == (status, cause, f"urn:phoenix-lxc:{cause}")
    assert problem["remedy"]
    view = door.get(said.headers["location"]).json
    assert (view["state"], view["failure"]["cause"], view["result"]) == ("failed", cause, None)


def test_a_failure_of_a_look_names_no_container(door: HttpDoor) -> None:
    """The worker of the tests does not know this request."""
    problem = door.get("/v1/drift").problem()
    assert problem["detail"].startswith("The request ended as FAILURE: NotRegistered")
    assert problem["remedy"].endswith("Upgrade the workers.")


def test_the_key_is_the_id_and_begins_nothing_twice(door: HttpDoor) -> None:
    key = str(uuid4())
    said = [door.post("/v1/containers/103/ensure?wait=30", Idempotency_Key=key) for _ in range(3)]
    assert {one.json["request_id"] for one in said} == {key}
    kinds = [one["event"] for one in door.events(f"/v1/requests/{key}/events")]
    assert kinds.count("done") == 1
    assert door.post("/v1/containers/104/ensure", Idempotency_Key=key).status == 409
    assert "already used" in door.post("/v1/containers/103/plan", Idempotency_Key=key).problem()["detail"]


def test_who_asks_again_for_what_was_forgotten_waits_for_its_new_end(door: HttpDoor, answering_url: str) -> None:
    """The end that a worker has stored for the lost one is there until then."""
    key = str(uuid4())
    path = f"/v1/containers/{SLOW}/ensure?wait=60"
    with Redis.from_url(answering_url) as client, ThreadPoolExecutor(1) as clients:
        client.set(f"celery-task-meta-{key}", json.dumps(forgotten(key)), ex=600)
        asked = clients.submit(door.post, path, Idempotency_Key=key)
        wait_for(lambda: asked.done() or client.exists(f"phoenix:job:{key}:log"))
        client.rpush("release", "1")
        said = asked.result()
    assert (said.status, said.json.get("request_id")) == (200, key)


def test_a_remedy_tells_the_way_by_http_too(door: HttpDoor, answered: Producer) -> None:
    way = 'Use --adopt. By HTTP: `--adopt` is `"adopt": true` in the body.'
    said = door.post(f"/v1/containers/{REFUSED}/ensure?wait=30")
    assert said.problem()["remedy"] == way
    assert door.get(said.headers["location"]).json["failure"]["remedy"] == way
    assert [one["remedy"] for one in door.get(f"/v1/plan?ctid={REFUSED}").json] == [way]
    assert [*door.events(f"{said.headers['location']}/events")][-1]["data"]["detail"].endswith(way)
    with pytest.raises(EnsureFailed) as failed:
        answered.ensure(REFUSED).wait(60)
    assert failed.value.failure.remedy == "Use --adopt."


def test_a_key_with_another_body_is_refused(door: HttpDoor) -> None:
    """As the draft of the IETF for the header says: what a dry run found is no answer to an ensure."""
    key, path = str(uuid4()), "/v1/containers/103/ensure?wait=30"
    tried = door.post(path, {"dry_run": True}, Idempotency_Key=key)
    assert door.post(path, {"dry_run": True, "adopt": False}, Idempotency_Key=key).json == tried.json
    refused = door.post(path, Idempotency_Key=key).problem()
    assert (refused["status"], "with other options" in refused["detail"]) == (422, True)


@pytest.mark.parametrize("kind", ["ensure", "plan", "destroy", "rebuild", "adopt", "migrate"])
def test_each_kind_of_request_is_sent_as_itself_with_its_key(
    door: HttpDoor, answering_client: Redis, kind: str
) -> None:
    key = str(uuid4())
    options = {"to": "pve2"} if kind == "migrate" else {}
    assert door.post(f"/v1/containers/103/{kind}", options, Idempotency_Key=key).json["id"] == key
    assert answering_client.hget(f"phoenix:job:{key}", "name") == f"phoenix.{kind}"


def test_a_migration_without_its_node_is_not_valid(door: HttpDoor) -> None:
    for body in (None, {}, {"to": "pve_2"}, {"restart": True}):
        assert door.post("/v1/containers/103/migrate", body).problem()["status"] == 400
    options = door.get("/v1/openapi.json").json["components"]["schemas"]["MigrateOptions"]
    assert (set(options["properties"]), options["required"]) == ({"to", "restart", "dry_run"}, ["to"])


def test_what_has_not_ended_in_time_is_accepted(door: HttpDoor, release: Callable[[], object]) -> None:
    said = door.post(f"/v1/containers/{SLOW}/ensure?wait=0.2")
    assert said.status == 202
    release()
    wait_for(lambda: door.get(said.headers["location"]).json["state"] == "done")


def patiently(door: HttpDoor, path: str, **headers: str) -> Said:
    """Ask again when the server says so: all tests here ask it without a token, a hundred times in a second at most."""
    while (said := door.post(path, **headers)).status == 429:
        time.sleep(float(said.headers["retry-after"]))
    return said


def test_many_who_wait_hold_no_thread(door: HttpDoor, release: Callable[[], object]) -> None:
    """More than the pool has: all wait for one slow request, and another is answered meanwhile."""
    key = str(uuid4())
    slow = f"/v1/containers/{SLOW}/ensure"
    patiently(door, slow, Idempotency_Key=key)
    with ThreadPoolExecutor(60) as clients:
        waiting = [clients.submit(patiently, door, f"{slow}?wait=60", Idempotency_Key=key) for _ in range(60)]
        assert patiently(door, "/v1/containers/103/ensure?wait=30").status == 200
        assert not any(one.done() for one in waiting)
        release()
        assert {one.result().status for one in waiting} == {200}


def test_what_the_workers_see_is_answered(door: HttpDoor) -> None:
    assert [one["ctid"] for one in door.get("/v1/status").json] == [101, 103]
    assert [one["exists"] for one in door.get("/v1/status?ctid=103").json] == ["absent"]
    assert door.get("/v1/status?ctid=555").problem()["cause"] == "not-declared"
    (template,) = door.get("/v1/templates").json
    assert (template["ctid"], [copy["node"] for copy in template["copies"]]) == (900, ["pve2"])
    plans = door.get("/v1/plan").json
    assert [(one["ctid"], one["outcome"]) for one in plans] == [(101, "unchanged"), (103, "created")]
    assert [one.get("cause") for one in door.get("/v1/plan?ctid=103&ctid=404").json] == [None, "not-ours"]


def test_nodes_are_listed_and_drained(door: HttpDoor, answering_client: Redis) -> None:
    assert [(one["name"], one["state"]) for one in door.get("/v1/nodes").json] == [("pve", "online")]
    key = str(uuid4())
    drained = door.post("/v1/nodes/pve/drain?wait=30", Idempotency_Key=key)
    assert (drained.status, drained.json["drained"], drained.json["by"]) == (200, True, "http")
    assert answering_client.hget(f"phoenix:job:{key}", "name") == "phoenix.drain"
    assert door.get(drained.headers["location"]).json["what"] == "drain pve"
    assert door.post("/v1/nodes/pve/undrain?wait=30").json["changed"] is False
    unknown = door.post("/v1/nodes/elsewhere/drain?wait=30").problem()
    assert (unknown["status"], unknown["cause"]) == (404, "no-such-node")
    assert door.post("/v1/nodes/a_b/drain").problem()["status"] == 400


def test_what_no_worker_answers_in_time_says_so(redis_url: str, tmp_path: Path) -> None:
    with serving(redis_url, tmp_path) as door:
        detail = door.get("/v1/drift?wait=0.1").problem()["detail"]
        assert "have not answered in 0.1 s. No worker answers. Is one running?" in detail
        view = door.get(detail.rstrip(".").rpartition(" ")[2]).json
        assert (view["state"], view["what"]) == ("queued", "drift")


def test_who_waits_as_the_server_ends_is_answered_and_nothing_is_an_error(redis_url: str, tmp_path: Path) -> None:
    with serving(redis_url, tmp_path) as door, ThreadPoolExecutor() as pool, door.open("GET", "/v1/events") as stream:
        assert stream.readline() == b"retry: 2000\n"
        waiting = [
            pool.submit(door.post, "/v1/containers/103/ensure?wait=60"),
            pool.submit(door.get, "/v1/drift?wait=60"),
        ]
        told = (json.loads(line.removeprefix(b"data: ")) for line in stream if line.startswith(b"data: "))
        assert {next(told)["request"], next(told)["request"]} == {"phoenix.ensure", "phoenix.drift"}
        door.process.terminate()
        accepted, looked = (one.result() for one in waiting)
        assert (accepted.status, looked.problem()["status"]) == (202, 503)
        assert [*told] == [], "the stream ends"
        assert door.process.wait(60) == 143
    assert (tmp_path / "serve.log").read_text() == ""


def test_a_job_is_canceled_by_its_url(door: HttpDoor) -> None:
    done = door.post("/v1/containers/103/ensure?wait=30").json["request_id"]
    said = door.post(f"/v1/requests/{done}/cancel?wait=30")
    assert (said.status, said.json) == (200, {"job": done, "verdict": "over"})
    assert door.post(f"/v1/requests/{uuid4()}/cancel").status == 404


def test_the_history_of_a_job_ends_with_it_and_goes_on_after_any_event(door: HttpDoor) -> None:
    path = f"{door.post('/v1/containers/103/ensure').headers['location']}/events"
    told = list(door.events(path))
    assert [one["event"] for one in told][-2:] == ["remote-task", "done"]
    assert told[-1]["data"]["ctid"] == 103
    for place, event in enumerate(told[:-1]):
        assert list(door.events(path, Last_Event_ID=event["id"])) == told[place + 1 :]
    assert door.get(path, Last_Event_ID=told[-1]["id"]).status == 204


def test_a_history_that_is_gone_ends(door: HttpDoor) -> None:
    said = door.post(f"/v1/containers/{FORGOTTEN}/ensure?wait=30")
    assert list(door.events(f"{said.headers['location']}/events")) == []


def test_all_events_are_told_to_all_and_resumed(door: HttpDoor, answering_client: Redis) -> None:
    def announce(number: int) -> str:
        told: dict[Any, Any] = {"at": "1", "kind": "done", "job": str(number), "message": "a\nb\x1b[31m"}
        return str(answering_client.xadd("phoenix:events", told))

    first = announce(0)
    with ThreadPoolExecutor(20) as clients:
        followers = [
            clients.submit(lambda: list(islice(door.events("/v1/events", Last_Event_ID=first), 50))) for _ in range(20)
        ]
        ids = [announce(number) for number in range(1, 51)]
        for follower in followers:
            told = follower.result()
            assert [one["id"] for one in told] == ids
            assert [one["data"]["job"] for one in told] == [str(number) for number in range(1, 51)]
            assert told[0]["data"]["message"] == "a\nb"
    assert [one["id"] for one in islice(door.events("/v1/events", Last_Event_ID=ids[24]), 25)] == ids[25:]


def test_without_a_last_id_events_are_told_from_now_on(door: HttpDoor, answering_client: Redis) -> None:
    answering_client.xadd("phoenix:events", {"kind": "done", "job": "before"})
    with door.open("GET", "/v1/events") as stream:
        assert stream.readline() == b"retry: 2000\n"
        answering_client.xadd("phoenix:events", {"kind": "done", "job": "after"})
        lines = (line.decode() for line in stream)
        assert '"after"' in next(line for line in lines if line.startswith("data"))


def test_who_speaks_an_older_http_is_told_events_without_chunks(door: HttpDoor, answering_client: Redis) -> None:
    with socket.create_connection(door.address, timeout=60) as connection:
        connection.sendall(b"GET /v1/events HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        stream = connection.makefile("rb")
        assert b"retry: 2000\n" in iter(stream.readline, b"")
        places = [str(answering_client.xadd("phoenix:events", {"kind": "done"})) for _ in range(3)]
        lines = [stream.readline().decode() for _ in range(1 + 4 * 3)]
        assert [line.removeprefix("id: ").strip() for line in lines if line.startswith("id: ")] == places
        assert {line.partition(":")[0].strip() for line in lines} == {"", "id", "event", "data"}


def test_who_is_ahead_of_a_redis_that_has_lost_its_last_writes_misses_nothing(
    door: HttpDoor, answering_client: Redis
) -> None:
    for ahead in ("999999999999999", f"{10**14}-5"):
        with door.open("GET", "/v1/events", Last_Event_ID=ahead) as stream:
            assert stream.readline() == b"retry: 2000\n"
            answering_client.xadd("phoenix:events", {"kind": "done", "job": f"after {ahead}"})
            lines = (line.decode() for line in stream)
            assert f"after {ahead}" in next(line for line in lines if line.startswith("data"))


def test_events_go_on_when_redis_is_back(redis_server: RedisServer, tmp_path: Path) -> None:
    def announce(job: str) -> None:
        with Redis.from_url(redis_server.url) as client:
            client.xadd("phoenix:events", {"kind": "done", "job": job})

    announce("before")
    with serving(redis_server.url, tmp_path) as door:
        told = door.events("/v1/events", Last_Event_ID="0-0")
        assert next(told)["data"]["job"] == "before"
        redis_server.kill()
        problem = door.post("/v1/containers/103/ensure").problem()
        assert (problem["status"], problem["cause"]) == (503, "redis-away")
        (key,) = re.findall(r"Idempotency-Key: (\S+)", problem["remedy"])
        redis_server.start()
        assert {door.post("/v1/containers/103/ensure", Idempotency_Key=key).json["id"] for _ in range(2)} == {key}
        announce("after")
        assert {next(told)["data"]["job"] for _ in range(2)} == {key, "after"}


def test_the_description_has_the_models_of_the_contract(door: HttpDoor) -> None:
    document = door.get("/v1/openapi.json").json
    assert {"EnsureResult", "Failure", "Plan", "Standing", "Drift", "Step", "Job", "Lock"} <= document["components"][
        "schemas"
    ].keys()
    options = document["components"]["schemas"]["EnsureOptions"]
    assert set(options["properties"]) == {
        "adopt", "accept_not_applied", "dry_run", "state", "rerun", "wait_for_address",
    }  # fmt: skip
    assert options["additionalProperties"] is False


def test_it_is_a_producer_like_any_other(door: HttpDoor, answered: Producer) -> None:
    """What was asked elsewhere is read here, and the other way round."""
    handle = answered.ensure(103)
    handle.wait(60)
    assert door.get(f"/v1/requests/{handle.id}").json["requester"] == "the tests"
