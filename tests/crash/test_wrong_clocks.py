"""The clocks of workers' machines, and of nodes, are wrong or set: the same is done, once, and nothing sooner or later.

The clock of Redis is in `integration/test_clock.py`, that of a sender in `integration/test_handles.py`.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import done, failure_of, waits_for_task
from tests.acceptance.test_faults import retrying
from tests.acceptance.test_scripts import WAITS, begun, declare, write_scripts
from tests.support.crash import ARMED, KILL_AT
from tests.support.product import container, template
from tests.support.ssh_node import SshNode, ssh_node
from tests.support.waiting import wait_for
from tests.support.wrong_clock import Machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phoenix_producer import EnsureResult
    from tests.support.product import Product

__all__ = ["ssh_node"]
pytestmark = [pytest.mark.crash, pytest.mark.long]

HOUR, DAY, LONG = 3600.0, 86_400.0, 600.0
ONE_OF_EACH = {"vzcreate": 1, "vztemplate": 1, "vzclone": 1, "vzstart": 1, "resize": 1}
WELL_LATER = "#!/bin/sh\necho looked >>looks\n[ -e well ]\n"


def timed_by_redis(product: Product, result: EnsureResult) -> bool:
    """Whether each step lies between the request and now, by the clock of Redis, which is that of the tests."""
    created = float(product.redis.hget(f"phoenix:job:{result.request_id}", "created") or 0)
    ended = time.time() + 1
    return all(created - 1 <= one.started <= one.started + one.seconds <= ended for one in result.steps)


@pytest.mark.parametrize(("step", "takes"), [("create", "create"), ("seal", "template"), ("clone", "clone")])
@pytest.mark.parametrize("clocks", [(HOUR, -HOUR, -HOUR), (-HOUR, HOUR, HOUR), (0, DAY, -DAY)], ids=str)
def test_a_dead_worker_s_orders_are_taken_over_by_one_with_another_clock(
    product: Product, tmp_path: Path, owned_keys: list[str], step: str, takes: str, clocks: tuple[float, ...]
) -> None:
    """The clocks are those of the first worker, the second, and the node."""
    first, second, node = clocks
    owned_keys += ["points", ARMED]
    product.declare({900: template(), 103: container(103, storage_size_gb=16)})
    pve = product.simulator.pve
    product.simulator.set(pve, clock_ahead=node, ct_secs=pve.ct_secs | {takes: LONG})
    product.redis.set(ARMED, 1)
    doomed = Machine(product, tmp_path, "w1", first, **{KILL_AT: f"effect-done/{step}"}).worker
    handle = product.producer.ensure(103)
    wait_for(lambda: not doomed.running() or handle.done())
    assert not doomed.running(), f"{step} was not reached"
    Machine(product, tmp_path, "w2", second)
    wait_for(lambda: product.redis.exists("phoenix:watched") or handle.done())
    product.simulator.do(pve.hurry)
    result = handle.wait(timeout=60)
    assert (result.outcome, result.templates_built) == ("created", (900,))
    assert Counter(interval.kind for interval in product.simulator.intervals()) == ONE_OF_EACH
    assert timed_by_redis(product, result)
    assert product.ensure(103).outcome == "unchanged"


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_clock_that_is_set_in_the_middle_of_each_step_changes_nothing(
    product: Product, ssh_node: SshNode, tmp_path: Path, step: float
) -> None:
    pve = product.simulator.pve
    check = {"script": "features/well.sh", "retries": 100, "interval": 1}
    declare(product, ct900=template(), ct103=container(103, features=["waits"], health_check=check))
    write_scripts(product, waits=WAITS, well=WELL_LATER)
    slow = dict.fromkeys(("create", "clone", "template"), LONG)
    product.simulator.set(pve, start_secs=LONG, ct_secs=pve.ct_secs | slow)
    machine, ahead = Machine(product, tmp_path, "w1", 0, **ssh_node.environ()), [0.0]
    handle = product.producer.ensure(103)

    def set_and_seen_again(looks: Callable[[], int]) -> None:
        """The clock is set there and back in turns; what is under way is looked at again after that."""
        ahead[0] = step - ahead[0]
        machine.set(ahead[0])
        so_far = looks()
        wait_for(lambda: looks() > so_far)

    def calls(*words: str) -> int:
        return sum(all(word in path for word in words) for _, path in product.calls())

    for kind in ("vzcreate", "vztemplate", "vzclone", "vzstart"):
        if kind == "vztemplate":
            wait_for(lambda: any(str(one).startswith("template/") for one in product.redis.hkeys("phoenix:watched")))
            set_and_seen_again(lambda: calls("lxc/900/config"))
        else:
            upid = waits_for_task(product, kind).upid
            set_and_seen_again(lambda upid=upid: calls(upid))  # type: ignore[misc]  # bound now
        product.simulator.do(pve.hurry)
    root = ssh_node.root(103)
    wait_for(lambda: begun(root))
    set_and_seen_again(lambda: len(ssh_node.commands))
    (root / "go").touch()
    looks = root / "looks"
    wait_for(looks.exists)
    set_and_seen_again(lambda: len(looks.read_text().splitlines()))
    (root / "well").touch()
    result = handle.wait(timeout=60)
    assert done(result) == [
        ("create", 900),
        ("seal", 900),
        ("clone", 103),
        ("configure", 103),
        ("start", 103),
        ("provision", 103),
    ]
    assert Counter(one.kind for one in product.simulator.intervals()) == Counter(ONE_OF_EACH.keys() - {"resize"})
    assert [line.split()[0] for line in begun(root)] == ["begun", "ended"]
    assert timed_by_redis(product, result)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
@pytest.mark.parametrize("patience", [LONG, 3.0], ids=["not lost", "not gained"])
def test_patience_with_trouble_is_neither_lost_nor_gained_by_a_clock_that_is_set(
    product: Product, tmp_path: Path, step: float, patience: float
) -> None:
    product.declare({103: container(103, None, template="local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst")})
    machine = Machine(product, tmp_path, "w1", 0, PHOENIX_PATIENCE=f"{patience:g}")
    product.ensure(103, state="stopped")
    product.simulator.set(product.simulator.pve.ct(103), lock="backup")
    handle: Any = product.producer.ensure(103)
    wait_for(lambda: retrying(product, handle))
    machine.set(step)
    if patience == LONG:
        tried = len(retrying(product, handle))
        wait_for(lambda: len(retrying(product, handle)) > tried + 1)
        product.simulator.set(product.simulator.pve.ct(103), lock=None)
        assert handle.wait(timeout=60).outcome == "updated"
    else:
        assert "Still failing after 3 s" in failure_of(handle).message
