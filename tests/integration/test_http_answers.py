"""Each operation of the description, asked in many ways: whatever is answered is an answer that the description has."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import uuid4

import pytest
from jsonschema import Draft202012Validator

from phoenix_producer.http.tokens import Role, TokenFile
from tests.integration.test_http_table import BODIES, DESCRIPTION, JSON, OPERATIONS, Operation
from tests.support.http_inside import Answered, InsideServer, served_inside

if TYPE_CHECKING:
    from collections.abc import Iterator

FAILING = ("404", "555", "500", "499")
"""CTIDs that are refused, not declared, break the worker, and are cancelled: `tests.support.answering_app`."""


class Asked(NamedTuple):
    """A request, and what came of it."""

    operation: Operation
    target: str
    said: Answered


@pytest.fixture(scope="module")
def server(answering_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[InsideServer]:
    path = tmp_path_factory.mktemp("answers") / "tokens.json"
    with served_inside(answering_url, path, TokenFile(path).add("operator", Role.OPERATOR)) as inside:
        yield inside


def targets(one: Operation, ended: str) -> Iterator[str]:
    """What an operation is asked for: as it is, of what fails, of what has ended, of what nobody knows."""
    ids = {"ctid": ("103", *FAILING), "request_id": (ended, str(uuid4())), "node": ("pve", "x")}
    (name, values) = next((pair for pair in ids.items() if one.takes("path", pair[0])), ("", ("",)))
    for value in values:
        url = one.url(**{name: value} if name else {})
        yield url
        if one.takes("query", "wait"):
            yield f"{url}?wait=30"
    if one.takes("query", "ctid"):
        yield from (f"{one.url()}?ctid={ctid}" for ctid in ("103", *FAILING))
    yield f"{one.url()}?of_nobody=1"


def asked(server: InsideServer, one: Operation, ended: str, last: str) -> Iterator[Asked]:
    body = json.dumps(BODIES[one.name]).encode() if one.name in BODIES else None
    more = () if body is None else (JSON,)
    for target in targets(one, ended):
        yield Asked(one, target, server.ask(one.method, target, *more, body=body))
    for given in (f"Last-Event-ID: {last}", "Last-Event-ID: x") if one.takes("header", "Last-Event-ID") else ():
        yield Asked(one, given, server.ask(one.method, one.url(request_id=ended), given))
    if one.takes("header", "Idempotency-Key"):
        key, url = f"Idempotency-Key: {ended}", one.url(ctid="104", request_id=str(uuid4()))
        yield Asked(one, key, server.ask(one.method, url, key, *more, body=body))


def closed(schema: Any) -> Any:
    """The same schema, which lets no field through that it does not name."""
    if isinstance(schema, dict):
        inner = {name: closed(value) for name, value in schema.items()}
        is_object = "properties" in schema and schema.get("title") != "Problem"  # a failure has its own besides
        return inner | ({"additionalProperties": False} if is_object and "additionalProperties" not in schema else {})
    return [closed(one) for one in schema] if isinstance(schema, list) else schema


def test_each_answer_is_one_that_the_description_has(server: InsideServer) -> None:
    components = closed(DESCRIPTION["components"])
    ensured = json.loads(server.ask("POST", "/v1/containers/103/ensure?wait=30").body)["request_id"]
    statuses: dict[str, set[int]] = {}
    for one in OPERATIONS:
        responses = DESCRIPTION["paths"][one.path][one.method.lower()]["responses"]
        for _, target, said in asked(server, one, ensured, f"{10**14}-0"):
            statuses.setdefault(one.name, set()).add(said.status)
            described = responses.get(str(said.status), responses["default"])
            is_problem = str(said.status) not in responses
            assert is_problem == (said.status >= 400), (one.name, target, said)
            contents = described.get("content", {})
            kind = said.headers.get("content-type", "").partition(";")[0]
            assert kind in contents or (not contents and not said.body), (one.name, target, said)
            assert set(described.get("headers", {})) >= {
                name for name in ("Location", "Age", "Retry-After") if name.lower() in said.headers
            }, (one.name, target)
            if kind.endswith("json"):
                schema = {**contents[kind]["schema"], "components": components}
                Draft202012Validator(schema).validate(json.loads(said.body))
    assert statuses["ensure"] == {200, 202, 400, 404, 409, 500}
    assert statuses["request_events"] >= {200, 204, 400, 404}
    assert statuses["status"] == {200, 400, 404, 409}
