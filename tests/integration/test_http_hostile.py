"""What a hostile page, client or proxy may try at the HTTP door. Tokens and limits: `test_http_limits`."""

from __future__ import annotations

import json
import select
import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from redis import Redis

from phoenix_producer.client.channel import Unreachable
from phoenix_producer.http import feeds, rates
from phoenix_producer.http import server as http_server
from phoenix_producer.http.rates import AT_A_TIME
from phoenix_producer.http.requests import Requests
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


@pytest.mark.parametrize(("token", "status"), [("", 413), ("phx_wrong", 401)])
@pytest.mark.parametrize("times", [1, 100])
def test_who_sends_more_than_is_read_is_told_why_it_is_refused(
    locked: HttpDoor, token: str, status: int, times: int
) -> None:
    """Nothing but the end of the connection would be seen otherwise, by a client that sends all before it reads."""
    asked = replace(locked, token=token) if token else locked.as_a(Role.OPERATOR)
    said = asked.post("/v1/containers/103/ensure", b" " * 70_000 * times)
    assert said.problem()["status"] == status


def test_who_asks_before_it_sends_a_body_is_told_first(unlocked: HttpDoor) -> None:
    expecting = ENSURE + b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
    told = raw(unlocked, expecting + b"Content-Length: 2\r\n\r\n{}")
    assert [line for line in told.split(b"\r\n") if line.startswith(b"HTTP/")] == [
        b"HTTP/1.1 100 Continue",
        b"HTTP/1.1 202 Accepted",
    ]
    assert raw(unlocked, expecting + b"Content-Length: 65537\r\n\r\n").startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    ("first", "status"),
    [
        (b"GET http://127.0.0.1/v1/jobs?all=true HTTP/1.1\r\nHost: evil.example", b"200"),
        (b"GET HTTP://localhost:8420/v1/%6Aobs HTTP/1.1\r\nHost: a", b"200"),
        (b"GET http://127.0.0.1 HTTP/1.1\r\nHost: a", b"200"),
        (b"GET http://evil.example/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1", b"403"),
        (b"GET http://127.0.0.1@evil.example/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1", b"403"),
        (b"GET http:///v1/jobs HTTP/1.1\r\nHost: 127.0.0.1", b"403"),
        (b"GET /v1/jobs HTTP/1.0\r\nHost: 127.0.0.1", b"200"),
        (b"PRI * HTTP/2.0", b"505"),
        (b"GET /v1/jobs HTTP/0.9\r\nHost: 127.0.0.1", b"505"),
        (b"POST /v1/nodes/pve/drain HTTP/1.0\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked", b"400"),
    ],
)
def test_the_host_and_the_version_in_the_first_line_count(unlocked: HttpDoor, first: bytes, status: bytes) -> None:
    said = raw(unlocked, first + b"\r\nConnection: close\r\n\r\n")
    assert said.split()[1] == status, said


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


def test_where_too_many_wait_a_change_is_accepted_and_a_look_is_not_even_asked_for(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A change that was refused although it is under way would be sent again."""
    monkeypatch.setattr(feeds, "MOST_WAITING", 1)
    secret = TokenFile(tmp_path / "tokens.json").add("patient", Role.OPERATOR)
    with served_inside(redis_url, tmp_path / "tokens.json", secret) as server:
        with socket.create_connection(server.address, timeout=60) as stream:
            stream.sendall(f"GET /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\r\n".encode())
            with stream.makefile("rb") as told:
                assert b"retry: 2000\n" in told
            changed = server.ask("POST", "/v1/containers/103/ensure?wait=60")
            assert (changed.status, "location" in changed.headers) == (202, True)
            for path in ("/v1/status", "/v1/events"):
                refused = server.ask("GET", path, "Cache-Control: max-age=5")
                assert (refused.status, refused.headers["retry-after"]) == (503, "5"), path
        wait_for(lambda: server.ask("GET", "/v1/status?wait=0.01").status == 504)
        asked = [one["what"] for one in json.loads(server.ask("GET", "/v1/jobs").body)]
        assert asked == ["ensure 103", "status"], "the second one alone"


def test_a_change_is_accepted_though_redis_goes_away_before_its_answer_is_read(
    answering_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise Unreachable("Redis at 127.0.0.1 cannot be used.")

    monkeypatch.setattr(Requests, "known", away)
    secret = TokenFile(tmp_path / "tokens.json").add("patient", Role.OPERATOR)
    with served_inside(answering_url, tmp_path / "tokens.json", secret) as server:
        changed = server.ask("POST", "/v1/containers/103/ensure?wait=60")
        assert (changed.status, "location" in changed.headers) == (202, True)
        assert server.ask("GET", "/v1/status").status == 503


def test_who_waits_is_answered_when_the_server_ends(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without workers all would wait for a minute."""
    monkeypatch.setattr(http_server, "_LINGER_SECONDS", 0)
    secret = TokenFile(tmp_path / "tokens.json").add("patient", Role.OPERATOR)
    with ExitStack() as clients:
        waiting = []
        with served_inside(redis_url, tmp_path / "tokens.json", secret) as server:
            for asked in ("POST /v1/containers/103/ensure?wait=60", "GET /v1/status?wait=60", "GET /v1/events"):
                waiting.append(clients.enter_context(socket.create_connection(server.address, timeout=60)))
                head = f"{asked} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {secret}\r\n\r\n"
                waiting[-1].sendall(head.encode())
            begun = waiting[-1].recv(4096)
            wait_for(lambda: len(json.loads(server.ask("GET", "/v1/jobs").body)) == 2)
        change, look, events = (clients.enter_context(one.makefile("rb")).read() for one in waiting)
    assert change.startswith(b"HTTP/1.1 202 "), change
    assert look.startswith(b"HTTP/1.1 503 "), look
    assert b"\r\nretry-after: 5\r\n" in look.lower()
    assert json.loads(look.partition(b"\r\n\r\n")[2])["status"] == 503
    assert (begun + events).endswith(b"\r\n0\r\n\r\n")


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
