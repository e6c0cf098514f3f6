"""What stands at the CTIDs of copies, also while a node does not answer."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.actions.standing_copies import Unseen, everything_there, free_ctids, refuse_unseen
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.planned.copies import numbers
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.error_table import UNREACHABLE
from tests.contract.test_silent_nodes import HANGS
from tests.support.proxmox import NODE, TOKEN_ID
from tests.unit.catalog_files import loaded, template

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

SILENT = "pve2"
CTIDS = range(9100, 9110)


@pytest.fixture
def standing(simulator: Simulator) -> Simulator:
    simulator.do(simulator.pve.nodes.setdefault, SILENT, {"online": True})
    for ctid, node in ((9101, NODE), (9102, SILENT), (9104, SILENT), (9200, SILENT)):
        simulator.do(simulator.pve.add_ct, ctid, node=node, config={"hostname": "base"})
    simulator.do(simulator.pve.refresh_resources)
    return simulator


def test_each_is_looked_at_on_its_node(standing: Simulator, door: Proxmox) -> None:
    found = everything_there(door, CTIDS)
    assert [(one.ctid, one.node) for one in found.seen] == [(9101, NODE), (9102, SILENT), (9104, SILENT)]
    assert found.unseen == ()
    assert len(standing.calls()) == 4
    assert everything_there(door, None).seen == ()


@pytest.mark.parametrize("how", ["offline", "hanging", "refusing"])
def test_nobody_waits_for_a_node_that_does_not_answer(standing: Simulator, how: str) -> None:
    if how == "refusing":
        standing.do(standing.pve.refusing.add, SILENT)
    else:
        standing.do(standing.pve.cut, SILENT, noticed=how == "offline")
    standing.set(standing.pve, hang_secs=HANGS)
    door = ProxmoxApi(replace(standing.access, read_seconds=HANGS))
    found = everything_there(door, CTIDS)
    assert [one.ctid for one in found.seen] == [9101]
    why = f"{SILENT} is offline" if how == "offline" else f"{SILENT} does not answer"
    told = [Unseen(ctid, SILENT, "base", why, offline=how == "offline") for ctid in (9102, 9104)]
    assert list(found.unseen) == told
    on_silent = sum(path.startswith(f"/nodes/{SILENT}/") for _, path in standing.calls())
    assert on_silent == (0 if how == "offline" else 1), "it is asked once"


def test_a_ctid_that_a_vm_or_a_guest_out_of_sight_has_is_passed_over(simulator: Simulator, door: Proxmox) -> None:
    pve, (first, second, third, *_) = simulator.pve, numbers(900, NODE, CTIDS)
    assert free_ctids(door, 900, NODE, CTIDS, {}, 1) == (first,)
    simulator.do(pve.add_ct, first, node=NODE)
    simulator.do(pve.add_vm, second, name="windows", node=NODE)
    simulator.set(pve, acl={TOKEN_ID: [(f"/vms/{second}", {"VM.Audit"})]})
    simulator.do(pve.refresh_resources)
    places = door.standing(CTIDS)
    assert [*places] == [second], "the other one is out of sight"
    assert free_ctids(door, 900, NODE, CTIDS, places, 1) == (third,)
    full = range(first, first + 1)
    with pytest.raises(PermanentError, match=f"taken. Guests that the API token may not see have {first}.") as refused:
        free_ctids(door, 900, NODE, full, {}, 1)
    assert refused.value.cause == "no-copy-ctid"


def test_a_ctid_that_was_taken_since_the_cluster_was_asked_is_chosen_anew(simulator: Simulator, door: Proxmox) -> None:
    """It may be the very copy, which another job has begun to make: a second one would be made beside it."""
    first = next(numbers(900, NODE, CTIDS))
    simulator.do(simulator.pve.add_ct, first, node=NODE)
    simulator.do(simulator.pve.refresh_resources)
    with pytest.raises(TransientError, match=f"CT {first} has just been made") as delayed:
        free_ctids(door, 900, NODE, CTIDS, {}, 1)
    assert delayed.value.cause == "being-created"


def test_what_may_be_a_copy_is_told_as_one(tmp_path: Path) -> None:
    base = loaded(tmp_path, {"900": template(name="base")})[900]
    named, nameless, other = (Unseen(9102, SILENT, name, "pve2 is offline", offline=True) for name in ("base", "", "x"))
    assert [one.may_be_of(base) for one in (named, nameless, other)] == [True, True, False]
    assert "`phoenix-lxc rebuild 900` again when the node is back" in named.left(base)
    refuse_unseen(base, (), "destroy")
    with pytest.raises(TransientError, match="Unable to destroy CT 900: CT 9102 may be a copy of it") as refused:
        refuse_unseen(base, (named,), "destroy")
    assert refused.value.cause == UNREACHABLE
