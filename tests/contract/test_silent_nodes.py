"""Nodes of which no answer comes: what stands on others is reached, and nothing on a silent one is taken for absent."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.actions.watch_tasks import Probe
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.error_table import UNREACHABLE
from phoenix_worker.proxmox.silence import READS_AT_ONCE
from tests.acceptance.scenes import notes
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

SILENT, OTHER = "pve2", "pve3"
HANGS = 300.0
"""Seconds, more than any test may take: one that is held up fails."""


@pytest.fixture
def door(simulator: Simulator) -> Proxmox:
    """It would wait for an answer for as long."""
    simulator.set(simulator.pve, hang_secs=HANGS)
    return ProxmoxApi(replace(simulator.access, read_seconds=HANGS))


def add(simulator: Simulator, ctid: int, node: str) -> None:
    simulator.do(simulator.pve.nodes.setdefault, SILENT, {"online": True})
    simulator.do(simulator.pve.add_ct, ctid, node=node, status="running", config={"description": notes(ctid)})


def on_silent(simulator: Simulator) -> int:
    return sum(path.startswith(f"/nodes/{SILENT}/") for _, path in simulator.calls())


@pytest.fixture(params=["refusing", "hanging", "offline"])
def silenced(request: pytest.FixtureRequest, simulator: Simulator) -> Simulator:
    """One node is silent: its pveproxy is away, its cable was pulled just now, or the cluster has noticed."""
    add(simulator, 103, SILENT)
    if request.param == "refusing":
        simulator.do(simulator.pve.refusing.add, SILENT)
    else:
        simulator.do(simulator.pve.cut, SILENT, noticed=request.param == "offline")
    return simulator


def test_what_was_moved_away_is_found_at_once(silenced: Simulator, door: Proxmox) -> None:
    add(silenced, 104, OTHER)
    seen = door.observe(SILENT, 104)
    assert (seen.presence, seen.node, seen.running) == (Presence.HERE, OTHER, True)
    assert on_silent(silenced) == 1


@pytest.mark.parametrize("elsewhere", [True, False])
@pytest.mark.parametrize("ctid", [103, 105])
def test_nothing_of_a_silent_node_counts_as_absent(
    simulator: Simulator,
    door: Proxmox,
    elsewhere: bool,
    ctid: int,
) -> None:
    """Neither what the cluster says to be there, nor what it does not know."""
    add(simulator, 103, SILENT)
    for noticed in (False, True):
        simulator.do(simulator.pve.cut, SILENT, noticed=noticed)
        simulator.set(simulator.pve, hang_secs=0.1)
        with pytest.raises(TransientError) as silent:
            door.observe(SILENT, ctid, elsewhere=elsewhere)
        assert silent.value.cause == UNREACHABLE
        assert silent.value.message.startswith(f"Unable to look at CT {ctid} on {SILENT}: ")
        assert silent.value.message.endswith(f"The cluster says that {SILENT} is offline.") is noticed


def test_a_crowd_that_asks_a_silent_node_leaves_threads_for_others(simulator: Simulator, door: Proxmox) -> None:
    for ctid, node in ((103, SILENT), (104, OTHER)):
        add(simulator, ctid, node)
    simulator.do(simulator.pve.cut, SILENT, noticed=False)

    def ask(_: int) -> None:
        with suppress(TransientError):
            door.observe_template(SILENT, 103)

    with ThreadPoolExecutor(16) as pool:
        asked = [pool.submit(ask, number) for number in range(60)]
        wait_for(lambda: on_silent(simulator) >= READS_AT_ONCE)
        assert pool.submit(door.observe, OTHER, 104).result().running
        assert sum(not one.done() for one in asked) <= READS_AT_ONCE + 1
        simulator.do(simulator.pve.mend, SILENT)
        simulator.do(simulator.pve.let_go)
    assert on_silent(simulator) <= READS_AT_ONCE + 5
    assert door.observe(SILENT, 103).running, "it answers again"


@pytest.mark.long
def test_tasks_on_a_silent_node_do_not_delay_what_is_seen_of_others(simulator: Simulator, door: Proxmox) -> None:
    """As many looks at once as the watcher makes; the fifth is at another node's task."""
    for ctid, node in ((103, SILENT), (104, OTHER)):
        add(simulator, ctid, node)
        simulator.set(simulator.pve.ct(ctid), status="stopped")
    hidden, shown = door.start(SILENT, 103), door.start(OTHER, 104)
    assert hidden is not None
    assert shown is not None
    simulator.end_of(door, shown)
    simulator.do(simulator.pve.cut, SILENT, noticed=False)
    probe = Probe(door, None, 300.0)

    def look(upid: str) -> bool:
        with suppress(TransientError):
            return probe({"upid": upid}, 1.0).end is not None
        return False

    with ThreadPoolExecutor(4) as pool:
        for _ in range(12):
            pool.submit(look, hidden)
        wait_for(lambda: on_silent(simulator) >= 1 + 4)
        assert pool.submit(look, shown).result()
        simulator.do(simulator.pve.mend, SILENT)
        simulator.do(simulator.pve.let_go)
    wait_for(lambda: look(hidden))


@pytest.mark.long
def test_a_slow_node_is_given_the_time_that_it_takes(simulator: Simulator, door: Proxmox) -> None:
    add(simulator, 103, SILENT)
    simulator.set(simulator.pve, answer_secs=1.2)
    assert door.observe(SILENT, 103).running
    before = on_silent(simulator)
    assert door.observe(SILENT, 103).running
    assert on_silent(simulator) - before == 2, "nothing is asked twice"


def test_a_node_whose_api_is_away_may_run_what_it_has(simulator: Simulator, door: Proxmox) -> None:
    add(simulator, 103, SILENT)
    simulator.do(simulator.pve.refusing.add, SILENT)
    with pytest.raises(TransientError, match="Connection refused"):
        door.observe(SILENT, 103)
    simulator.do(simulator.pve.mend, SILENT)
    assert door.observe(SILENT, 103).node == SILENT
    assert door.observe(NODE, 103).node == SILENT
