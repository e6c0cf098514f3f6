"""As `test_ends`, where more than a container is concerned: copies, a choice of nodes, root, firewall, pool, HA."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import EnsureFailed
from tests.acceptance.scenes import notes
from tests.acceptance.test_ends import (
    OTHER,
    ROOT,
    SETTINGS,
    adopting,
    destroying,
    ensured,
    ensuring,
    nothing,
    rebuilding,
    site,
    stopped,
    theirs,
    unless_by_the_limit,
    unless_it_succeeds,
)
from tests.acceptance.test_ends_undone import FETCHED, MOVED, OF_ROOT, WALLED, cloned, copy_of, to_be_moved
from tests.acceptance.test_what_stands_there import upid_making
from tests.acceptance.troubles import AWAY, BUSY, LONG, Always, Site
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.pve_corners import BTRFS
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_producer import Handle

__all__ = ["site"]

POOL = "agents"
LEFT = "/content/local-btrfs:{ctid}/vm-{ctid}-disk-0.raw"


@dataclass(frozen=True)
class Row:
    """A request, and what meets trouble: calls, by method and the end of their path; and kinds of tasks."""

    calls: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    entry: dict[str, Any] = field(default_factory=dict)
    before: Callable[[Site, int], None] = nothing
    ask: Callable[[Site, int], Handle[Any]] = ensuring
    is_template: bool = False
    node: Callable[[Site, int], None] = nothing
    """What the node's shell meets."""

    def trouble(self, site: Site, ctid: int, times: int | None) -> None:
        """Have each of them fail: always, or so many times."""
        for call in self.calls:
            method, end = call.split(" ")
            what = AWAY if method == "GET" else (500, BUSY)
            site.do(site.pve.fail, method, end.format(ctid=ctid), *what, times=times)
        for kind in self.tasks:
            site.do(site.pve.task_failures.__setitem__, kind, Always([BUSY]) if times is None else [BUSY] * times)
        if times is None:
            self.node(site, ctid)


def running_theirs(site: Site, ctid: int) -> None:
    theirs(site, ctid)
    site.do(setattr, site.pve.ct(ctid), "status", "running")


def locked_for_root(site: Site, _: int) -> None:
    """Have each change by `pct set` meet a lock."""
    says = type(site.node)._pct_says

    def say(argv: list[str]) -> dict[str, Any]:
        return {"code": 255, "say": BUSY} if argv[0] == "set" else says(site.node, argv)

    vars(site.node)["_pct_says"] = say


def leaving_a_disk(site: Site, ctid: int) -> Handle[Any]:
    """Have the Proxmox worker die that makes it, and leave a disk; unless one is left already."""
    if ctid in site.pve.left_disks:
        return site.product.producer.ensure(ctid)
    site.do(site.pve.ct_secs.update, {"clone": LONG})
    handle = site.product.producer.ensure(ctid)
    site.do(site.pve.cut_off, upid_making(site.product, ctid))
    site.do(site.pve.ct_secs.update, {"clone": 0.05})
    return handle


def in_no_pool(site: Site, ctid: int) -> None:
    site.product.ensure(ctid)
    site.do(site.pve._pool_leave, ctid)


ANY: dict[str, Any] = {"node": [NODE, "pve9"]}
LEFT_DISK: dict[str, Any] = {"storage_pool": "local-btrfs"}
ROWS = {
    "the node's choice": Row(("GET /cluster/resources",), (), ANY),
    "the creation of a copy": Row(("POST /nodes/pve2/lxc",), ("vzcreate",), cloned(902, node=OTHER)),
    "the conversion of a copy": Row((f"POST /{min(copy_of(903))}/template",), (), cloned(903, node=OTHER)),
    "the clone of a copy": Row((f"POST /{min(copy_of(905))}/clone",), ("vzclone",), cloned(905, node=OTHER)),
    "the migration of a copy": Row(
        (f"POST /{MOVED}/clone", f"POST /{min(copy_of(MOVED))}/migrate"),
        ("vzclone", "vzmigrate"),
        cloned(MOVED, node=OTHER),
        to_be_moved,
    ),
    "what was placed": Row(("POST /900/clone",), ("vzclone",), ANY),
    "what root sets": Row((), (), OF_ROOT, node=locked_for_root),
    "the firewall's rules": Row(("POST /{ctid}/firewall/rules",), (), WALLED),
    "the firewall's options": Row(("PUT /{ctid}/firewall/options",), (), WALLED),
    "a look at the firewall": Row(("GET /{ctid}/firewall/options",), (), WALLED, ensured),
    "the pool": Row(("PUT /pools",), (), {"pool": POOL}, in_no_pool),
    "HA": Row(("POST /cluster/ha/resources",), (), {"ha": True}),
    "a left disk": Row((f"DELETE {LEFT}",), ("imgdel",), LEFT_DISK, nothing, leaving_a_disk),
    "a removal's look for clones": Row(("GET /local-lvm/content",), (), ROOT, ensured, destroying, is_template=True),
    "a removal's quorum": Row(("GET /cluster/status",), (), {}, stopped, destroying),
    "a rebuild's scratch": Row(("GET /cluster/status",), (), ROOT, ensured, rebuilding, is_template=True),
    "an adoption's stop": Row(
        ("POST /{ctid}/status/shutdown",), ("vzshutdown",), ROOT, running_theirs, adopting, is_template=True
    ),
    "a plan": Row(("GET /{ctid}/config",), (), {}, ensured, lambda site, ctid: site.product.producer.plan(ctid)),
}


def declared(site: Site) -> dict[str, int]:
    """Declare what the rows are about; returns their CTIDs."""
    product, ctids = site.product, dict(zip(ROWS, range(101, 200), strict=False))
    makers = {ctids[name]: template if row.is_template else container for name, row in ROWS.items()}
    entries = {ctid: makers[ctid](ctid) | ROWS[name].entry for name, ctid in ctids.items()}
    templates = {ctid: template(ctid) for ctid in range(900, 910)}
    templates[MOVED]["template"] = f"local:{FETCHED}"
    product.declare(templates | entries)
    product.simulator.add_template(900, description=notes(900, "template"))
    site.do(site.pve.storages.__setitem__, "local-btrfs", {**BTRFS, "files": set()})
    site.do(site.pve.pools.__setitem__, POOL, set())
    return ctids


def nothing_left(site: Site) -> None:
    wait_for(lambda: not list(site.product.redis.scan_iter("phoenix:lock:*")))
    assert not site.product.redis.exists("phoenix:reservations")


def how_it_ends(site: Site, ctid: int, row: Row) -> str:
    """Return what is wrong with how a request ends under trouble, and after it; nothing if it ends as it should."""
    row.before(site, ctid)
    row.trouble(site, ctid, None)
    try:
        wrong = unless_by_the_limit(row.ask(site, ctid))
    finally:
        site.heal()
    if not wrong:
        nothing_left(site)
    return wrong or unless_it_succeeds(row.ask(site, ctid))


@pytest.mark.long
def test_no_request_is_tried_for_ever_elsewhere_either(site: Site) -> None:
    ctids = declared(site)
    site.product.start_worker(PHOENIX_PATIENCE="1", **SETTINGS, **site.node.environ())
    wrong = {name: why for name, row in ROWS.items() if (why := how_it_ends(site, ctids[name], row))}
    assert wrong == {}


@pytest.mark.long
def test_trouble_that_passes_ends_no_request_elsewhere_either(site: Site) -> None:
    """Each of it once is together more than the patience."""
    ctids, wrong = declared(site), {}
    site.product.start_worker(PHOENIX_PATIENCE="0.2", **SETTINGS, **site.node.environ())
    for name, row in ROWS.items():
        if row.ask is leaving_a_disk:
            continue  # a template that stays locked for longer than the patience is part of it
        row.before(site, ctids[name])
        row.trouble(site, ctids[name], 1)
        try:
            row.ask(site, ctids[name]).wait(timeout=60)
        except (EnsureFailed, TimeoutError) as error:
            wrong[name] = str(error)
        left = [*site.pve.failures, *(kind for kind in row.tasks if site.pve.task_failures[kind])]
        if left:
            wrong[name] = wrong.get(name, "") + f" not met: {left}"
        site.heal()
        nothing_left(site)
    assert wrong == {}
