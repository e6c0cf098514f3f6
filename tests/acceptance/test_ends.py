"""Trouble that does not pass ends each request at PHOENIX_PATIENCE, wherever it is met; trouble that passes ends none.

A step that Proxmox accepts and whose task fails each time is the hard case: each run of it does something.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import EnsureFailed
from phoenix_worker.proxmox.api import ProxmoxApi
from tests.acceptance.scenes import before, done, notes, stand
from tests.acceptance.test_scripts import write_scripts
from tests.acceptance.test_what_stands_there import clone_order
from tests.acceptance.troubles import AWAY, BUSY, LONG, Site, dying, failing, gone, no_shell, strange, tasks, unread
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.root_node import RootNode
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from phoenix_producer import Handle
    from tests.support.product import Product

OTHER = "pve2"
ALPINE, DEBIAN = (f"{name}_20250617_amd64.tar.xz" for name in ("alpine-3.22-default", "debian-12-standard"))
LIMIT = "(PHOENIX_PATIENCE)"
SETTINGS = {"PHOENIX_COPY_CTIDS": "9100-9199", "PHOENIX_SCRATCH_CTIDS": "9000-9099"}


def nothing(_site: Site, _ctid: int) -> None:
    """Nothing stands there before."""


def ensured(site: Site, ctid: int) -> None:
    site.product.ensure(ctid)


def stopped(site: Site, ctid: int) -> None:
    site.product.ensure(ctid, state="stopped")


def theirs(site: Site, ctid: int) -> None:
    stand(site.product, ctid)
    site.do(site.pve.ct(ctid).snapshots.__setitem__, "old", {"snaptime": 1})


def half_made(site: Site, ctid: int) -> None:
    """What a dead worker left on a node that nobody has asked for its storages yet."""
    stand(site.product, ctid, node=OTHER, description=notes(ctid, stage="made"), lock="create")


def being_cloned(site: Site, ctid: int) -> None:
    """By an order of ours that Redis has lost."""
    site.do(site.pve.ct_secs.update, {"clone": LONG})
    order = clone_order(ctid, 900, notes(ctid, stage="made"))
    upid = ProxmoxApi(site.product.simulator.access).clone(order)
    wait_for(lambda: site.pve.has_begun(upid))


def undrained(site: Site, _: int) -> None:
    site.product.producer.undrain(OTHER).wait(timeout=60)


def ensuring(site: Site, ctid: int) -> Handle[Any]:
    return site.product.producer.ensure(ctid)


def stopping(site: Site, ctid: int) -> Handle[Any]:
    return site.product.producer.ensure(ctid, state="stopped")


def destroying(site: Site, ctid: int) -> Handle[Any]:
    return site.product.producer.destroy(ctid)


def migrating(site: Site, ctid: int) -> Handle[Any]:
    return site.product.producer.migrate(ctid, to=OTHER)


def rebuilding(site: Site, ctid: int) -> Handle[Any]:
    return site.product.producer.rebuild(ctid)


def adopting(site: Site, ctid: int) -> Handle[Any]:
    return site.product.producer.adopt(ctid, seal=True)


@dataclass(frozen=True)
class Row:
    """One place at which a request meets trouble."""

    trouble: Any
    entry: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Site, int], None] = nothing
    ask: Callable[[Site, int], Handle[Any]] = ensuring
    is_template: bool = False


GROWN: dict[str, Any] = {"storage_size_gb": 16}
KEPT: dict[str, Any] = {"enable_lifecycle_snapshots": True, "features": ["setup"]}
HEALTHY: dict[str, Any] = {"health_check": {"command": "true"}}
ROOT: dict[str, Any] = {"is_template": True}
ROWS = {
    "the look": Row(unread("/{ctid}/config")),
    "the clone's order": Row(failing("POST", "/900/clone")),
    "the clone's task": Row(tasks("vzclone")),
    "the clone's worker": Row(dying("vzclone")),
    "the clone's end": Row(unread("/status")),
    "a task in a state of its own": Row(strange("vzclone")),
    "a template that only the clone does not find": Row(
        failing("POST", "/900/clone", 500, f"Configuration file 'nodes/{NODE}/lxc/900.conf' does not exist")
    ),
    "what a dead worker left, and then its node": Row(
        unread(f"/nodes/{OTHER}/network"),
        {"node": OTHER, "clone_from_ctid": "901"},
        half_made,
    ),
    "a task that is listed as running, and is gone": Row(gone("vzclone"), {}, being_cloned),
    "the configuration": Row(failing("PUT", "/{ctid}/config")),
    "the growth's order": Row(failing("PUT", "/{ctid}/resize"), GROWN),
    "the growth's task": Row(tasks("resize"), GROWN),
    "the start's order": Row(failing("POST", "/{ctid}/status/start")),
    "the start's task": Row(tasks("vzstart")),
    "the snapshot's order": Row(failing("POST", "/{ctid}/snapshot"), KEPT),
    "the snapshot's task": Row(tasks("vzsnapshot"), KEPT),
    "a script": Row(no_shell, {"features": ["setup"]}),
    "the mark of a health check": Row(
        lambda site, ctid: before(
            site.product,
            "POST",
            f"/{ctid}/status/start",
            lambda: site.pve.fail("PUT", f"/{ctid}/config", 500, BUSY),
        ),
        HEALTHY,
    ),
    "the start of what is to be well": Row(failing("POST", "/{ctid}/status/start"), HEALTHY, stopped),
    "the stop's order": Row(failing("POST", "/{ctid}/status/shutdown"), {}, ensured, stopping),
    "the stop's task": Row(tasks("vzshutdown"), {}, ensured, stopping),
    "OS templates": Row(unread("/local/content"), is_template=True),
    "the download's order": Row(failing("POST", "/aplinfo"), {"template": f"local:vztmpl/{ALPINE}"}, is_template=True),
    "the download's task": Row(tasks("download"), {"template": f"local:vztmpl/{DEBIAN}"}, is_template=True),
    "the creation's order": Row(failing("POST", f"/nodes/{NODE}/lxc"), is_template=True),
    "the creation's task": Row(tasks("vzcreate"), is_template=True),
    "the quorum": Row(unread("/cluster/status"), ROOT, is_template=True),
    "the conversion's order": Row(failing("POST", "/{ctid}/template"), ROOT, is_template=True),
    "the conversion's task": Row(tasks("vztemplate"), ROOT, is_template=True),
    "the removal's look": Row(unread("/{ctid}/config"), {}, stopped, destroying),
    "the removal's order": Row(failing("DELETE", "/lxc/{ctid}"), {}, stopped, destroying),
    "the removal's task": Row(tasks("vzdestroy"), {}, stopped, destroying),
    "the stop before the removal": Row(tasks("vzshutdown"), {}, ensured, destroying),
    "the migration's order": Row(failing("POST", "/{ctid}/migrate"), {}, stopped, migrating),
    "the migration's task": Row(tasks("vzmigrate"), {}, stopped, migrating),
    "a rebuild's creation": Row(tasks("vzcreate"), ROOT, ensured, rebuilding, is_template=True),
    "a rebuild's removal": Row(tasks("vzdestroy"), ROOT, ensured, rebuilding, is_template=True),
    "a rebuild's clone": Row(tasks("vzclone"), ROOT, ensured, rebuilding, is_template=True),
    "a rebuild's conversion": Row(failing("POST", "/{ctid}/template"), ROOT, ensured, rebuilding, is_template=True),
    "an adoption's mark": Row(failing("PUT", "/{ctid}/config"), ROOT, theirs, adopting, is_template=True),
    "an adoption's snapshots": Row(failing("DELETE", "/{ctid}/snapshot/old"), ROOT, theirs, adopting, is_template=True),
    "the task of an adoption's snapshots": Row(tasks("vzdelsnapshot"), ROOT, theirs, adopting, is_template=True),
    "the list of nodes": Row(unread("/cluster/resources"), ask=lambda site, _: site.product.producer.nodes()),
    "a drain": Row(unread("/cluster/resources"), ask=lambda site, _: site.product.producer.drain(OTHER)),
    "an undrain": Row(
        unread("/cluster/resources"),
        before=undrained,
        ask=lambda site, _: site.product.producer.undrain(OTHER),
    ),
    "a plan": Row(unread("/{ctid}/config"), ask=lambda site, ctid: site.product.producer.plan(ctid)),
}


@pytest.fixture
def site(product: Product, tmp_path: Path) -> Iterator[Site]:
    with RootNode(tmp_path / "node", product.simulator) as node:
        node.door = None
        site = Site(product, node)
        site.do(site.pve.nodes.setdefault, OTHER, {"online": True})
        site.do(site.pve.appliances.extend, [ALPINE, DEBIAN])
        write_scripts(product, setup="#!/bin/sh\necho set up >done\n")
        yield site


def how_it_ends(site: Site, ctid: int, row: Row) -> str:
    """Return what is wrong with how a request ends under trouble, and after it; nothing if it ends as it should."""
    row.before(site, ctid)
    each_time = row.trouble(site, ctid)
    handle = row.ask(site, ctid)
    try:
        if callable(each_time):
            wait_for(lambda: each_time() or handle.done())
        wrong = unless_by_the_limit(handle)
    finally:
        site.heal()
    if not wrong:
        wait_for(lambda: not list(site.product.redis.scan_iter("phoenix:lock:*")))
    return wrong or unless_it_succeeds(row.ask(site, ctid))


def unless_by_the_limit(handle: Handle[Any]) -> str:
    """Return what is wrong with the end of a request that is to fail by the patience; nothing if it does."""
    try:
        handle.wait(timeout=60)
    except EnsureFailed as failed:
        return "" if LIMIT in failed.failure.message else f"told {failed.failure}"
    except TimeoutError as endless:
        return f"it did not end: {endless}"
    return "it succeeded"


def unless_it_succeeds(handle: Handle[Any]) -> str:
    """Return how a request failed that was sent again when the trouble was over; nothing if it did not."""
    try:
        handle.wait(timeout=60)
    except EnsureFailed as failed:
        return f"afterwards {failed.failure}"
    return ""


@pytest.mark.long
def test_no_request_is_tried_for_ever_whatever_does_not_pass(site: Site) -> None:
    ctids = dict(zip(ROWS, range(101, 200), strict=False))
    makers = {ctids[name]: template if row.is_template else container for name, row in ROWS.items()}
    entries = {ctid: makers[ctid](ctid) | ROWS[name].entry for name, ctid in ctids.items()}
    site.product.declare({900: template(), 901: template(901, node=OTHER), **entries})
    site.product.simulator.add_template(900, description=notes(900, "template"))
    addresses = ",".join(f"{node}=127.0.0.1:{site.node.port}" for node in (NODE, OTHER))
    site.product.start_worker(PHOENIX_PATIENCE="1", **SETTINGS, **site.node.environ(PHOENIX_SHELL_ADDRESSES=addresses))
    wrong = {name: why for name, row in ROWS.items() if (why := how_it_ends(site, ctids[name], row))}
    assert wrong == {}


@pytest.mark.long
def test_trouble_that_passes_ends_no_request_however_much_of_it_there_is(site: Site) -> None:
    """One failure at each step, by order and in its task: a second one of the same would be more than the patience."""
    pve = site.pve
    site.product.declare({900: template(**ROOT, **KEPT), 103: container(103, **GROWN, **KEPT), 104: container(104)})
    site.product.start_worker(PHOENIX_PATIENCE="0.2", **SETTINGS, **site.node.environ())
    for method, end in (
        ("POST", f"/nodes/{NODE}/lxc"),
        ("GET", "/local/content"),
        ("POST", "/900/status/start"),
        ("POST", "/900/status/shutdown"),
        ("POST", "/900/template"),
        ("POST", "/900/clone"),
        ("PUT", "/103/config"),
        ("PUT", "/103/resize"),
        ("POST", "/103/status/start"),
        ("POST", "/103/snapshot"),
    ):
        site.do(pve.fail, method, end, 500, BUSY, times=1)
    kinds = ("vzcreate", "vzstart", "vzsnapshot", "vzshutdown", "vztemplate", "vzclone", "resize")
    for kind in kinds:
        site.do(pve.task_failures[kind].append, BUSY)
    result = site.product.ensure(103)
    assert (result.outcome, result.templates_built) == ("created", (900,))
    assert pve.failures == {}
    assert not any(pve.task_failures[kind] for kind in kinds)

    # A start that was ordered again, and succeeded, is behind: the look that follows has trouble of its own.
    stopped(site, 104)
    site.do(pve.task_failures["vzstart"].append, BUSY)
    before(
        site.product,
        "POST",
        "/104/status/start",
        lambda: pve.fail("GET", "/104/status/current", *AWAY, times=1),
        asked=2,
    )
    assert done(site.product.ensure(104)) == [("start", 104)]
    assert pve.failures == {}
