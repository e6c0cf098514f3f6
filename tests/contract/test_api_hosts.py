"""Several addresses of one Proxmox: a dead one is left for the next, and asked again after a while."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.commands.demo.embedded import free_port
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.api_hosts import AWAY_SECONDS, ApiHosts
from phoenix_worker.proxmox.connection import Connection
from phoenix_worker.proxmox.translate import Request
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from tests.support.proxmox import Simulator

READ = Request("GET", "version", "read the version")


def dead() -> str:
    return f"127.0.0.1:{free_port()}"


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


def test_the_first_is_asked_again_after_a_while() -> None:
    now = [0.0]
    hosts = ApiHosts(2, lambda: now[0])
    assert hosts.current() == 0
    hosts.leave(0)
    assert hosts.current() == 1
    now[0] = 1.0
    hosts.leave(1)
    assert hosts.current() == 0, "all are left: the one that was left first"
    now[0] = AWAY_SECONDS
    assert hosts.current() == 0
