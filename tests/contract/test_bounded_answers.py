"""Whoever answers as Proxmox or takes a webhook holds nobody: an answer comes in time and size, or fails."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakepve.certs import make_cert

from phoenix_worker import bounded_network
from phoenix_worker.core.model.errors import TransientError
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


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key, _ = make_cert(str(folder))
    file = folder / "server.pem"
    file.write_text(Path(key).read_text() + Path(certificate).read_text())
    return file


def connection(server: Dripping, certificate: Path) -> Connection:
    host = f"127.0.0.1:{server.port}"
    return Connection(Access(host, "me@pve", "name", "secret", str(certificate), connect_seconds=5, read_seconds=0.5))


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
