"""A resolver that does not answer holds nobody for longer than connecting may take."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.bounded_network import addresses
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.proxmox.connection import Access, Connection
from phoenix_worker.proxmox.translate import Request

if TYPE_CHECKING:
    from collections.abc import Iterator

READ = Request("GET", "version", "read the version")


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's resolver waits for an answer that does not come."""
    over = threading.Event()

    def waits(*_: Any, **__: Any) -> Any:
        over.wait(60)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", waits)
    yield
    over.set()


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("silent")
def test_proxmox_is_told_to_be_unreachable() -> None:
    connection = Connection(Access("pve.example", "me@pve", "name", "secret", connect_seconds=0.2, read_seconds=0.2))
    with pytest.raises(TransientError) as caught:
        connection.call(READ)
    assert caught.value.cause == "unreachable"
    assert "pve.example was not found within" in str(caught.value)


@pytest.mark.timeout(60)
@pytest.mark.usefixtures("silent")
def test_a_lookup_ends_in_time() -> None:
    with pytest.raises(TimeoutError):
        addresses("pve.example", 8006, 0.2)


def test_all_addresses_are_tried_and_each_is_told_once() -> None:
    def found(*_: Any, **__: Any) -> Any:
        return [
            (0, 0, 0, "", ("::1", 8006, 0, 0)),
            (0, 0, 0, "", ("127.0.0.1", 8006)),
            (0, 1, 0, "", ("::1", 8006, 0, 0)),
        ]

    assert addresses("pve.example", 8006, 5, found) == ["::1", "127.0.0.1"]


def test_what_the_resolver_has_against_a_name_is_raised() -> None:
    with pytest.raises(socket.gaierror):
        addresses("no.such.name.invalid", 8006, 30)
    with pytest.raises(UnicodeError):
        addresses("a" * 70, 8006, 30)
