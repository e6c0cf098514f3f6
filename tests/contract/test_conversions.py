"""Which conversion to a template is that of the container which has the CTID now: a conversion has no UPID."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.actions.recover import conversions, find_conversion
from phoenix_worker.actions.watch_tasks import Probe
from tests.support.declared import MINIMAL
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.proxmox import Simulator

BASE = replace(MINIMAL, ctid=900, node=NODE, clone_from=None)


def converted(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 900, node=NODE)
    door.convert_to_template(NODE, 900)
    wait_for(lambda: door.observe_template(NODE, 900).is_template)
    wait_for(lambda: not any(task.running for task in door.recent_tasks(NODE, 900)))


@pytest.mark.parametrize("step", [0, 3600, -3600])
def test_that_of_what_was_destroyed_since_is_none(simulator: Simulator, door: Proxmox, step: int) -> None:
    """A rebuild converts the same CTID again, seconds later; by the clock of the node that may be an hour before."""
    when = time.time()
    earlier = conversions(door, NODE, 900)
    converted(simulator, door)
    assert find_conversion(door, BASE, when, earlier=earlier) == {"at": when, "node": NODE}
    assert simulator.end_of(door, door.destroy(NODE, 900)).succeeded
    simulator.do(simulator.pve.add_ct, 900, node=NODE)
    earlier = conversions(door, NODE, 900)
    assert find_conversion(door, BASE, when, earlier=earlier) is None
    simulator.set(simulator.pve, clock_ahead=step)
    door.convert_to_template(NODE, 900)
    assert find_conversion(door, BASE, when, earlier=earlier) == {"at": when, "node": NODE}


def test_one_that_ended_well_and_left_no_template_is_not_waited_for_for_ever(
    simulator: Simulator, door: Proxmox
) -> None:
    watch = {"template": "900", "node": NODE, "after": str(time.time())}
    converted(simulator, door)
    probe = Probe(door, None, 60.0)
    assert probe(watch, 1.0).end == {"done": True, "exit": "OK", "log": []}
    simulator.do(simulator.pve.ct(900).config.__setitem__, "template", "0")
    assert probe(watch, 1.0).end is None
    assert probe(watch, 61.0).end == {"done": False, "exit": "Proxmox does not list it as a template", "log": []}
