"""The guard asks who it is again when the answer is there: a request may have waited for minutes."""

from __future__ import annotations

import asyncio
import json
import os
from http import HTTPStatus
from typing import TYPE_CHECKING

import pytest
from starlette.responses import PlainTextResponse

from phoenix_producer.http.guard import Door, Guard
from phoenix_producer.http.rates import Rates
from phoenix_producer.http.tokens import Role, TokenFile

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from starlette.types import Message, Receive, Scope, Send

ANSWER = "what the request has waited for"


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


def asked(file: TokenFile, secret: str | None, meanwhile: Callable[[], object]) -> tuple[int, str]:
    """Ask; `meanwhile` happens before the answer is there. Returns status and body."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        meanwhile()
        await PlainTextResponse(ANSWER)(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), *([(b"authorization", f"Bearer {secret}".encode())] if secret else [])]
    target = {"path": "/v1/nodes", "raw_path": b"/v1/nodes"}
    scope: Scope = {"type": "http", "http_version": "1.1", "method": "GET", **target, "headers": headers}
    asyncio.run(Guard(app, Door(file), Rates(), (), "")(scope, receive, send))
    start, *bodies = sent
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    return start["status"], b"".join(message["body"] for message in bodies).decode()


def test_an_answer_is_given_to_who_asked(file: TokenFile) -> None:
    secret = file.add("stays", Role.VIEWER)
    assert asked(file, secret, lambda: file.add("other", Role.VIEWER)) == (HTTPStatus.OK, ANSWER)


def test_a_token_that_was_revoked_meanwhile_gets_no_answer(file: TokenFile) -> None:
    file.add("stays", Role.VIEWER)
    secret = file.add("leaver", Role.VIEWER)
    status, body = asked(file, secret, lambda: file.revoke("leaver"))
    assert (status, ANSWER in body) == (HTTPStatus.UNAUTHORIZED, False)


def test_who_asked_without_a_token_gets_none_once_there_are_some(file: TokenFile) -> None:
    status, body = asked(file, None, lambda: file.add("first", Role.VIEWER))
    assert (status, ANSWER in body) == (HTTPStatus.UNAUTHORIZED, False)


def test_tokens_that_cannot_be_read_any_more_are_said(file: TokenFile) -> None:
    secret = file.add("stays", Role.VIEWER)
    status, body = asked(file, secret, lambda: file.path.write_text("{"))
    assert (status, ANSWER in body) == (HTTPStatus.SERVICE_UNAVAILABLE, False)


def test_a_token_that_was_taken_out_of_the_file_is_refused_whatever_time_the_file_has(file: TokenFile) -> None:
    """As `rsync --inplace --times` does it, or a clock of the file system that ticks slowly."""
    secret = file.add("only", Role.VIEWER)
    assert file.find(secret) is not None
    before, known = file.path.stat(), file.path.read_text()
    digest = json.loads(known)["tokens"][0]["sha256"]
    with file.path.open("r+") as same:
        same.write(known.replace(digest, "0" * len(digest)))
    os.utime(file.path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert file.find(secret) is None
