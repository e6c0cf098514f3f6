"""`phoenix-lxc serve` as a process on a free port, and a client that knows nothing of it but HTTP."""

from __future__ import annotations

import json
import os
import re
import subprocess
import urllib.request
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.error import HTTPError

from phoenix_producer.http.tokens import Role, TokenFile
from tests.support.cli import COMMAND

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

SECONDS = 60


@dataclass(frozen=True)
class Said:
    """One answer."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def problem(self) -> Any:
        """The problem document that it must be."""
        assert self.headers["content-type"] == "application/problem+json", self.text
        assert self.json["status"] == self.status
        assert {"type", "title", "detail"} <= self.json.keys()
        assert "Traceback" not in self.text
        return self.json


@dataclass
class HttpDoor:
    """A server that runs, and the token to ask it with."""

    url: str
    file: TokenFile
    process: subprocess.Popen[str]
    token: str | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def address(self) -> tuple[str, int]:
        host, _, port = self.url.removeprefix("http://").partition("/")[0].rpartition(":")
        return host, int(port)

    def open(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        own = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        kind = {"Content-Type": "application/json"} if data is not None else {}
        request = urllib.request.Request(  # noqa: S310 - as below
            self.url + path, data, own | kind | given, method=method
        )
        return urllib.request.urlopen(request, timeout=SECONDS)  # noqa: S310 - http on loopback

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Said:
        try:
            with self.open(method, path, body, **headers) as answer:
                return _said(answer.status, answer)
        except HTTPError as error:
            with error:
                return _said(error.code, error)

    def get(self, path: str, **headers: str) -> Said:
        return self.ask("GET", path, **headers)

    def post(self, path: str, body: Any = None, **headers: str) -> Said:
        return self.ask("POST", path, body, **headers)

    def events(self, path: str, **headers: str) -> Iterator[dict[str, Any]]:
        """The events of a stream, as they come: id, event, data."""
        with self.open("GET", path, **headers) as stream:
            yield from events_in(stream)

    def as_a(self, role: Role, *ctids: int, name: str = "") -> HttpDoor:
        """The same server, asked with a new token."""
        secret = self.file.add(name or f"{role}-{len(self.file.tokens())}", role, ctids)
        return HttpDoor(self.url, self.file, self.process, secret)


def _said(status: int, answer: Any) -> Said:
    headers = {name.lower(): value for name, value in answer.headers.items()}
    return Said(status, headers, answer.read().decode())


def events_in(stream: Any) -> Iterator[dict[str, Any]]:
    """Read server-sent events as the standard says, as far as ours go."""
    event: dict[str, Any] = {}
    for raw in stream:
        name, _, value = raw.decode().rstrip("\n").partition(": ")
        if name in {"id", "event"}:
            event[name] = value
        elif name == "data":
            event[name] = json.loads(value)
        elif not name and "data" in event:
            yield event
            event = {}


@contextmanager
def serving(redis_url: str, folder: Path, *arguments: str, command: Sequence[str] = ()) -> Iterator[HttpDoor]:
    """Run the command, or another that does, until the block ends. Its log must show no token and no warning."""
    tokens = folder / "tokens.json"
    log = folder / "serve.log"
    environ = {**os.environ, "PHOENIX_REDIS_URL": redis_url, "PHOENIX_HTTP_TOKENS": str(tokens)}
    command = command or [str(COMMAND), "serve", *(() if "--port" in arguments else ("--port", "0")), *arguments]
    with log.open("w") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environ)
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://[^/]+", line)
        assert found is not None, line + log.read_text()
        yield HttpDoor(found[0], TokenFile(tokens), process)
    finally:
        process.terminate()
        process.communicate(timeout=SECONDS)
    assert "phx_" not in log.read_text()
    assert "Warning: " not in log.read_text()
