"""What a hostile page, client or proxy may try at the HTTP door. Tokens and limits: `test_http_limits`."""

from __future__ import annotations

import json
import select
import socket
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from phoenix_producer.http import rates
from phoenix_producer.http.rates import AT_A_TIME
from phoenix_producer.http.tokens import Role, TokenFile
from tests.integration.test_http_limits import raw
from tests.support.cli import COMMAND
from tests.support.http_door import HttpDoor, serving
from tests.support.http_inside import served_inside
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
ENSURE = b"POST /v1/containers/103/ensure HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"


@pytest.fixture(scope="module")
def unlocked(answering_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpDoor]:
    """A server without tokens."""
    with serving(answering_url, tmp_path_factory.mktemp("hostile")) as door:
        yield door


@pytest.fixture(scope="module")
def locked(answering_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpDoor]:
    """A server with tokens."""
    with serving(answering_url, tmp_path_factory.mktemp("tokens"), "--rate", "1000") as door:
        door.as_a(Role.OPERATOR, name="first")
        yield door


@pytest.mark.parametrize(
    "request_", [b"\x00\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n\r\n"]
)
def test_who_has_no_token_fills_no_log(answering_url: str, tmp_path: Path, request_: bytes) -> None:
    with serving(answering_url, tmp_path) as door:
        for _ in range(20):
            with socket.create_connection(door.address, timeout=60) as connection:
                connection.sendall(request_)
                assert connection.recv(1000)
        told = (tmp_path / "serve.log").read_text().splitlines()
        assert 1 <= len(told) <= 2, told


def jobs(client: Redis) -> int:
    return len(client.keys("phoenix:job:*"))


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "["},
        {"Host": "[::1"},
        {"Host": "[evil]"},
        {"Host": ""},
        {"Host": "127.0.0.1.evil.example"},
        {"Host": "localhost.evil.example:8420"},
        {"Host": "evil.example@127.0.0.1"},
        {"Origin": "http://["},
        {"Origin": ""},
        {"Origin": "https://127.0.0.1"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site"},
        {"Sec_Fetch_Site": "cross-site", "Sec_Fetch_Mode": "navigate"},
    ],
)
def test_no_page_of_another_site_asks_for_anything(
    unlocked: HttpDoor, answering_client: Redis, headers: dict[str, str]
) -> None:
    before = jobs(answering_client)
    for method, path in (("GET", "/v1/status"), ("GET", "/v1/events"), ("POST", "/v1/containers/103/ensure")):
        assert unlocked.ask(method, path, **headers).problem()["status"] == 403
    assert jobs(answering_client) == before, "not even a look"


def test_our_own_page_may_ask(unlocked: HttpDoor) -> None:
    for site in ("same-origin", "none"):
        assert unlocked.get("/v1/jobs", Sec_Fetch_Site=site).status == 200
    assert unlocked.post("/v1/containers/103/ensure", Origin=unlocked.url, Sec_Fetch_Site="same-origin").status == 202


def test_no_other_site_is_told_that_it_may_ask(unlocked: HttpDoor, locked: HttpDoor) -> None:
    asked = {"Access_Control_Request_Method": "POST", "Access_Control_Request_Headers": "authorization"}
    for door in (unlocked, locked):
        said = door.ask("OPTIONS", "/v1/containers/103/ensure", Origin="https://evil.example", **asked)
        assert said.problem()["status"] in {401, 403}
        assert not [name for name in said.headers if name.startswith("access-control")]


@pytest.mark.parametrize(
    "more",
    [
        b"Content-Type: application/json\r\nContent-Length: 38\r\n\r\n" + b'{"dry_run": true, "dry_run": false   }',
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
        b"Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 2\r\n\r\n{}",
        b"Content-Length: 2\r\n\r\n{}",
    ],
    ids=["a name twice", "two lengths", "no chunk", "a form", "another form", "no type"],
)
def test_a_body_that_can_be_read_in_two_ways_is_refused(unlocked: HttpDoor, more: bytes) -> None:
    head, _, body = raw(unlocked, ENSURE + more).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert json.loads(body)["status"] == 400


def test_a_chunked_body_is_read(unlocked: HttpDoor) -> None:
    sent = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
    assert raw(unlocked, ENSURE + sent).startswith(b"HTTP/1.1 202 ")


def test_the_page_answers_those_who_only_ask_whether_it_is_there(unlocked: HttpDoor) -> None:
    for path in ("/", "/static/app.js"):
        said = unlocked.ask("HEAD", path)
        assert (said.status, said.text) == (200, "")
        assert int(said.headers["content-length"]) > 0


def test_who_has_gone_keeps_no_place_among_those_who_wait(
    redis_url: str, redis_client: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without workers all would wait for five minutes."""
    monkeypatch.setattr(rates, "AT_A_TIME", 3)
    secret = TokenFile(tmp_path / "tokens.json").add("impatient", Role.OPERATOR)
    with served_inside(redis_url, tmp_path / "tokens.json", secret) as server:
        for path in ("/v1/containers/103/ensure?wait=300", "/v1/status?wait=300", "/v1/events") * 3:
            asked_before = jobs(redis_client)
            with socket.create_connection(server.address, timeout=60) as connection:
                method = "POST" if "ensure" in path else "GET"
                head = f"{method} {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\r\n"
                connection.sendall(head.encode())
                if "events" not in path:
                    wait_for(lambda before=asked_before: jobs(redis_client) > before)  # type: ignore[misc]  # a default
            wait_for(lambda: server.ask("GET", "/v1/me").status == 200)
        asked = [one["what"] for one in json.loads(server.ask("GET", "/v1/jobs").body)]
        assert set(asked) == {"ensure 103", "status"}, "what they have asked for goes on"


def test_a_token_takes_no_more_than_its_share_of_open_requests(locked: HttpDoor) -> None:
    greedy, other = locked.as_a(Role.VIEWER, name="greedy"), locked.as_a(Role.VIEWER, name="modest")
    request = f"GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {greedy.token}\r\n\r\n".encode()
    with ExitStack() as streams:
        begun = []
        for _ in range(AT_A_TIME + 1):
            stream = streams.enter_context(socket.create_connection(locked.address, timeout=60))
            stream.sendall(request)
            begun.append(stream.recv(4096))
        assert [one for one in begun if b" 200 " not in one] == begun[-1:]
        assert begun[-1].startswith(b"HTTP/1.1 429 ")
        assert b"retry-after: 5" in begun[-1]
        assert greedy.get("/v1/jobs").status == 429
        with other.open("GET", "/v1/events") as stream_of_another:
            assert stream_of_another.status == 200
    wait_for(lambda: greedy.get("/v1/jobs").status == 200)


TRACES = {
    f"00-{TRACE}-{SPAN}-01": f"00-{TRACE}-{SPAN}-01",
    f"cc-{TRACE}-{SPAN}-03-more": f"00-{TRACE}-{SPAN}-01",
    f"00-{TRACE}-{SPAN}-01\u00e9": None,
    f"00-{TRACE.upper()}-{SPAN}-01": None,
    f"00-{'0' * 32}-{SPAN}-01": None,
    f"ff-{TRACE}-{SPAN}-01": None,
    "x" * 8000: None,
    "": None,
}


def test_the_trace_of_who_asks_goes_on_in_the_message(redis_url: str, redis_client: Redis, tmp_path: Path) -> None:
    with serving(redis_url, tmp_path) as door:
        asked = [door.post("/v1/containers/103/ensure", Traceparent=given).json["id"] for given in TRACES]
        asked.append(door.post("/v1/containers/103/ensure").json["id"])
    sent = {
        one["headers"]["id"]: one["headers"] for one in map(json.loads, redis_client.lrange("phoenix.ensure", 0, -1))
    }
    assert [sent[one].get("traceparent") for one in asked] == [*TRACES.values(), None]


def test_one_connection_too_many_is_refused_and_those_that_are_there_go_on(answering_url: str, tmp_path: Path) -> None:
    """As a service manager limits the files of a process: a server without any left would answer nobody."""
    limited = f"ulimit -n 80; exec {COMMAND} serve --port 0"
    with serving(answering_url, tmp_path, command=["bash", "-c", limited]) as door, ExitStack() as others:
        stream = others.enter_context(door.open("GET", "/v1/events"))
        assert stream.readline()
        silent, said = list[socket.socket](), list[bytes]()
        for _ in range(100):
            silent.append(others.enter_context(socket.create_connection(door.address, timeout=60)))
            # Whoever is let in says nothing; once there is no place left, each further one is told so.
            for one in select.select(silent, [], [], 60 if said else 0.01)[0]:
                silent.remove(one)
                said += filter(None, [one.recv(4096)])  # who stays silent for long is disconnected
        assert len(said) >= 50
        assert {one.split(b"\r\n")[0] for one in said} == {b"HTTP/1.1 503 Service Unavailable"}
        Redis.from_url(answering_url).xadd("phoenix:events", {"kind": "done", "job": "x"})
        assert b"event: done\n" in stream
    assert "Traceback" not in (tmp_path / "serve.log").read_text()
