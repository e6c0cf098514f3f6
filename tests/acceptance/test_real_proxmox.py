"""The lines of `proxmox.md` that a simulator would let pass: what a real node answers, and what is made of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.model.ports import CloneOrder
from phoenix_worker.proxmox.api import ProxmoxApi
from tests.acceptance.scenes import before, done, failure_of, net0, refused, stand, writes_to
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE, SaidIn
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product


def test_what_fails_on_the_way_is_told_in_proxmoxs_words_and_the_next_ensure_goes_on(product: Product) -> None:
    own = {ctid: container(ctid, None, template=OS_TEMPLATE) for ctid in (101, 104)}
    product.declare({900: template(), 103: container(103, health_check={"command": "true"}), **own})
    fails = product.simulator.pve.task_failures
    fails["vztemplate"].append("unable to create base volume: no such thin pool")
    product.start_worker()

    failure = refused(product, 103, accept_not_applied=True)
    assert failure.message.startswith("Unable to convert CT 900 on pve1 to a template: unable to create base volume")
    assert "no such thin pool" in failure.message
    assert [(step.name, step.ctid) for step in failure.steps] == [("create", 900)]
    assert (failure.ctid, failure.node) == (103, NODE)

    fails["vzstart"].append("startup for container '103' failed")
    failure = refused(product, 103, accept_not_applied=True)
    assert "Unable to start CT 103 on pve1: startup for container '103' failed" in failure.message
    assert failure.templates_built == (900,)
    assert [(step.name, step.ctid) for step in failure.steps] == [("seal", 900), ("clone", 103), ("configure", 103)]
    assert [line.partition(":")[0] for line in failure.not_applied] == ["health_check"]
    assert done(product.ensure(103, accept_not_applied=True)) == [("start", 103)]

    fails["vzcreate"].append("unable to create CT 104 - exit code 2")
    failure = refused(product, 104)
    assert "exit code 2" in failure.message
    assert product.status(104) == "absent"
    assert done(product.ensure(104)) == [("create", 104), ("start", 104)]

    fails["vzstart"].append("can't lock file '/run/lock/lxc/pve-config-101.lock' - got timeout")
    fails["vzcreate"].append("can't lock file '/run/lock/lxc/pve-config-101.lock' - got timeout")
    assert done(product.ensure(101)) == [("create", 101), ("start", 101)], "what passes by itself is tried again"
    assert fails["vzstart"] == fails["vzcreate"] == []


def test_a_conversion_that_fails_for_a_passing_reason_is_asked_for_again(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.simulator.pve.task_failures["vztemplate"].append("can't lock file '/run/lock' - got timeout")
    product.start_worker()
    assert product.ensure(103).templates_built == (900,)
    assert len(product.simulator.intervals("vztemplate")) == 2


def test_warnings_are_success_and_privileges_are_always_stated_and_stale_lists_believed_in_nothing(
    product: Product,
) -> None:
    rooted = container(102, None, template=OS_TEMPLATE, unprivileged=False)
    product.declare({900: template(), 102: rooted, 103: container(103)})
    pve = product.simulator.pve
    pve.warnings |= {"vzcreate", "vzclone", "vzstart"}
    pve.stale_rows.append(
        {"id": "lxc/103", "type": "lxc", "node": NODE, "vmid": 103, "name": "gone", "status": "running"}
    )
    product.start_worker()
    made = [product.ensure(ctid) for ctid in (102, 103)]
    assert [result.outcome for result in made] == ["created", "created"]
    odd = "something is odd about this"
    assert made[1].warnings == (
        f"Proxmox warned when asked to create CT 900 on {NODE} from {OS_TEMPLATE}: {odd} vzcreate",
        f"Proxmox warned when asked to clone template 900 to CT 103 on {NODE}: {odd} vzclone",
        f"Proxmox warned when asked to start CT 103 on {NODE}: {odd} vzstart",
    )
    assert {int(order["vmid"]): int(order["unprivileged"]) for order in pve.creates} == {102: 0, 900: 1}
    product.simulator.do(pve.refresh_resources)
    pve.warnings |= {"vzshutdown", "vzdestroy"}
    stopped = product.ensure(103, state="stopped")
    assert stopped.warnings == (f"Proxmox warned when asked to stop CT 103 on {NODE}: {odd} vzshutdown",)
    assert done(product.ensure(103)) == [("start", 103)], "the list still says that it runs"
    destroyed = product.producer.destroy(103).wait(timeout=60)
    assert [line.rpartition(" ")[2] for line in destroyed.warnings] == ["vzshutdown", "vzdestroy"]


@pytest.mark.parametrize("said_in", [SaidIn.REASON, SaidIn.MESSAGE])
def test_what_an_administrator_does_meanwhile(product: Product, said_in: SaidIn) -> None:
    """The words are where old Proxmox versions, or proxies, put them."""
    product.declare({900: template(), 103: container(103), 104: container(104)})
    product.simulator.add_template(900)
    pve = product.simulator.pve
    product.simulator.set(pve, said_in=said_in)
    pve.ct_secs["clone"] = 60.0
    ProxmoxApi(product.simulator.access).clone(CloneOrder(NODE, 900, 555, "mine", "", full=True, storage="local-lvm"))
    by_hand = product.simulator.intervals("vzclone")[0]
    product.start_worker()
    handle = product.producer.ensure(104)
    wait_for(lambda: ("POST", f"/nodes/{NODE}/lxc/900/clone") in product.writes()[1:])
    pve.ct_secs["clone"] = 0.05
    product.simulator.do(pve.abort, by_hand.upid)
    assert handle.wait(timeout=60).outcome == "created", "CT is locked (disk): waited for"

    theirs = {"hostname": "theirs", "net0": net0()}
    add = {"node": NODE, "config": theirs}
    before(product, "POST", "/900/clone", lambda: pve.add_ct(103, **add))
    failure = refused(product, 103)
    assert failure.cause == "not-ours", "already exists is not success"
    assert "CT 103 on pve1 is a stopped container named 'theirs'" in failure.message
    assert writes_to(product, 103) == []
    assert theirs.items() <= product.config(103).items()


def test_linked_clones_where_there_are_none(product: Product) -> None:
    product.declare({900: template(storage_pool="local-dir"), 103: container(103, clone="linked")})
    product.simulator.add_template(900, storage="local-dir")
    product.start_worker()
    failure = refused(product, 103)
    assert failure.cause == "linked-clone-unavailable"
    assert "its template 900 lies on local-dir" in failure.message
    assert '"clone": "full"' in failure.remedy
    assert product.status(103) == "absent"


def test_os_templates_are_downloaded_when_proxmox_knows_them(product: Product) -> None:
    alpine, unknown = "local:vztmpl/alpine-3.22-default_20250617_amd64.tar.xz", "local:vztmpl/homemade.tar.zst"
    stored = [container(ctid, None, template=alpine) for ctid in (103, 104)]
    product.declare({103: stored[0], 104: stored[1], 105: container(105, None, template=unknown)})
    product.simulator.pve.appliances.append(alpine.rpartition("/")[2])
    product.start_worker()
    assert [product.ensure(ctid).outcome for ctid in (103, 104)] == ["created", "created"]
    assert len(product.simulator.intervals("download")) == 1
    failure = refused(product, 105)
    assert failure.cause == "no-os-template"
    assert unknown in failure.message
    assert "The index has alpine-3.22" in failure.remedy
    assert product.status(105) == "absent"
    stand(product, 106)
    assert failure_of(product.producer.ensure(106)).cause == "not-declared"
