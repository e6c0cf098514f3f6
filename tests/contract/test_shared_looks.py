"""Looks at many CTIDs at once: the same is seen as by looks one by one, in little more than one call each."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.proxmox.shared_reads import shared_since
from tests.acceptance.scenes import notes
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

NODES = (NODE, "pve2", "pve3")
CTIDS = range(100, 160)


def populate(simulator: Simulator) -> None:
    """Containers that run and do not; each seventh is absent, each eleventh on another node, each thirteenth theirs."""
    for ctid in CTIDS:
        if ctid % 7 == 0:
            continue
        node = NODES[(ctid + (ctid % 11 == 0)) % len(NODES)]
        config = {"description": "" if ctid % 13 == 0 else notes(ctid), "hostname": f"ct{ctid}"}
        status = "running" if ctid % 2 else "stopped"
        simulator.do(simulator.pve.add_ct, ctid, node=node, status=status, config=config)


def test_the_same_is_seen_side_by_side_as_one_by_one(simulator: Simulator, door: Proxmox) -> None:
    populate(simulator)
    alone = [door.observe(NODES[ctid % len(NODES)], ctid) for ctid in CTIDS]
    before, moment = len(simulator.calls()), time.monotonic()

    def look(ctid: int) -> Observation:
        with shared_since(moment):
            return door.observe(NODES[ctid % len(NODES)], ctid)

    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(look, CTIDS))
    assert [replace(one, ha_managed=False) for one in together] == [replace(one, ha_managed=False) for one in alone]
    calls = simulator.calls()[before:]
    assert len(calls) < 1.6 * len(CTIDS), calls
    assert 1 <= calls.count(("GET", "/cluster/resources")) <= 4


def test_a_look_sees_what_was_done_before_it_was_asked_for(simulator: Simulator, door: Proxmox) -> None:
    populate(simulator)
    ctids = [ctid for ctid in CTIDS if ctid % 3 == 0 and ctid % 7 and ctid % 11]
    for status in ("running", "stopped", "running"):
        for ctid in ctids:
            simulator.set(simulator.pve.ct(ctid), status=status)
        with shared_since(time.monotonic()):
            seen = [door.observe(NODES[0], ctid).running for ctid in ctids]
        assert seen == [status == "running"] * len(ctids)


def test_a_node_whose_list_cannot_be_had_is_asked_for_each(simulator: Simulator, door: Proxmox) -> None:
    populate(simulator)
    simulator.do(simulator.pve.fail, "GET", f"/nodes/{NODE}/lxc", status=500, message="no list", times=None)
    ctids = [ctid for ctid in CTIDS if ctid % 3 == 0 and ctid % 7 and ctid % 11]
    with shared_since(time.monotonic()):
        assert [door.observe(NODE, ctid).running for ctid in ctids] == [ctid % 2 == 1 for ctid in ctids]
