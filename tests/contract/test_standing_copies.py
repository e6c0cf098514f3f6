"""What stands at the CTIDs of copies, also while a node does not answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.actions.standing_copies import Unseen, everything_there, refuse_unseen
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.proxmox.error_table import UNREACHABLE
from tests.support.proxmox import NODE
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
def test_nobody_waits_for_a_node_that_does_not_answer(standing: Simulator, door: Proxmox, how: str) -> None:
    if how == "refusing":
        standing.do(standing.pve.refusing.add, SILENT)
    else:
        standing.do(standing.pve.cut, SILENT, noticed=how == "offline")
    began = time.monotonic()
    found = everything_there(door, CTIDS)
    assert time.monotonic() - began < standing.pve.hang_secs / 3
    assert [one.ctid for one in found.seen] == [9101]
    why = f"{SILENT} is offline" if how == "offline" else f"{SILENT} does not answer"
    told = [Unseen(ctid, SILENT, "base", why, offline=how == "offline") for ctid in (9102, 9104)]
    assert list(found.unseen) == told
    on_silent = sum(path.startswith(f"/nodes/{SILENT}/") for _, path in standing.calls())
    assert on_silent == (0 if how == "offline" else 1), "it is asked once"


def test_what_may_be_a_copy_is_told_as_one(tmp_path: Path) -> None:
    base = loaded(tmp_path, {"900": template(name="base")})[900]
    named, nameless, other = (Unseen(9102, SILENT, name, "pve2 is offline", offline=True) for name in ("base", "", "x"))
    assert [one.may_be_of(base) for one in (named, nameless, other)] == [True, True, False]
    assert "`phoenix-lxc rebuild 900` again when the node is back" in named.left(base)
    refuse_unseen(base, (), "destroy")
    with pytest.raises(TransientError, match="Unable to destroy CT 900: CT 9102 may be a copy of it") as refused:
        refuse_unseen(base, (named,), "destroy")
    assert refused.value.cause == UNREACHABLE
