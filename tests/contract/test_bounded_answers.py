"""Whoever answers as Proxmox or takes a webhook holds nobody: an answer comes in time and size, or fails."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakepve.certs import make_cert

from phoenix_worker import bounded_network
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.proxmox.connection import Access, Connection
from phoenix_worker.proxmox.translate import Request
from phoenix_worker.telemetry.webhooks import Webhooks
from tests.support.dripping import HEADERS, Dripping

if TYPE_CHECKING:
    from redis import Redis

SLOW = {
    "a status line": (b"", b"H"),
    "headers": (HEADERS, b"x"),
    "a body": (HEADERS + b"Content-Length: 100000\r\n\r\n", b" "),
    "chunks": (HEADERS + b"Transfer-Encoding: chunked\r\n\r\n", b"1"),
    "a body of unknown size": (HEADERS + b"Connection: close\r\n\r\n", b" "),
    "an error": (b"HTTP/1.1 500 no\r\nContent-Length: 100000\r\n\r\n", b" "),
}
READ = Request("GET", "version", "read the version")
CHANGE = Request("POST", "nodes/pve/lxc", "create CT 103 on pve")
SECRET = "a-secret-of-the-token"


def said(body: bytes, status: bytes = b"200 OK") -> bytes:
    """A whole answer."""
    return b"HTTP/1.1 %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (status, len(body), body)


NO_ANSWER = {
    "interim answers without end": b"HTTP/1.1 102 Processing\r\n\r\n",
    "another protocol": b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
    "a chunk of a negative length": HEADERS + b"Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n",
    "a chunk of no length": HEADERS + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "two lengths": HEADERS + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n{}",
    "too many headers": HEADERS + b"X: y\r\n" * 5000 + b"\r\n",
    "another status line": b"GET /api2/json/version " + SECRET.encode() + b"x" * 60_000 + b"\r\n\r\n",
    "a type without end": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: %s\r\n\r\n"
    % (SECRET.encode() + b"x" * 60_000),
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a number that is none": said(b'{"data": NaN}'),
    "an infinite number": said(b'{"data": {"maxmem": 1e999}}'),
    "a number too large to compare": said(b'{"data": {"maxmem": 1' + b"0" * 400 + b"}}"),
    "a number without end": said(b'{"data": ' + b"9" * 5000 + b"}"),
    "brackets without end": said(b'{"data": ' + b"[" * 100_000),
    "what is not UTF-8": said(b'{"data": "\xff"}'),
}
"""What may stand where an answer is expected."""
NO_PROXMOX = {
    "nothing new": b"HTTP/1.1 304 Not Modified\r\n\r\n",
    "a choice": b"HTTP/1.1 300 Multiple Choices\r\nContent-Length: 0\r\n\r\n",
    "a redirect": b"HTTP/1.1 302 Found\r\nLocation: http://[\r\nContent-Length: 0\r\n\r\n",
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key, _ = make_cert(str(folder))
    file = folder / "server.pem"
    file.write_text(Path(key).read_text() + Path(certificate).read_text())
    return file


def connection(server: Dripping, certificate: Path) -> Connection:
    host = f"127.0.0.1:{server.port}"
    return Connection(Access(host, "me@pve", "name", SECRET, str(certificate), connect_seconds=5, read_seconds=0.5))


@pytest.mark.timeout(120)
@pytest.mark.parametrize("slow", SLOW)
def test_an_answer_that_drips_is_not_waited_for(certificate: Path, slow: str) -> None:
    with Dripping(*SLOW[slow], certificate) as server, pytest.raises(TransientError) as caught:
        connection(server, certificate).call(READ)
    assert caught.value.cause == "unreachable"


def test_an_answer_without_end_is_cut(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded_network, "MOST_BYTES", 1024 * 1024)
    endless = Dripping(HEADERS + b"Connection: close\r\n\r\n", b" " * 65536, certificate)
    with endless as server, pytest.raises(TransientError, match="more than 1 MiB"):
        Connection(Access(f"127.0.0.1:{server.port}", "me@pve", "name", "secret", str(certificate))).call(READ)


def test_an_answer_that_is_compressed_is_not_unpacked(certificate: Path) -> None:
    """A kilobyte of it may be a gigabyte."""
    packed = gzip.compress(b'{"data": {"version": "9.1"}}')
    headers = HEADERS + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed)
    with Dripping(headers + packed, b" ", certificate) as server, pytest.raises(TransientError) as caught:
        connection(server, certificate).call(READ)
    assert caught.value.message == "Unable to read the version: the answer is compressed, which was not asked for."


@pytest.mark.parametrize("strange", NO_ANSWER)
def test_what_is_no_answer_is_told_in_a_few_words_and_is_no_success(certificate: Path, strange: str) -> None:
    with Dripping(NO_ANSWER[strange], b" ", certificate) as server:
        for request, cause in ((READ, "unreachable"), (CHANGE, "unknown-outcome")):
            with pytest.raises(TransientError) as caught:
                connection(server, certificate).call(request)
            assert caught.value.cause == cause
            assert len(str(caught.value)) < 2300
            assert SECRET not in str(caught.value)


@pytest.mark.parametrize("strange", NO_PROXMOX)
def test_what_leads_elsewhere_is_no_success(certificate: Path, strange: str) -> None:
    with Dripping(NO_PROXMOX[strange], b" ", certificate) as server:
        for request in (READ, CHANGE):
            with pytest.raises(PermanentError) as caught:
                connection(server, certificate).call(request)
            assert caught.value.cause == "not-proxmox"


def test_half_a_letter_is_shown_as_such(certificate: Path) -> None:
    body = rb'{"data": {"\ud800": "\uD83D\uDE00 \uDC00"}}'
    with Dripping(said(body), b" ", certificate) as server:
        assert connection(server, certificate).call(READ) == {"\ufffd": "\N{GRINNING FACE} \ufffd"}


def test_wrong_fields_without_end_are_cut(certificate: Path) -> None:
    fields = {f"{number}\n104  created{'k' * 500}": SECRET + "v" * 5000 for number in range(500)}
    body = json.dumps({"data": None, "message": "no\ud800", "errors": fields}).encode()
    with Dripping(said(body, b"400 no"), b" ", certificate) as server, pytest.raises(PermanentError) as caught:
        connection(server, certificate).call(CHANGE)
    assert len(str(caught.value)) < 4300
    assert SECRET not in str(caught.value)
    assert "\n" not in str(caught.value)
    str(caught.value).encode()


@pytest.mark.timeout(120)
@pytest.mark.parametrize("slow", SLOW)
def test_a_receiver_that_drips_holds_no_other_event(redis_url: str, redis_client: Redis, slow: str) -> None:
    """It is not taken, and stays pending; the next one is posted all the same."""
    taken = slow in ("a body", "chunks", "a body of unknown size")
    with Dripping(*SLOW[slow]) as server:
        seconds = 30.0 if taken else 0.5
        hooks = Webhooks(f"http://127.0.0.1:{server.port}/", "secret", redis_url, post_seconds=seconds)
        hooks._begin()
        for _ in range(2):
            redis_client.xadd("phoenix:events", {"at": "1.0", "kind": "done", "job": "x"})
        hooks._new()
        (group,) = redis_client.xinfo_groups("phoenix:events")
        assert (group["entries-read"], group["pending"]) == (2, 0 if taken else 2)
        hooks._redis.close()
