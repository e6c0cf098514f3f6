"""Who may ask by HTTP, and what happens to whatever else is sent there."""

from __future__ import annotations

import json
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.http.tokens import Role
from tests.support.cli import invoke
from tests.support.http_door import HttpDoor, serving
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from typer.testing import Result

ID = "5b0e2f0a-3f5e-4a8e-9d5b-2f6d1c7e8a90"


@pytest.fixture(scope="module")
def unlocked(answering_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpDoor]:
    """A server without tokens."""
    with serving(answering_url, tmp_path_factory.mktemp("open")) as door:
        yield door


@pytest.fixture(scope="module")
def locked(answering_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[HttpDoor]:
    """A server with tokens, behind a proxy with a prefix; asked without one."""
    with serving(answering_url, tmp_path_factory.mktemp("locked"), "--root-path", "/phoenix") as door:
        door.as_a(Role.OPERATOR, name="first")
        yield door


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/containers/99/ensure", 400),
        ("/v1/containers/abc/ensure", 400),
        ("/v1/containers/%00/ensure", 400),
        ("/v1/containers/1000000000/ensure", 400),
        ("/v1/containers/-103/destroy", 400),
        ("/v1/containers/103/format", 404),
        ("/v1/containers/103/ensure/", 404),
        ("/v1/containers/103/ensure?wait=nan", 400),
        ("/v1/containers/103/ensure?wait=301", 400),
        ("/v1/requests/nobody/cancel", 400),
        ("/v1/requests/..%2f..%2fetc/cancel", 404),
        (f"/v1/requests/{ID}", 405),
        ("/%ff%fe", 404),
        ("/v1/status", 405),
    ],
)
def test_a_hostile_path_is_one_problem(unlocked: HttpDoor, path: str, status: int) -> None:
    said = unlocked.post(path)
    assert said.problem()["status"] == status


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null1",
        b"\xff\xfe",
        b'"text"',
        b"[" * 60_000,
        b"9" * 60_000,
        b'{"adopt": 1}',
        b'{"ctid": 104}',
        b'{"requester": "root"}',
        b'{"unknown\\u0000": true}',
        b'{"state": "paused"}',
        b'{"wait_for_address": 1e999}',
        b'{"rerun": "all"}',
    ],
)
def test_a_hostile_body_is_one_problem(unlocked: HttpDoor, body: bytes) -> None:
    said = unlocked.post("/v1/containers/103/ensure", body)
    if body == b"":
        assert said.status == 202
    else:
        assert said.problem()["status"] == 400


def test_only_json_is_taken(unlocked: HttpDoor) -> None:
    said = unlocked.post("/v1/containers/103/ensure", b'{"adopt": true}', Content_Type="text/plain")
    assert said.problem()["status"] == 400


@pytest.mark.parametrize("key", ["", "103", "x" * 9000, "../../etc", f"{ID}0"])
def test_a_key_that_is_no_uuid_is_refused(unlocked: HttpDoor, key: str) -> None:
    assert unlocked.post("/v1/containers/103/ensure", Idempotency_Key=key).problem()["status"] == 400


@pytest.mark.parametrize("last", ["$", "*", "1-", "-1", "1-2-3", "9" * 40, "x"])
def test_an_event_id_that_is_none_is_refused(unlocked: HttpDoor, last: str) -> None:
    assert unlocked.get("/v1/events", Last_Event_ID=last).problem()["status"] == 400


def test_a_large_body_is_refused(unlocked: HttpDoor) -> None:
    assert unlocked.post("/v1/containers/103/ensure", b" " * 65_537).problem()["status"] == 413


def raw(door: HttpDoor, sent: bytes) -> bytes:
    """Everything that the server says to these bytes before it closes the connection."""
    with socket.create_connection(door.address, timeout=60) as connection:
        connection.sendall(sent)
        said = b""
        while some := connection.recv(65_536):
            said += some
        return said


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /v1/jobs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        b"POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"a" * 20_000,
    ],
)
def test_what_is_no_http_is_one_problem(unlocked: HttpDoor, sent: bytes) -> None:
    head, _, body = raw(unlocked, sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["status"] == 400


def test_a_head_or_body_that_never_ends_is_given_up(unlocked: HttpDoor) -> None:
    heads = [b"", b"GET /v1/jobs HTTP/1.1\r\n", b"POST /v1/containers/103/ensure HTTP/1.1\r\nHost: 127.0.0.1\r\n"]
    heads.append(heads[-1] + b"Content-Length: 10\r\n\r\n{")
    with ThreadPoolExecutor(4) as clients:
        *silent, late = clients.map(lambda sent: raw(unlocked, sent), heads)
    assert silent == [b""] * 3
    assert late.startswith(b"HTTP/1.1 408 ")


def test_every_answer_has_headers_that_browsers_heed_and_no_cookie(unlocked: HttpDoor) -> None:
    for said in (unlocked.get("/v1/jobs"), unlocked.get("/nowhere"), unlocked.post("/v1/jobs", b" " * 70_000)):
        assert said.headers["x-content-type-options"] == "nosniff"
        assert "default-src 'none'" in said.headers["content-security-policy"]
        assert said.headers["cache-control"] == "no-store"
        assert not {"set-cookie", "server", "access-control-allow-origin"} & said.headers.keys()


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Host": "evil.example"},
        {"X_Forwarded_For": "10.0.0.1"},
        {"Forwarded": "for=10.0.0.1"},
        {"X_Forwarded_Proto": "https"},
    ],
)
def test_without_tokens_no_page_and_no_proxy_may_ask_for_others(unlocked: HttpDoor, headers: dict[str, str]) -> None:
    assert unlocked.post("/v1/containers/103/destroy", **headers).problem()["status"] == 403


def test_without_tokens_it_listens_on_this_machine_only(tmp_path: Path) -> None:
    for host in ("0.0.0.0", "::"):  # noqa: S104 - refused
        done = invoke("serve", "--port", "0", "--host", host, "--tokens", str(tmp_path / "none.json"))
        assert (done.exit_code, done.stdout) == (2, "")
        assert "phoenix-lxc token add" in done.stderr


MAY: dict[Role, dict[str, int]] = {
    Role.VIEWER: {"plan": 202, "ensure": 403, "destroy": 403, "rebuild": 403, "adopt": 403, "migrate": 403},
    Role.REQUESTER: {"plan": 202, "ensure": 202, "destroy": 403, "rebuild": 403, "adopt": 403, "migrate": 403},
    Role.OPERATOR: {"plan": 202, "ensure": 202, "destroy": 202, "rebuild": 202, "adopt": 202, "migrate": 202},
}


@pytest.mark.parametrize("role", Role)
def test_a_role_may_what_it_may(locked: HttpDoor, role: Role) -> None:
    door = locked.as_a(role)
    bodies: dict[str, Any] = {"migrate": {"to": "pve2"}}
    asked = {kind: door.post(f"/v1/containers/103/{kind}", bodies.get(kind)).status for kind in MAY[role]}
    assert asked == MAY[role]
    assert door.get("/v1/jobs").status == 200
    assert door.get("/v1/nodes").status == 200
    drained = {door.post(f"/v1/nodes/pve/{kind}").status for kind in ("drain", "undrain")}
    assert drained == {202 if role is Role.OPERATOR else 403}
    adopts = door.post("/v1/containers/103/ensure", {"adopt": True})
    assert adopts.status == (202 if role is Role.OPERATOR else 403)


def test_a_requester_of_named_ctids_has_no_others(locked: HttpDoor) -> None:
    door, operator = locked.as_a(Role.REQUESTER, 103, 104), locked.as_a(Role.OPERATOR)
    assert [door.post(f"/v1/containers/{ctid}/ensure").status for ctid in (103, 104, 105)] == [202, 202, 403]
    for kind, ctid, status in (("ensure", 103, 202), ("ensure", 105, 403), ("destroy", 103, 403)):
        request = operator.post(f"/v1/containers/{ctid}/{kind}").json["id"]
        assert door.post(f"/v1/requests/{request}/cancel").status == status
    assert locked.as_a(Role.VIEWER).post(f"/v1/requests/{request}/cancel").status == 403


def test_of_two_tokens_none_is_taken(locked: HttpDoor) -> None:
    """A proxy may have checked the other one."""
    good = f"Authorization: Bearer {locked.as_a(Role.OPERATOR).token}\r\n"
    for lines in (good * 2, good + "Authorization: Bearer phx_\r\n", "Authorization: Basic x\r\n" + good):
        request = f"GET /v1/jobs HTTP/1.1\r\nHost: a\r\nConnection: close\r\n{lines}\r\n"
        assert raw(locked, request.encode()).startswith(b"HTTP/1.1 401 "), lines


@pytest.mark.parametrize("given", [None, "", "phx_", "Bearer", "phx_" + "a" * 43])
def test_nobody_else_is_let_in(locked: HttpDoor, given: str | None) -> None:
    for path in ("/v1/jobs", "/v1/events", f"/v1/requests/{ID}", "/v1/status"):
        said = locked.get(path, **({} if given is None else {"Authorization": f"Bearer {given}"}))
        assert (said.problem()["status"], said.headers["www-authenticate"]) == (401, "Bearer")
    assert locked.post("/v1/containers/103/ensure", b"{").status == 401


def test_a_proxy_may_offer_it_under_a_path(locked: HttpDoor) -> None:
    door = locked.as_a(Role.OPERATOR)
    for prefix in ("", "/phoenix"):  # a proxy may strip it, or not
        said = door.post(f"{prefix}/v1/containers/103/ensure?wait=30", X_Forwarded_For="10.0.0.1")
        assert said.status == 200
        assert said.headers["location"].startswith("/phoenix/v1/requests/")
        assert door.get(said.headers["location"]).status == 200


def test_a_token_that_is_revoked_or_changed_ends_at_once_even_a_stream(locked: HttpDoor) -> None:
    door, lowered = locked.as_a(Role.VIEWER, name="leaver"), locked.as_a(Role.OPERATOR, name="lowered")
    with door.open("GET", "/v1/events") as stream, lowered.open("GET", "/v1/events") as other:
        assert stream.readline()
        assert other.readline()
        locked.file.revoke("leaver")
        assert door.get("/v1/jobs").status == 401
        kept = json.loads(locked.file.path.read_text())
        next(one for one in kept["tokens"] if one["name"] == "lowered")["role"] = "viewer"
        locked.file.path.write_text(json.dumps(kept))  # in place, by hand
        assert lowered.post("/v1/containers/103/destroy").status == 403
        for one in (stream, other):
            assert b"data" not in one.read()  # and the stream has ended: whoever comes again is asked who he is


def test_without_any_token_left_nobody_is_let_in(answering_url: str, tmp_path: Path) -> None:
    with serving(answering_url, tmp_path) as door:
        assert door.get("/v1/jobs").status == 200
        keeper = door.as_a(Role.VIEWER, name="only")
        assert (door.get("/v1/jobs").status, keeper.get("/v1/jobs").status) == (401, 200)
        door.file.revoke("only")
        assert (door.get("/v1/jobs").status, keeper.get("/v1/jobs").status) == (401, 401)


def test_a_redis_that_is_away_is_said_without_where_it_is(tmp_path: Path) -> None:
    with serving("redis://:hunter2@127.0.0.1:1/0", tmp_path) as door:
        for said in (door.post("/v1/containers/103/ensure"), door.get("/v1/events")):
            assert (said.problem()["status"], said.json["cause"]) == (503, "redis-away")
            assert said.headers["retry-after"] == "5"
            assert "Ask again" in said.json["remedy"]
            assert not [word for word in ("127.0.0.1", "hunter2") if word in said.text]
    assert "hunter2" not in (tmp_path / "serve.log").read_text()


@pytest.fixture
def token(tmp_path: Path) -> Callable[..., Result]:
    return lambda *arguments: invoke("token", *arguments, "--tokens", str(tmp_path / "made" / "tokens.json"))


def test_tokens_are_made_listed_and_revoked(token: Callable[..., Result], tmp_path: Path) -> None:
    secret = token("add", "billing", "--role", "requester", "--ctid", "103").stdout.strip()
    file = tmp_path / "made" / "tokens.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert secret.startswith("phx_")
    assert secret not in file.read_text()
    listed = token("list").stdout
    assert "billing  requester of 103" in listed
    assert secret not in listed
    assert "sha256" not in token("list", "--json").stdout
    again = token("add", "billing")
    assert (again.exit_code, again.stdout) == (2, "")
    assert token("add", "a b").exit_code == 2
    assert token("add", "o", "--role", "operator", "--ctid", "103").exit_code == 2
    assert token("revoke", "billing").exit_code == 0
    assert token("revoke", "billing").exit_code == 2
    assert token("list").stdout == f"There are no tokens in {file}.\n"


def test_a_file_that_others_may_read_is_refused(token: Callable[..., Result], tmp_path: Path) -> None:
    token("add", "billing")
    file = tmp_path / "made" / "tokens.json"
    file.chmod(0o640)
    assert "chmod 600" in token("list").stderr
    done = invoke("serve", "--port", "0", "--tokens", str(file))
    assert (done.exit_code, "chmod 600" in done.stderr) == (2, True)


def test_without_its_libraries_serve_says_what_to_install() -> None:
    script = (
        "import sys; sys.modules['fastapi'] = None; sys.argv = ['phoenix-lxc', 'serve', '--port', '0']\n"
        "from phoenix_producer.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True, timeout=180)
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install '.[http]'" in done.stderr


def test_a_token_that_asks_too_often_is_told_when_to_come_again_and_no_other_is(
    answering_url: str, tmp_path: Path
) -> None:
    with serving(answering_url, tmp_path, "--rate", "1") as door:
        busy, other = door.as_a(Role.VIEWER, name="busy"), door.as_a(Role.VIEWER, name="other")
        with ThreadPoolExecutor(30) as clients:
            said = list(clients.map(lambda _: busy.get("/v1/nowhere"), range(30)))
        refused = [one for one in said if one.status == 429]
        assert {one.status for one in said} == {404, 429}
        assert "The token busy may ask 1 times in a second." in refused[0].problem()["detail"]
        assert 1 <= int(refused[0].headers["retry-after"]) <= 2
        assert other.get("/v1/nowhere").status == 404
        wait_for(lambda: busy.get("/v1/nowhere").status == 404)
