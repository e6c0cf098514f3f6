"""A clone that becomes a copy on another node is known for what it is, wherever it stands at the moment."""

from __future__ import annotations

import json
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from phoenix_worker.actions.copies import sources
from phoenix_worker.actions.orders import copy_order
from phoenix_worker.actions.standing_copies import arrived, everything_there, on_its_way
from phoenix_worker.catalog.loading import Defaults, load
from phoenix_worker.core.differs.diff import diff, marker_for
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.core.model.marker import Stage, write_marker
from phoenix_worker.core.planned.copies import numbers
from phoenix_worker.proxmox.offer_cache import Offering
from tests.support.proxmox import NODE, TOKEN_ID
from tests.support.waiting import wait_for
from tests.unit.catalog_files import OS_TEMPLATE, clone, template

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

OTHER = "pve2"
CTIDS = range(9100, 9110)
FIRST, SECOND, *_ = numbers(900, OTHER, CTIDS)


@pytest.fixture
def cluster(simulator: Simulator) -> Simulator:
    """The template stands, as a template; there is a second node."""
    simulator.do(simulator.pve.nodes.setdefault, OTHER, {"online": True})
    disk = {"hostname": "base", "rootfs": "local-lvm:base-900-disk-0,size=8G", "template": 1}
    simulator.do(simulator.pve.add_ct, 900, node=NODE, config=disk)
    simulator.do(simulator.pve.refresh_resources)
    return simulator


def declared(folder: Path, **keys: Any) -> Catalog:
    (folder / "features").mkdir()
    (folder / "features" / "setup.sh").write_text("#!/bin/sh\n")
    file = folder / "catalog.json"
    file.write_text(json.dumps({"lxc_configs": {"900": template(**keys), "103": clone(node=OTHER)}}))
    return load(file, Defaults(node=NODE, storage="local-lvm", copies=CTIDS))


def chosen(door: Proxmox, catalog: Catalog, tries: int = 0) -> list[int]:
    """The CTIDs that a container on the other node may be cloned from, after so many tries."""
    task = SimpleNamespace(
        proxmox=door,
        offering=Offering(door),
        catalog=SimpleNamespace(current=lambda: catalog),
        current_declaration=lambda ctid: catalog[ctid],
        running=SimpleNamespace(tries=tries),
        reservations=SimpleNamespace(read=lambda: SimpleNamespace(live={})),
    )
    return [one.ctid for one in sources(cast("PhoenixTask", task), catalog[103])]


def stand(cluster: Simulator, ctid: int, node: str, **config: Any) -> None:
    cluster.do(cluster.pve.add_ct, ctid, node=node, config={"hostname": "base", **config})
    cluster.do(cluster.pve.refresh_resources)


def ended(door: Proxmox, upid: str) -> bool:
    end = door.task_end(upid)
    assert end is None or end.succeeded, end
    return end is not None


@pytest.mark.usefixtures("cluster")
def test_a_clone_is_bound_for_its_node_until_it_is_configured_there(door: Proxmox, tmp_path: Path) -> None:
    catalog = declared(tmp_path, features=["setup"])
    copy = catalog.copy(900, FIRST, OTHER)
    order = copy_order(copy.standing_on(NODE), door.observe_template(NODE, 900), "made", bound_for=OTHER)
    cloned = door.clone(order)
    wait_for(lambda: ended(door, cloned))
    seen = door.observe(NODE, FIRST)
    assert (seen.node, on_its_way(seen), arrived(seen).node) == (NODE, OTHER, OTHER)
    assert chosen(door, catalog) == [FIRST], "no second one is made meanwhile"
    moved = door.migrate(NODE, FIRST, target=OTHER, restart=False)
    wait_for(lambda: ended(door, moved))
    seen = door.observe(NODE, FIRST)
    assert (seen.node, on_its_way(seen)) == (OTHER, "")
    assert chosen(door, catalog) == [FIRST]
    changes = diff(copy, seen)
    assert "to=" in seen.config["description"]
    assert "to=" not in changes.put["description"]


def test_one_that_is_migrated_since_it_was_listed_is_still_found(
    cluster: Simulator, door: Proxmox, tmp_path: Path
) -> None:
    catalog = declared(tmp_path, features=["setup"])
    copy = catalog.copy(900, FIRST, OTHER)
    marker = marker_for(copy, "made", Stage.CONFIGURED)
    stand(cluster, FIRST, NODE, description=write_marker(marker), rootfs=f"local-lvm:vm-{FIRST}-disk-0,size=8G")
    cluster.do(cluster.pve.move_after, FIRST, OTHER, calls=1, ending="/cluster/resources")
    found = everything_there(door, CTIDS)
    assert [one.ctid for one in found.seen] == [FIRST]
    assert found.unseen == ()
    assert chosen(door, catalog) == [FIRST]


def test_a_clone_without_its_marker_is_waited_for_where_it_may_be_migrated(
    cluster: Simulator, door: Proxmox, tmp_path: Path
) -> None:
    stand(cluster, FIRST, NODE, lock="create")
    with pytest.raises(TransientError, match=f"CT {FIRST} on {NODE} is being created, maybe as a copy") as delayed:
        chosen(door, declared(tmp_path, features=["setup"]))
    assert delayed.value.cause == "being-created"


@pytest.mark.parametrize("node", [NODE, OTHER])
def test_what_is_being_created_is_passed_over_once_no_task_creates_it(
    cluster: Simulator, door: Proxmox, tmp_path: Path, node: str
) -> None:
    stand(cluster, FIRST, node, lock="create")
    catalog, pve = declared(tmp_path, features=["setup"]), cluster.pve
    assert chosen(door, catalog, tries=2) == [SECOND]
    cluster.do(pve.task, node, "vzcreate", FIRST, TOKEN_ID, partial(pve.pause, 600))
    with pytest.raises(TransientError, match="maybe as a copy"):
        chosen(door, catalog, tries=2)


def test_nothing_is_waited_for_where_copies_are_built(cluster: Simulator, door: Proxmox, tmp_path: Path) -> None:
    """Without scripts that is where the OS template is to be had."""
    stand(cluster, FIRST, NODE, lock="create")
    catalog = declared(tmp_path)
    with pytest.raises(TransientError, match="maybe as a copy"):
        chosen(door, catalog)
    stored = {"content": "vztmpl", "format": "tzst", "size": 1}
    cluster.do(cluster.pve.storages["local"]["volumes"].__setitem__, OS_TEMPLATE.partition(":")[2], stored)
    assert chosen(door, catalog) == [SECOND]
