"""Each fault of Proxmox has a defined end: gone on, retried up to PHOENIX_PATIENCE, or one clear permanent error.

Elsewhere: a missing privilege at its first use and settings that lead nowhere (`test_trouble`), an administrator's own
clone of the template and tasks that fail in Proxmox's words (`test_real_proxmox`), `unexpected status` with both locks
left behind (`test_what_stands_there`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.core.model.ports import CloneOrder
from phoenix_worker.proxmox.api import ProxmoxApi
from tests.acceptance.faults import (
    LONG,
    Lost,
    Overtaken,
    listening_as_another,
    offline,
    orders_meet,
    refusing_connections,
    resetting_connections,
    with_privileges_taken_away,
    with_the_token_revoked,
    without_quorum,
)
from tests.acceptance.scenes import done, failure_of, notes, refused
from tests.support.node_typing import type_on_node
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from phoenix_producer import EnsureResult, Handle
    from phoenix_producer.contract import Failure
    from tests.support.product import Product

NO_LOCK_FILE = "can't lock file '/run/lock/lxc/pve-config-103.lock' - got timeout"
NO_SPACE = "clone failed: command 'rsync' failed: write failed on '/rootfs': No space left on device (28)"
TASKS = ("GET", f"/nodes/{NODE}/tasks")


@pytest.fixture
def sealed(product: Product) -> Product:
    """The product with a finished template 900 and clones of it in the catalog."""
    product.declare({900: template(), **{ctid: container(ctid) for ctid in range(101, 120)}})
    product.simulator.add_template(900)
    return product


@pytest.fixture
def impatient(sealed: Product) -> Product:
    """The same, with a worker that soon gives up."""
    sealed.start_worker(PHOENIX_PATIENCE="1")
    return sealed


def retrying(product: Product, handle: Handle[Any]) -> list[str]:
    """What a job was tried again for."""
    lines: Any = product.redis.xrange(f"phoenix:job:{handle.id}:log")
    return [line["detail"] for _, line in lines if line["kind"] == "retrying"]


def cloning(product: Product, ctid: int) -> str:
    """Wait until a CTID is being cloned and its task is watched; returns the UPID."""
    clones = product.simulator.intervals
    upid = wait_for(lambda: next((one.upid for one in clones("vzclone") if one.made == ctid), ""))
    wait_for(lambda: product.redis.zscore("phoenix:watch", f"upid/{upid}"))
    return upid


def looked_for(product: Product, upid: str) -> None:
    """Wait until somebody looked for the end of a task, and saw none."""
    dues: set[Any] = set()

    def looks() -> bool:
        dues.add(product.redis.zscore("phoenix:watch", f"upid/{upid}"))
        return len(dues) > 3  # due, under way, due again, under way

    wait_for(looks)


def forget_what_ends(product: Product, upid: str) -> None:
    """Let a task end in the moment in which it is forgotten. Runs on the simulator's loop."""
    product.simulator.pve.forget(upid)
    product.simulator.pve.hurry()


def clones_of(product: Product, ctid: int) -> int:
    return sum(one.made == ctid for one in product.simulator.intervals("vzclone"))


def no_lock_is_held(product: Product) -> bool:
    return not list(product.redis.scan_iter("phoenix:lock:*"))


@pytest.mark.parametrize(
    "trouble", [refusing_connections, resetting_connections, without_quorum, offline], ids=lambda one: one.__name__
)
def test_an_outage_is_waited_for_before_an_order_and_while_its_task_runs(
    sealed: Product, trouble: Callable[[Product], AbstractContextManager[None]]
) -> None:
    pve = sealed.simulator.pve
    pve.ct_secs["clone"] = LONG
    sealed.start_worker()
    with trouble(sealed):
        handle = sealed.producer.ensure(103)
        wait_for(lambda: retrying(sealed, handle))
    upid = cloning(sealed, 103)
    with trouble(sealed):
        looked_for(sealed, upid)
    sealed.simulator.do(pve.hurry)
    assert handle.wait(timeout=60).outcome == "created"
    assert clones_of(sealed, 103) == 1


def test_what_passes_by_itself_is_tried_again(sealed: Product) -> None:
    """No way through from pveproxy, at every kind of call; lock files as an answer and as a task's end; a backup."""
    pve, do = sealed.simulator.pve, sealed.simulator.do
    sealed.start_worker()
    do(pve.fail, "POST", "/900/clone", 503, "Service Unavailable", times=1)
    do(pve.fail, "GET", "/103/config", 595, "Connection refused", times=1)
    do(pve.fail, "PUT", "/103/config", 599, "Too many redirections", times=1)
    do(pve.fail, "POST", "/103/status/start", 596, "Broken pipe", times=1)
    for ctid, order in ((104, "/104/config"), (105, "/105/status/start")):
        do(pve.fail, "PUT" if ctid == 104 else "POST", order, 500, NO_LOCK_FILE, times=1)
    handles = {ctid: sealed.producer.ensure(ctid) for ctid in (103, 104, 105)}
    assert {handle.wait(timeout=60).outcome for handle in handles.values()} == {"created"}
    assert pve.failures == {}
    assert [clones_of(sealed, ctid) for ctid in handles] == [1, 1, 1]
    told = " ".join(why for handle in handles.values() for why in retrying(sealed, handle))
    for words in ("Service Unavailable", "Connection refused", "Too many redirections", "Broken pipe", "got timeout"):
        assert words in told

    sealed.ensure(106, state="stopped")
    do(pve.snapshot_lock, 106, "backup")
    pve.task_failures["vzstart"].append(NO_LOCK_FILE)
    handle = sealed.producer.ensure(106)

    def starts() -> int:
        return sum(one.guest == "106" for one in sealed.simulator.intervals("vzstart"))

    wait_for(lambda: starts() > 1)
    do(pve.unlock, 106)
    assert done(handle.wait(timeout=60)) == [("start", 106)]
    assert any("CT is locked (backup)" in why for why in retrying(sealed, handle))
    assert any("got timeout" in why for why in retrying(sealed, handle))


def test_an_order_without_an_answer_is_found_and_never_given_twice(product: Product) -> None:
    """What it began has ended when it is looked for (103 and its template), or still runs (104)."""
    product.declare({900: template(), 103: container(103), 104: container(104, None, template=OS_TEMPLATE)})
    pve = product.simulator.pve
    product.start_worker(PHOENIX_PROXMOX_TIMEOUT="1")
    for suffix in (f"/nodes/{NODE}/lxc", "/900/clone", "/103/status/start"):
        orders_meet(product, suffix, Lost())
    result = product.ensure(103)
    assert (result.outcome, result.templates_built) == ("created", (900,))

    pve.ct_secs |= {"create": LONG}
    pve.start_secs = LONG
    for suffix in (f"/nodes/{NODE}/lxc", "/104/status/start"):
        orders_meet(product, suffix, Lost())
    handle = product.producer.ensure(104)
    for _ in ("create", "start"):
        looks = product.calls().count(TASKS)
        wait_for(lambda: any(one.end is None for one in product.simulator.intervals()))
        wait_for(lambda looks=looks: product.calls().count(TASKS) > looks)  # type: ignore[misc]  # mypy: a default
        wait_for(lambda: product.redis.zcard("phoenix:watch"))
        product.simulator.do(pve.hurry)
    assert handle.wait(timeout=60).outcome == "created"
    begun = [(one.kind, one.made or one.guest) for one in product.simulator.intervals() if one.kind != "vztemplate"]
    assert begun == [
        ("vzcreate", 900), ("vzclone", 103), ("vzstart", "103"), ("vzcreate", 104), ("vzstart", "104"),
    ]  # fmt: skip


def test_an_order_that_is_carried_out_after_it_was_given_again_is_the_jobs_own(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.start_worker(PHOENIX_PROXMOX_TIMEOUT="1")
    for suffix in (f"/nodes/{NODE}/lxc", "/900/clone"):
        orders_meet(product, suffix, Overtaken(product))
    assert product.ensure(103).outcome == "created"
    orders = [path.rpartition("/")[2] for method, path in product.writes() if path.endswith(("/lxc", "/clone"))]
    assert orders == ["lxc", "lxc", "clone", "clone"]
    assert [one.made for one in product.simulator.intervals() if one.made] == [900, 103]


def ends(product: Product, ctid: int, trouble: AbstractContextManager[None]) -> tuple[Failure, EnsureResult]:
    """Let trouble begin while a clone runs, and stay until the job fails; send the request again when it is over."""
    handle = product.producer.ensure(ctid)
    cloning(product, ctid)
    with trouble:
        failure = failure_of(handle)
    wait_for(lambda: no_lock_is_held(product))
    again = product.producer.ensure(ctid)
    wait_for(lambda: product.simulator.do(product.simulator.pve.hurry) or again.done())
    return failure, again.wait(timeout=60)


def test_trouble_under_a_clone_that_does_not_pass_is_one_clear_error_and_the_clone_is_adopted_afterwards(
    impatient: Product, tmp_path: Path
) -> None:
    impatient.simulator.pve.ct_secs["clone"] = LONG
    (tmp_path / "other").mkdir()
    limit = "Still failing after 1 s (PHOENIX_PATIENCE)."
    cases = {
        101: (with_the_token_revoked(impatient), "proxmox-login", "authentication failure", "the API token"),
        102: (with_privileges_taken_away(impatient), "proxmox-permission", "VM.Audit", "/vms/102"),
        103: (listening_as_another(impatient, tmp_path / "other"), "tls", "certificate verify failed", "root-ca.pem"),
        104: (offline(impatient), "unreachable", limit, "pveproxy"),
        105: (refusing_connections(impatient), "unreachable", limit, "the network"),
    }
    for ctid, (trouble, cause, words, remedy) in cases.items():
        failure, result = ends(impatient, ctid, trouble)
        assert (failure.cause, failure.ctid) == (cause, ctid)
        assert words in failure.message
        assert remedy in failure.remedy
        assert done(result) == [("configure", ctid), ("start", ctid)], "the clone that ran is taken on, not made again"
        assert clones_of(impatient, ctid) == 1


def test_what_does_not_pass_ends_at_the_limit(impatient: Product) -> None:
    pve, do = impatient.simulator.pve, impatient.simulator.do
    impatient.ensure(101, state="stopped")
    do(pve.snapshot_lock, 101, "backup")
    do(pve.fail, "PUT", "/102/config", 500, NO_LOCK_FILE)
    do(pve.fail, "PUT", "/103/config", 500, "cluster not ready - no quorum?")
    told = {
        101: ("locked", "Unable to start CT 101 on pve1: CT is locked (backup)", "pct unlock"),
        102: ("lock-timeout", "Unable to configure CT 102 on pve1: can't lock file", "unless it persists"),
        103: ("no-quorum", "no quorum", "nodes of the cluster"),
    }
    handles = {ctid: impatient.producer.ensure(ctid) for ctid in told}
    remedies = {}
    for ctid, (cause, words, remedy) in told.items():
        failure = failure_of(handles[ctid])
        remedies[ctid] = failure.remedy
        assert (failure.cause, failure.ctid) == (cause, ctid)
        assert words in failure.message
        assert "Still failing after 1 s (PHOENIX_PATIENCE)." in failure.message
        assert remedy in failure.remedy
        assert retrying(impatient, handles[ctid])
    wait_for(lambda: no_lock_is_held(impatient))
    type_on_node(impatient.simulator, remedies[101])
    do(pve.failures.clear)
    assert done(impatient.ensure(101)) == [("start", 101)]
    assert done(impatient.ensure(102)) == [("configure", 102), ("start", 102)]


def test_a_storage_that_is_full_is_told_once_and_what_failed_is_made_anew(impatient: Product) -> None:
    impatient.simulator.pve.task_failures["vzclone"].append(NO_SPACE)
    failure = refused(impatient, 101)
    assert (failure.cause, failure.steps) == ("no-space", ())
    assert "No space left on device" in failure.message
    assert (impatient.status(101), clones_of(impatient, 101)) == ("absent", 1)
    wait_for(lambda: no_lock_is_held(impatient))
    assert done(impatient.ensure(101)) == [("clone", 101), ("configure", 101), ("start", 101)]


def test_a_task_that_proxmox_forgot_is_judged_by_what_it_made(impatient: Product) -> None:
    """101's and 104's clones end well unseen; 102's leaves it half-made; of 103 it is the start."""
    pve, do = impatient.simulator.pve, impatient.simulator.do
    pve.ct_secs["clone"] = LONG
    handle = impatient.producer.ensure(101)
    do(pve.forget, cloning(impatient, 101))
    wait_for(lambda: any("half-made" in why for why in retrying(impatient, handle)))
    do(pve.hurry)
    assert handle.wait(timeout=60).outcome == "created"
    assert clones_of(impatient, 101) == 1

    order = CloneOrder(NODE, 900, 104, "ct104", notes(104, stage="made"), full=True, storage="local-lvm")
    upid = ProxmoxApi(impatient.simulator.access).clone(order)
    handle = impatient.producer.ensure(104)
    cloning(impatient, 104)
    do(forget_what_ends, impatient, upid)
    assert done(handle.wait(timeout=60)) == [("configure", 104), ("start", 104)]
    assert clones_of(impatient, 104) == 1

    handle = impatient.producer.ensure(102)
    upid = cloning(impatient, 102)
    do(pve.kill_worker, upid)
    do(pve.forget, upid)
    failure = failure_of(handle)
    assert failure.cause == "half-made"
    assert "`pct destroy 102 --destroy-unreferenced-disks 1`" in failure.remedy
    assert impatient.config(102)["lock"] == "create", "nothing was removed for want of evidence"
    wait_for(lambda: no_lock_is_held(impatient))
    do(pve.unlock, 900)

    pve.ct_secs["clone"], pve.start_secs = 0.05, LONG
    handle = impatient.producer.ensure(103)
    starts = impatient.simulator.intervals
    do(pve.forget, wait_for(lambda: next((one.upid for one in starts("vzstart") if one.guest == "103"), "")))
    failure = failure_of(handle)
    assert (failure.cause, [step.name for step in failure.steps]) == ("task-forgotten", ["clone", "configure"])
    assert "Send the request again" in failure.remedy
    do(pve.hurry)
    wait_for(lambda: impatient.status(103) == "running")
    assert impatient.ensure(103).outcome == "unchanged"
