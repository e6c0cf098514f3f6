"""Which of Proxmox's migrations is the one that was asked for."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.actions.configure import grow
from phoenix_worker.actions.recover import find_migration, migrations
from phoenix_worker.actions.shut_down import shut_down
from phoenix_worker.actions.watch_migrations import arrival_seen
from phoenix_worker.actions.watch_tasks import Probe
from phoenix_worker.catalog.declaration import Declaration, Role
from phoenix_worker.core.model.errors import TransientError
from tests.acceptance.scenes import notes
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

OTHER = "pve2"


def add(simulator: Simulator, **state: Any) -> None:
    pve = simulator.pve
    for node in (NODE, OTHER):
        simulator.do(pve.nodes.setdefault, node, {"online": True})
    simulator.set(pve, ct_secs=pve.ct_secs | {"migrate": 0.01}, ha_delay=0.01)
    simulator.do(pve.add_ct, 103, node=NODE)
    simulator.set(pve.ct(103), **state)


def ended(simulator: Simulator, count: int) -> None:
    def stopped() -> int:
        return sum(one["status"] == "stopped" for one in simulator.pve.tasks.values())

    wait_for(lambda: simulator.do(stopped) >= count)


def test_a_migration_that_ended_a_moment_before_is_another_requests(simulator: Simulator, door: Proxmox) -> None:
    add(simulator)
    began = time.time()
    first = door.migrate(NODE, 103, target=OTHER, restart=False)
    simulator.end_of(door, first)
    simulator.do(simulator.pve.move, 103, NODE)
    earlier = migrations(door, NODE, 103)
    assert earlier == [first]
    assert find_migration(door, NODE, 103, OTHER, earlier=earlier, when=began) is None
    second = door.migrate(NODE, 103, target=OTHER, restart=False)
    found = {"upid": second, "at": began, "from": NODE}
    assert find_migration(door, NODE, 103, OTHER, earlier=earlier, when=began) == found
    later = find_migration(door, NODE, 103, OTHER, earlier=earlier, when=began + 3600)
    assert later == found | {"at": began + 3600}, "whatever the clocks say"


def test_that_of_an_administrator_is_not_ours(simulator: Simulator, door: Proxmox) -> None:
    add(simulator)
    simulator.do(simulator.pve.migrate, 103, OTHER, 0.01)
    ended(simulator, 1)
    assert find_migration(door, NODE, 103, "pve3", earlier=(), when=time.time()) is None
    there = find_migration(door, NODE, 103, OTHER, earlier=(), when=time.time())
    assert there is not None
    assert (there["upid"], there["from"]) == ("", NODE)


@pytest.mark.parametrize("step", [None, 0, -3600, 3600], ids=["of an older worker", "", "set back", "set forward"])
def test_an_attempt_of_ha_before_it_was_asked_is_not_the_one_that_it_makes(
    simulator: Simulator, door: Proxmox, step: int | None
) -> None:
    """Be the clock of its node set in between."""
    add(simulator, ha_state="started")
    simulator.set(simulator.pve, ha_migrations_fail="no such bridge")
    simulator.end_of(door, door.migrate(NODE, 103, target=OTHER, restart=True))
    ended(simulator, 2)
    earlier = {} if step is None else {"earlier": " ".join(migrations(door, NODE, 103))}
    simulator.set(simulator.pve, ha_migrations_fail="", ha_delay=600.0, clock_ahead=step or 0)
    asked = door.migrate(NODE, 103, target=OTHER, restart=True)
    watch = {"home": OTHER, "source": NODE, "ctid": "103", "asked": asked, **earlier}
    assert arrival_seen(door, watch, 1.0) is None
    simulator.do(simulator.pve.hurry)
    ended(simulator, 4)
    assert arrival_seen(door, watch, 1.0) == {"done": True, "exit": "OK", "log": []}


@pytest.mark.parametrize("gone", [False, True], ids=["moved-on", "destroyed"])
def test_what_came_and_is_not_there_any_more_is_not_waited_for(simulator: Simulator, door: Proxmox, gone: bool) -> None:
    add(simulator, ha_state="started")
    asked = door.migrate(NODE, 103, target=OTHER, restart=True)
    ended(simulator, 2)
    pve = simulator.pve
    if gone:
        simulator.do(pve._drop, pve.ct(103))
    else:
        simulator.do(pve.move, 103, "pve3")
    seen = arrival_seen(door, {"home": OTHER, "source": NODE, "ctid": "103", "asked": asked}, 1.0)
    assert seen is not None
    assert seen["done"]


def test_the_start_of_what_was_destroyed_is_not_waited_for(simulator: Simulator, door: Proxmox) -> None:
    add(simulator)
    probe = Probe(door, None, 60.0)
    watch = {"power": "running", "node": NODE, "ctid": "103"}
    assert probe(watch, 1.0).end is None
    simulator.do(simulator.pve._drop, simulator.pve.ct(103))
    end = probe(watch, 1.0).end
    assert end is not None
    assert end["error"]["cause"] == "changed-meanwhile"
    assert probe(watch | {"power": "stopped"}, 1.0).end == {"done": True, "exit": "OK", "log": [], "node": NODE}


def test_what_ha_has_given_up_is_not_waited_for(simulator: Simulator, door: Proxmox) -> None:
    add(simulator, ha_state="started")
    probe, watch = Probe(door, None, 60.0), {"power": "running", "node": NODE, "ctid": "103"}
    assert probe(watch, 1.0).end is None
    simulator.set(simulator.pve.ct(103), ha_state="error")
    end = probe(watch, 1.0).end
    assert end is not None
    assert (end["error"]["cause"], "ha-manager set ct:103 --state disabled" in end["error"]["remedy"]) == (
        "ha-error",
        True,
    )
    assert probe(watch | {"power": "stopped"}, 1.0).end == {"done": True, "exit": "OK", "log": [], "node": NODE}


@pytest.mark.parametrize(("status", "lock"), [("stopped", "migrate"), ("stopped", None), ("running", None)])
def test_what_a_migration_has_shut_down_is_not_taken_for_stopped(
    simulator: Simulator, door: Proxmox, status: str, lock: str | None
) -> None:
    """It is started again on the other node."""
    add(simulator, status="running")
    seen = door.observe(NODE, 103)
    simulator.set(simulator.pve.ct(103), status=status, lock=lock)
    if lock is not None:
        with pytest.raises(TransientError, match="somebody else has stopped it for the moment"):
            shut_down(door, seen)
        return
    assert (shut_down(door, seen) is None) is (status == "stopped")


def test_what_a_migration_is_about_to_start_is_not_taken_for_stopped(simulator: Simulator, door: Proxmox) -> None:
    """It has arrived, and its lock was taken off: `pct start` comes after that, by the same task."""
    add(simulator, status="running")
    simulator.do(simulator.pve.migrate, 103, OTHER, 600.0)
    wait_for(lambda: simulator.pve.ct(103).status == "stopped")
    simulator.set(simulator.pve.ct(103), lock=None, node=OTHER)
    with pytest.raises(TransientError, match="somebody else has stopped it for the moment"):
        shut_down(door, door.observe(OTHER, 103))


def test_what_moved_before_its_disk_was_grown_is_told_where_it_is(simulator: Simulator, door: Proxmox) -> None:
    add(simulator, config={"rootfs": "local-lvm:vm-103-disk-0,size=8G", "description": notes(103)})
    simulator.do(simulator.pve.move, 103, OTHER)
    task: Any = SimpleNamespace(
        proxmox=door, once=lambda _step, act, **_: act(), wait_until_done=lambda *_args, **_more: []
    )
    declaration = Declaration(103, "ct103", Role.CONTAINER, NODE, clone_from=900)
    there, warnings = grow(task, declaration, {"rootfs": 12})
    assert (there.node, there.elsewhere, warnings) == (OTHER, f"CT 103 stands on {OTHER}; the catalog says {NODE}.", ())
