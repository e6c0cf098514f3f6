"""Several addresses of one Proxmox: a dead one is left for the next, and asked again after a while."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakepve.certs import make_cert

from phoenix_worker.commands.demo.embedded import free_port
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.api_hosts import AWAY_SECONDS, ApiHosts
from phoenix_worker.proxmox.connection import Connection
from phoenix_worker.proxmox.translate import Request
from tests.support.dripping import Dripping
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.proxmox import Simulator

READ = Request("GET", "version", "read the version")


def dead() -> str:
    return f"127.0.0.1:{free_port()}"


@contextmanager
def listening() -> Iterator[str]:
    """An address whose connections nobody takes up."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        yield f"127.0.0.1:{silent.getsockname()[1]}"


@contextmanager
def answering(simulator: Simulator, status: str, *, certificate: str = "own") -> Iterator[str]:
    """An address that answers everything with one status; with the cluster's certificate, another, or without TLS."""
    files = Path(simulator.ca_file).parent
    pem = None
    if certificate == "own":
        pem = files / "both.pem"
        pem.write_text(Path(simulator.ca_file).read_text() + Path(simulator.key_file).read_text())
    elif certificate == "another":
        (files / "other").mkdir(exist_ok=True)
        made = make_cert(str(files / "other"), hosts=("127.0.0.1",))
        pem = files / "other.pem"
        pem.write_text("".join(Path(one).read_text() for one in made[:2]))
    head = f"HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: 1\r\nConnection: close\r\n\r\n"
    with Dripping(head.encode(), b"x", pem) as server:
        yield f"127.0.0.1:{server.port}"


@contextmanager
def broken(simulator: Simulator, how: str) -> Iterator[str]:
    """An address that cannot be asked, each in its way."""
    if how == "refuses":
        yield dead()
    elif how == "hangs":
        with listening() as address:
            yield address
    elif how in {"no TLS", "another certificate"}:
        with answering(simulator, "200 OK", certificate=how.removesuffix(" certificate")) as address:
            yield address
    else:
        with answering(simulator, how) as address:
            yield address


@pytest.mark.parametrize(
    "how",
    ["refuses", "hangs", "no TLS", "another certificate", "401 no ticket", "595 no pvedaemon", "200 a login page"],
)
def test_one_that_cannot_be_asked_is_left_for_the_next(simulator: Simulator, how: str) -> None:
    asked: list[str] = []
    with broken(simulator, how) as address:
        access = replace(simulator.access, host=f"{address},{simulator.host}", connect_seconds=0.2)
        connection = Connection(access, on_call=lambda request: asked.append(request.path))
        assert [connection.call(READ)["version"] for _ in range(2)]
        assert len(asked) == 3, "it was tried once"


@pytest.mark.parametrize("how", ["hangs", "no TLS", "another certificate", "401 no ticket"])
def test_an_order_that_was_not_taken_goes_to_the_next(simulator: Simulator, how: str) -> None:
    with broken(simulator, how) as address:
        access = replace(simulator.access, host=f"{address},{simulator.host}", connect_seconds=0.2)
        door = ProxmoxApi(access)
        simulator.end_of(door, door.start(NODE, 103))
    assert [one.guest for one in simulator.intervals("vzstart")] == ["103"]


def test_each_address_has_a_fingerprint_of_its_own(simulator: Simulator) -> None:
    own = sha256(ssl.PEM_cert_to_DER_cert(Path(simulator.ca_file).read_text())).hexdigest()
    with answering(simulator, "200 OK", certificate="another") as other:
        hosts = f"{other},{simulator.host}"
        access = replace(simulator.access, host=hosts, fingerprint=f"{own},{own}", ca_file=None)
        assert Connection(access).call(READ)["version"], "the first has another certificate"
        with pytest.raises(PermanentError, match="Fingerprints did not match") as caught:
            Connection(replace(access, fingerprint=f"{own},{'0' * 64}")).call(READ)
        assert (caught.value.cause, "pvenode cert info" in caught.value.remedy) == ("tls", True)


def test_what_is_wrong_with_each_is_told(simulator: Simulator) -> None:
    with broken(simulator, "401 no ticket") as one, broken(simulator, "another certificate") as another:
        for hosts, kind, cause in (
            (f"{one},{another}", PermanentError, "proxmox-login"),
            (f"{another},{dead()}", TransientError, "unreachable"),
        ):
            connection = Connection(replace(simulator.access, host=hosts))
            with pytest.raises(kind) as caught:
                connection.call(READ)
            error = caught.value
            assert isinstance(error, PermanentError | TransientError)
            assert error.message.startswith(
                "Unable to read the version: no address in PHOENIX_PROXMOX_HOST can be used"
            )
            assert all(f"{host}: " in error.message for host in hosts.split(","))
            assert (error.cause, "certificate verify failed" in error.message) == (cause, True)
            assert "PHOENIX_PROXMOX_CA_FILE" in error.remedy


def test_a_dead_address_is_left_for_the_next(simulator: Simulator) -> None:
    access = replace(simulator.access, host=f"{dead()},{dead()},{simulator.host}")
    asked: list[str] = []
    connection = Connection(access, on_call=lambda request: asked.append(request.path))
    for _ in range(3):
        assert connection.call(READ)["version"]
    assert len(asked) == 3 + 2, "each dead one was tried once"


def test_an_order_goes_to_the_next_too_and_is_given_once(simulator: Simulator) -> None:
    door = ProxmoxApi(replace(simulator.access, host=f"{dead()},{simulator.host}"))
    simulator.end_of(door, door.start(NODE, 103))
    assert [one.guest for one in simulator.intervals("vzstart")] == ["103"]


def test_when_all_are_dead_it_is_told_once(simulator: Simulator) -> None:
    connection = Connection(replace(simulator.access, host=f"{dead()},{dead()}"))
    with pytest.raises(TransientError) as caught:
        connection.call(READ)
    assert caught.value.cause == "unreachable"


def test_an_order_whose_answer_was_lost_is_not_given_to_the_next(simulator: Simulator) -> None:
    """It may have been carried out."""
    simulator.set(simulator.pve, network={**simulator.pve.network, "drop_rate": 1.0})
    door = ProxmoxApi(replace(simulator.access, host=f"{simulator.host},{dead()}"))
    with pytest.raises(TransientError) as caught:
        door.start(NODE, 103)
    assert caught.value.cause == "unknown-outcome"


def test_a_silent_node_is_not_held_against_the_address_that_passes_calls_on(simulator: Simulator) -> None:
    simulator.do(simulator.pve.cut, "pve2", noticed=False)
    asked: list[str] = []
    access = replace(simulator.access, host=f"{simulator.host},{dead()}")
    connection = Connection(access, on_call=lambda request: asked.append(request.path))
    with pytest.raises(TransientError, match="pve2 did not answer in 1 s"):
        connection.call(Request("GET", "nodes/pve2/lxc/103/config", "look at CT 103", patient=False))
    asked.clear()
    assert connection.call(READ)["version"]
    assert asked == ["version"], "the dead one was not tried"


def test_the_first_is_asked_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    hosts = ApiHosts(["a", "b", "c"], lambda: now[0])
    assert hosts.in_order() == [0, 1, 2]
    hosts.leave(0, "it is dead")
    assert hosts.in_order() == [1, 2, 0]
    now[0] = 1.0
    hosts.leave(1, "it is dead")
    hosts.leave(0, "it still is")
    assert hosts.in_order() == [2, 0, 1]
    now[0] = AWAY_SECONDS + 0.5
    assert hosts.in_order() == [2, 0, 1], "counted from when it was last found so"
    now[0] = AWAY_SECONDS + 1.0
    assert hosts.in_order() == [0, 1, 2]
    told = [one.getMessage() for one in caplog.records]
    assert told == [f"Proxmox's address {name} is skipped for 60 s: it is dead" for name in "ab"]
