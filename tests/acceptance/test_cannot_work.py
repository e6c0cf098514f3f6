"""What cannot work is refused in the plan, and by the ensure before anything is made; across nodes more can."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer import EnsureFailed
from tests.acceptance.scenes import done, failure_of
from tests.support.node_typing import type_on_node
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product

OTHER = "pve2"


def two_nodes(product: Product) -> None:
    pve = product.simulator.pve
    product.simulator.do(pve.nodes.setdefault, OTHER, {"online": True})
    shared = {"type": "rbd", "active": 1, "content": "images,rootdir", "files": set(), "pool": "p", "shared": 1}
    product.simulator.do(pve.storages.__setitem__, "ceph", shared)


def test_it_is_refused_before_a_template_is_built_for_it(product: Product) -> None:
    network = container(103)["network_config"]
    wrong = {
        101: container(101, 900, clone="linked"),
        102: container(102, 901, node=OTHER),
        103: container(103, 901, network_config=network | {"bridge": "vmbr9"}),
        104: container(104, 901, storage_pool="nvme"),
        105: container(105, 902),
        106: container(106, 903, clone="linked", storage_pool="local-lvm"),
    }
    templates = {900: template(storage_pool="local-dir"), 901: template(901), 902: template(902, storage_pool="nvme")}
    product.declare({**templates, 903: template(903), **wrong})
    two_nodes(product)
    product.simulator.add_template(903, storage="local-dir")
    product.start_worker()
    expected = {
        101: "its template 900 lies on local-dir, and storage of the type dir has no linked clones",
        102: "its template 901 lies on pve1, and local-lvm is not shared by the two nodes",
        103: "there is no bridge vmbr9",
        104: "there is no storage nvme",
        105: "Unable to build template 902 on pve1: there is no storage nvme",
        106: "its template 903 lies on local-dir",
    }
    for ctid, why in expected.items():
        planned = failure_of(product.producer.plan(ctid))
        assert why in planned.message
        assert planned.remedy
        if ctid != 106:  # by the catalog it could: where its template lies is seen when it is cloned
            refused = failure_of(product.producer.ensure(ctid))
            assert (refused.message, refused.cause) == (planned.message, planned.cause)
    assert "Linked clone feature" in failure_of(product.producer.ensure(106)).message
    assert [call for call in product.writes() if not call[1].endswith("/903/clone")] == []


def test_a_disabled_storage_is_said_to_be_disabled(product: Product) -> None:
    product.declare(
        {
            900: template(),
            103: container(103),
            901: template(901, storage_pool="local-zfs"),
            104: container(104, 901, clone="linked", storage_pool=None),
            902: template(902, storage_pool="local-dir"),
            105: container(105, node="any", storage_pool="spare"),
        }
    )
    product.simulator.add_template(900)
    product.simulator.add_template(901, storage="local-zfs")
    disabled = {103: "local-lvm", 104: "local-zfs", 902: "local"}
    for name in disabled.values():
        product.simulator.do(product.simulator.pve.storages[name].update, disable=1)
    storages = product.simulator.pve.storages
    product.simulator.do(storages.__setitem__, "spare", storages["local-lvm"] | {"disable": 1})
    product.start_worker()
    for ctid, name in disabled.items():
        for handle in (product.producer.plan(ctid), product.producer.ensure(ctid)):
            failure = failure_of(handle)
            assert failure.cause == "storage-offline", failure
            assert f"storage {name} is disabled" in failure.message
            assert f"pvesm set {name} --disable 0" in failure.remedy
        type_on_node(product.simulator, failure.remedy)
        assert product.producer.plan(ctid).wait(timeout=60).actions
    assert product.writes() == []
    refusal = failure_of(product.producer.plan(105))
    assert (refusal.cause, "storage spare is disabled" in refusal.message) == ("no-node", True)
    product.simulator.do(storages["spare"].pop, "disable")

    def is_planned() -> bool:
        try:
            return bool(product.producer.plan(105).wait(timeout=60).actions)
        except EnsureFailed:
            return False

    wait_for(is_planned, timeout=30)  # what the cluster is known to have a second ago; what its nodes had, a minute ago


def test_a_change_that_cannot_work_is_refused_before_anything_is_written(product: Product) -> None:
    product.declare({900: template(), 103: container(103), 104: template(104, storage_pool=None)})
    product.start_worker()
    for asked in (product.producer.plan(104), product.producer.ensure(104)):
        assert "storage local takes no containers" in failure_of(asked).message, "where Proxmox puts it by default"
    product.ensure(103)
    written = len(product.writes())
    network = container(103)["network_config"]
    data = {"size_gb": 1, "mount_point": "/data"}
    for changes, why, remedy in (
        ({"network_config": network | {"bridge": "vmbr7"}}, "there is no bridge vmbr7", "`bridge` in network_config"),
        ({"volumes": [data | {"pool": "nosuch"}]}, "there is no storage nosuch", "`pool` for its volume /data"),
        ({"volumes": [data | {"pool": "local"}]}, "storage local takes no containers", "`pool` for its volume /data"),
        ({"storage_pool": "nosuch"}, "there is no storage nosuch", "`storage_pool`"),
    ):
        product.declare({900: template(), 103: container(103, **changes)})
        planned, failure = failure_of(product.producer.plan(103)), failure_of(product.producer.ensure(103))
        assert (planned.message, planned.remedy) == (failure.message, failure.remedy)
        assert why in failure.message
        assert remedy in failure.remedy
    assert len(product.writes()) == written

    product.simulator.do(product.simulator.pve.bridges.add, "vmbr7")
    product.declare({900: template(), 103: container(103, network_config=network | {"bridge": "vmbr7"})})
    assert product.ensure(103).outcome == "updated", "what was made meanwhile is there"


def test_a_template_that_lies_elsewhere_than_declared_is_cloned_from(product: Product) -> None:
    product.declare({900: template(storage_pool="local-dir"), 103: container(103, 900, clone="linked")})
    product.simulator.add_template(900)
    product.start_worker()
    assert product.ensure(103).outcome == "created"


def test_a_clone_goes_to_another_node_over_shared_storage(product: Product) -> None:
    clones = {
        103: container(103, 900, node=OTHER, storage_pool="ceph"),
        104: container(104, 901, node=OTHER, storage_pool="ceph", clone="linked"),
    }
    product.declare({900: template(), 901: template(901, storage_pool="ceph"), **clones})
    two_nodes(product)
    product.start_worker()
    for ctid, source in ((103, 900), (104, 901)):
        plan = product.producer.plan(ctid).wait(timeout=60)
        assert [(part.ctid, part.node) for part in (*plan.first, plan)] == [(source, NODE), (ctid, OTHER)]
        result = product.ensure(ctid)
        assert (result.outcome, result.node) == ("created", OTHER)
        assert done(result)[-3:] == [("clone", ctid), ("configure", ctid), ("start", ctid)]
        assert product.simulator.pve.ct(ctid).node == OTHER
        assert product.ensure(ctid).outcome == "unchanged"
