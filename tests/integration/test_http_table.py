"""Each operation of the description with whatever a client may get wrong: a problem document, and nothing enqueued."""

from __future__ import annotations

import gzip
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from phoenix_producer.http import bodies
from phoenix_producer.http.tokens import Role, TokenFile
from tests.support.http_inside import Answered, InsideServer, served_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

ID = "5b0e2f0a-3f5e-4a8e-9d5b-2f6d1c7e8a90"
OTHER_SPELLINGS = (ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}")
JSON = "Content-Type: application/json"
DEEP = b"[" * 30_000 + b"]" * 30_000
MANY = "&".join(f"p{number}=1" for number in range(100))
VALUES = {"ctid": "103", "request_id": ID, "node": "pve"}
BODIES: dict[str, Any] = {"migrate": {"to": "pve2"}}


class Operation(NamedTuple):
    """One line of the description."""

    name: str
    method: str
    path: str
    parameters: dict[str, dict[str, Any]]
    has_body: bool

    def url(self, **values: str) -> str:
        return self.path.format(**(VALUES | values))

    def takes(self, place: str, name: str) -> bool:
        return self.parameters.get(name, {}).get("in") == place


DESCRIPTION = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())


def described() -> list[Operation]:
    return [
        Operation(
            one["operationId"],
            method.upper(),
            path,
            {parameter["name"]: parameter for parameter in one.get("parameters", ())},
            "requestBody" in one,
        )
        for path, operations in DESCRIPTION["paths"].items()
        for method, one in operations.items()
    ]


OPERATIONS = described()
each = pytest.mark.parametrize("operation", OPERATIONS, ids=[one.name for one in OPERATIONS])


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    path = tmp_path_factory.mktemp("inside") / "tokens.json"
    return path, TokenFile(path).add("operator", Role.OPERATOR)


@pytest.fixture
def server(redis_url: str, redis_client: Redis, tokens: tuple[Path, str]) -> Iterator[InsideServer]:
    """A server before an empty Redis, without workers. Nothing has been enqueued when the test ends."""
    with served_inside(redis_url, *tokens) as inside:
        yield inside
    assert redis_client.keys("phoenix*") == []


class Wrong(NamedTuple):
    """A request that is refused, and with which status."""

    method: str
    target: str
    status: int = 400
    headers: tuple[str, ...] = ()


def wrong_ways(one: Operation) -> Iterator[Wrong]:
    """What may be wrong with the method and with parameters that the description does not have."""
    url = one.url()
    for method in ("POST" if one.name == "me" else "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"):
        yield Wrong(method, url, 405)
    yield Wrong(one.method, f"{url}/", 404)
    yield Wrong(one.method, f"{url}?dry_run=true", 400, ("Accept: text/html",))
    yield Wrong(one.method, f"{url}?{MANY}")
    if one.takes("query", "wait"):
        for value in ("-1", "1e9", "nan", "inf", "-0.0.1", "", "1_0", "%2B5", "1e1", "0x1", "%D9%A1", "1&wait=2"):
            yield Wrong(one.method, f"{url}?wait={value}")
    if one.takes("query", "newest"):
        for pair in ("newest=0", "newest=1001", "newest=1.5", "newest=some", "newest=", "all=maybe", "ctid=some"):
            yield Wrong(one.method, f"{url}?{pair}")
    if one.takes("path", "request_id"):
        for value in ("103", *OTHER_SPELLINGS):
            yield Wrong(one.method, one.url(request_id=value))
    if one.takes("path", "node"):
        yield Wrong(one.method, one.url(node="a%20b"))


def wrong_ctids(one: Operation) -> Iterator[Wrong]:
    for value in ("0", "99", "1000000000", "103%20", "%00", "%D9%A1%D9%A0%D9%A3", "%2B103", "1_03", "103.0", "0103"):
        if one.takes("path", "ctid"):
            yield Wrong(one.method, one.url(ctid=value))
        elif one.takes("query", "ctid"):
            yield Wrong(one.method, f"{one.url()}?ctid={value}")


def wrong_headers(one: Operation) -> Iterator[Wrong]:
    known = {
        "Idempotency-Key": ("", "103", f"{ID}0", *OTHER_SPELLINGS, f"{ID}\r\nIdempotency-Key: {ID[:-1]}1"),
        "Last-Event-ID": ("$", "1-", "9" * 40, "é", "1-1\r\nLast-Event-ID: 1-1"),
    }
    for name, values in known.items():
        if one.takes("header", name):
            yield from (Wrong(one.method, one.url(), 400, (f"{name}: {value}",)) for value in values)


def wrong_bodies(one: Operation) -> dict[str, tuple[int, bytes, tuple[str, ...]]]:
    """What may be wrong with a body: the status, the body, the headers."""
    packed = gzip.compress(b"{}")
    return {
        "null": (400, b"null", (JSON,)),
        "a list": (400, b"[]", (JSON,)),
        "deep": (400, DEEP, (JSON,)),
        "no number": (400, b"NaN", (JSON,)),
        "an infinite number": (400, b'{"wait_for_address": 1e999}', (JSON,)),
        "a field that is no number": (400, b'{"wait_for_address": NaN}', (JSON,)),
        "a field of nobody": (400, b'{"dryrun": true}', (JSON,)),
        "a field of another type": (400, b'{"dry_run": 1, "rerun": "a"}', (JSON,)),
        "a name twice": (400, b'{"dry_run": true, "dry_run": false}', (JSON,)),
        "no JSON": (400, b"dry_run=true", (JSON,)),
        "no UTF-8": (400, b'{"\xff": 1}', (JSON,)),
        "another encoding": (400, "{}".encode("utf-16"), (JSON,)),
        "another one without its mark": (400, "{}".encode("utf-16-le"), (JSON,)),
        "a number that is too long": (400, b'{"wait_for_address": ' + b"9" * 5_000 + b"}", (JSON,)),
        "another type": (400, b"{}", ("Content-Type: text/plain",)),
        "no type": (400, b"{}", ()),
        "two types": (400, b"{}", (JSON, JSON)),
        "packed": (415, packed, (JSON, "Content-Encoding: gzip")),
        "said to be packed": (415, b"{}", (JSON, "Content-Encoding: br")),
        "large": (413, b" " * 65_537, (JSON,)),
    } | ({"nothing of what it needs": (400, b"", ())} if one.name in BODIES else {})


def named_wrongly(one: Operation, said: Answered) -> list[str]:
    """Which errors of a problem document do not begin with a parameter of the operation, or a field of the body."""
    parameters = "|".join(re.escape(f"{given['in']}.{name}") for name, given in one.parameters.items())
    place = rf"(({parameters or 'none'})(\.\d+)?|body(\.[a-z_]+)?): (?!Value error)"
    return [error for error in json.loads(said.body or b"{}").get("errors", ()) if not re.match(place, error)]


@each
def test_what_is_wrong_is_one_problem_and_enqueues_nothing(server: InsideServer, operation: Operation) -> None:
    for wrong in (*wrong_ways(operation), *wrong_ctids(operation), *wrong_headers(operation)):
        said = server.ask(wrong.method, wrong.target, *wrong.headers)
        assert (said.status, wrong.method == "HEAD" or said.is_problem()) == (wrong.status, True), (wrong, said)
        assert said.status != 405 or said.headers["allow"] == operation.method, wrong
        assert not named_wrongly(operation, said), wrong
    for why, (wanted, body, more) in wrong_bodies(operation).items():
        said = server.ask(operation.method, operation.url(), *more, body=body)
        assert (said.status, said.is_problem()) == (wanted, True), (why, said)
        assert not named_wrongly(operation, said), why


def test_a_body_without_end_is_given_up_at_each(server: InsideServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS", 0.3)

    def drip(one: Operation) -> Answered:
        return server.ask(one.method, one.url(), JSON, "Transfer-Encoding: chunked", body=b"1\r\n{\r\n")

    with ThreadPoolExecutor(len(OPERATIONS)) as clients:
        for one, said in zip(OPERATIONS, clients.map(drip, OPERATIONS), strict=True):
            assert (said.status, said.is_problem()) == (408, True), one.name


def test_whatever_a_client_accepts_it_gets_the_same_and_a_key_in_any_case_is_one_request(
    redis_url: str, redis_client: Redis, tokens: tuple[Path, str]
) -> None:
    plain = {"status", "drift", "plans", "templates", "nodes"}
    with served_inside(redis_url, *tokens) as server:
        for one in OPERATIONS:
            wait = "?wait=0.01" if one.name in plain else ""
            body = json.dumps(BODIES[one.name]).encode() if one.name in BODIES else b"{}" if one.has_body else None
            more = () if body is None else (JSON,)
            says = [
                server.ask(one.method, one.url() + wait, *more, *accept, body=body)
                for accept in ((), ("Accept: text/html",), ("Accept: text/html", "Accept: nothing/*;q=0"))
            ]
            assert len({said.status for said in says}) == 1, one.name
            assert len({said.headers["content-type"] for said in says}) == 1, one.name
            assert says[0].status in {200, 202, 404, 504}, (one.name, says[0])
        redis_client.flushdb()
        ensure = OPERATIONS[0]
        keyed = [
            server.ask(ensure.method, ensure.url(), f"Idempotency-Key: {key}") for key in (ID.upper(), ID, ID.title())
        ]
        assert [(said.status, json.loads(said.body)["id"]) for said in keyed] == [(202, ID)] * 3
        assert redis_client.llen("phoenix.ensure") == 1
