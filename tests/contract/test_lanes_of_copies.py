"""The lanes of a template and its copies are taken in one order, so that no two ever wait for each other."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest

from phoenix_worker.actions.with_copies import hold_with_all
from phoenix_worker.base import lane
from phoenix_worker.core.differs.diff import marker_for
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.model.marker import Stage, write_marker
from tests.contract.test_moved_copies import FIRST, OTHER, SECOND, declared
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator


class Lanes:
    """What a task owns, in the order in which it was taken; what it has read counts for one run."""

    def __init__(self, door: Proxmox, catalog: Catalog) -> None:
        self.held: list[str] = []
        self.forgotten: list[str] = []
        facts = {"proxmox": door, "catalog": SimpleNamespace(current=lambda: catalog)}
        words = {"hold": self.held.append, "release": self.held.remove, "forget": self.forgotten.append}
        self.task = cast("PhoenixTask", SimpleNamespace(**facts, **words, read=lambda _, look: look()))


@pytest.fixture
def catalog(simulator: Simulator, tmp_path: Path) -> Catalog:
    """A template has two copies, each on a node of its own."""
    catalog = declared(tmp_path, features=["setup"])
    simulator.do(simulator.pve.nodes.setdefault, OTHER, {"online": True})
    for ctid, node in ((FIRST, NODE), (SECOND, OTHER)):
        notes = write_marker(marker_for(catalog.copy(900, ctid, node), "made", Stage.CONFIGURED))
        simulator.do(simulator.pve.add_ct, ctid, node=node, config={"hostname": "base", "description": notes})
    simulator.do(simulator.pve.refresh_resources)
    return catalog


def test_the_copies_come_by_their_ctids_and_the_template_last(door: Proxmox, catalog: Catalog) -> None:
    lanes = Lanes(door, catalog)
    copies = [catalog.copy(900, ctid, OTHER) for ctid in sorted((FIRST, SECOND), reverse=True)]
    hold_with_all(lanes.task, catalog[900], copies)
    assert lanes.held == [*map(lane, sorted((FIRST, SECOND))), lane(900)]


def test_all_are_given_back_where_one_was_made_meanwhile(door: Proxmox, catalog: Catalog) -> None:
    lanes = Lanes(door, catalog)
    with pytest.raises(TransientError, match="There are other copies of template 900 by now"):
        hold_with_all(lanes.task, catalog[900], [catalog.copy(900, SECOND, OTHER)])
    assert (lanes.held, len(lanes.forgotten)) == ([], 2), "what was seen is looked at anew"


def test_all_are_given_back_where_one_may_be_out_of_sight(
    simulator: Simulator, door: Proxmox, catalog: Catalog
) -> None:
    simulator.do(simulator.pve.cut, OTHER, noticed=True)
    lanes = Lanes(door, catalog)
    with pytest.raises(TransientError):
        hold_with_all(lanes.task, catalog[900], [catalog.copy(900, ctid, NODE) for ctid in (FIRST, SECOND)])
    assert lanes.held == []
