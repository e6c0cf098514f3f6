"""An order that Proxmox accepts and that has no effect, or none that stays, ends its request; done again, it holds."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import EnsureFailed
from phoenix_worker.core.planned.copies import numbers
from tests.acceptance.scenes import notes
from tests.acceptance.test_copies import CTIDS
from tests.acceptance.test_ends import (
    DEBIAN,
    GROWN,
    HEALTHY,
    KEPT,
    LIMIT,
    OTHER,
    ROOT,
    SETTINGS,
    Row,
    adopting,
    destroying,
    ensured,
    migrating,
    rebuilding,
    site,
    stopped,
    stopping,
    theirs,
)
from tests.acceptance.test_firewall import SSH, WEB, walled
from tests.acceptance.undone import deaf_root, heal, undone, unheard
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import Handle
    from tests.acceptance.troubles import Site

__all__ = ["site"]

LONGEST = 240.0
"""Seconds: for a stop that Proxmox says has succeeded is waited for 180."""
FETCHED = "vztmpl/fetched.tar.zst"
OF_ROOT: dict[str, Any] = {"pct_options": ["keyctl=1"], "lxc_options": ["lxc.autodev=1"]}
WALLED: dict[str, Any] = {"firewall": walled(WEB, SSH)}


def to_be_moved(site: Site, _: int) -> None:
    """Its template stands, and the OS template that a copy would be created from is nowhere any more."""
    volumes = site.pve.storages["local"]["volumes"]
    site.do(volumes.__setitem__, FETCHED, {"content": "vztmpl", "format": "tzst", "size": 1})
    site.product.ensure(MOVED)
    site.do(volumes.pop, FETCHED)


def cloned(template: int, **more: Any) -> dict[str, Any]:
    return {"clone_from_ctid": str(template), **more}


def copy_of(template: int) -> set[int]:
    return {next(iter(numbers(template, OTHER, CTIDS)))}


MOVED = 904
OWN_TEMPLATES = range(902, 909)
CLONED = {
    "the conversion of its template": Row(undone("vztemplate", {902}, seen=1), cloned(902)),
    "the creation of its template": Row(undone("vzcreate", {905}, seen=4), cloned(905)),
    "the conversion of a copy": Row(undone("vztemplate", copy_of(903), seen=1), cloned(903, node=OTHER)),
    "the migration of copies": Row(undone("vzmigrate", CTIDS, seen=3), cloned(MOVED, node=OTHER), to_be_moved),
}
"""Clones of what was built well, and is none any more when it is cloned: their requests end by the patience."""
ONCE = {
    "the conversion of its template": Row(undone("vztemplate", {906}, seen=1, times=1), cloned(906)),
    "the conversion of a copy": Row(undone("vztemplate", copy_of(907), seen=1, times=1), cloned(907, node=OTHER)),
    "the creation of its template": Row(undone("vzcreate", {908}, seen=4, times=1), cloned(908)),
}
OWN = {
    "a clone": Row(undone("vzclone")),
    "a clone that vanishes": Row(undone("vzclone", seen=1)),
    "a creation": Row(undone("vzcreate"), is_template=True),
    "a creation that vanishes": Row(undone("vzcreate", seen=1), is_template=True),
    "a download": Row(undone("download"), {"template": f"local:vztmpl/{DEBIAN}"}, is_template=True),
    "a conversion": Row(undone("vztemplate"), ROOT, is_template=True),
    "a conversion that is undone": Row(undone("vztemplate", seen=1), ROOT, is_template=True),
    "a configuration": Row(unheard("PUT", "/{ctid}/config")),
    "a growth": Row(undone("resize"), GROWN),
    "a start": Row(undone("vzstart")),
    "a start that does not last": Row(undone("vzstart", seen=1)),
    "a start of what is to be well": Row(undone("vzstart", seen=1), HEALTHY),
    "a stop": Row(undone("vzshutdown"), {}, ensured, stopping),
    "a stop that does not last": Row(undone("vzshutdown", seen=1), {}, ensured, stopping),
    "a snapshot": Row(undone("vzsnapshot"), KEPT),
    "a removal": Row(undone("vzdestroy"), {}, stopped, destroying),
    "a removal that is undone": Row(undone("vzdestroy", seen=1), {}, stopped, destroying),
    "a migration": Row(undone("vzmigrate"), {}, stopped, migrating),
    "a migration that goes back": Row(undone("vzmigrate", seen=1), {}, stopped, migrating),
    "rules of a firewall": Row(unheard("POST", "/{ctid}/firewall/rules"), WALLED),
    "options of a firewall": Row(unheard("PUT", "/{ctid}/firewall/options"), WALLED),
    "what root sets": Row(deaf_root, OF_ROOT),
    "a mark": Row(unheard("PUT", "/{ctid}/config"), ROOT, theirs, adopting, is_template=True),
    "a deletion of snapshots": Row(undone("vzdelsnapshot"), ROOT, theirs, adopting, is_template=True),
    "a rebuild's removal": Row(undone("vzdestroy"), ROOT, ensured, rebuilding, is_template=True),
    "a rebuild's conversion": Row(undone("vztemplate", seen=1), ROOT, ensured, rebuilding, is_template=True),
}
"""Ends in whatever way: a task that Proxmox calls a success is believed, where nothing comes after it that looks."""
ROWS = {
    **{f"{name}, each time": row for name, row in CLONED.items()},
    **{f"{name}, once": row for name, row in ONCE.items()},
    **OWN,
}


def end_of(handle: Handle[Any], timeout: float) -> str:
    """Wait for a request, and tell how it ended."""
    try:
        handle.wait(timeout=timeout)
    except EnsureFailed as failed:
        return failed.failure.message
    except TimeoutError as endless:
        return f"it did not end: {endless}"
    return "it succeeded"


@pytest.mark.long
def test_what_proxmox_accepts_and_does_not_do_ends_its_request(site: Site) -> None:
    product, ctids = site.product, dict(zip(ROWS, range(101, 200), strict=False))
    makers = {ctids[name]: template if row.is_template else container for name, row in ROWS.items()}
    entries = {ctid: makers[ctid](ctid) | ROWS[name].entry for name, ctid in ctids.items()}
    templates = {ctid: template(ctid) for ctid in (900, *OWN_TEMPLATES)}
    templates[MOVED]["template"] = f"local:{FETCHED}"
    product.declare(templates | entries)
    product.simulator.add_template(900, description=notes(900, "template"))
    product.start_worker(PHOENIX_PATIENCE="1", **SETTINGS, **site.node.environ())
    for name, row in ROWS.items():
        row.before(site, ctids[name])
    for name, row in ROWS.items():
        row.trouble(site, ctids[name])
    handles = {name: row.ask(site, ctids[name]) for name, row in ROWS.items()}
    began = time.monotonic()
    ends = {name: end_of(handle, began + LONGEST - time.monotonic()) for name, handle in handles.items()}
    heal(site)
    assert [name for name, end in ends.items() if "did not end" in end] == []
    told = {name: end for name, end in ends.items() if name.endswith(", each time")}
    assert [name for name, end in told.items() if LIMIT not in end] == []
    once = {name: end for name, end in ends.items() if name.endswith(", once")}
    assert once == dict.fromkeys(once, "it succeeded")
    wait_for(lambda: not list(product.redis.scan_iter("phoenix:lock:*")))
    assert not product.redis.exists("phoenix:reservations")
    again = {name: end_of(row.ask(site, ctids[name]), 60) for name, row in ROWS.items()}
    assert {name: end for name, end in again.items() if end != "it succeeded"} == {}
