"""What is declared as protected is not destroyed, by nobody, and is kept as declared all the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.scenes import done, failure_of, told
from tests.acceptance.test_converging import redeclare
from tests.support.node_typing import type_on_node
from tests.support.product import container, template

if TYPE_CHECKING:
    from tests.support.product import Product

DATA = {"pool": "local-lvm", "size_gb": 1, "mount_point": "/data"}
LOGS = {"pool": "local-lvm", "size_gb": 1, "mount_point": "/logs"}


def test_it_stops_destroy_and_rebuild_before_anything_happens_and_no_change(product: Product) -> None:
    product.declare({900: template(protection=True), 103: container(103, protection=True), 104: container(104)})
    product.start_worker(PHOENIX_SCRATCH_CTIDS="9000-9099")
    for ctid in (103, 104):
        product.ensure(ctid)
        assert product.ensure(ctid).outcome == "unchanged"
    protected = {ctid: product.config(ctid).get("protection") for ctid in (900, 103, 104)}
    assert protected == {900: "1", 103: "1", 104: "0"}, "a clone does not have it from its template"

    product.simulator.do(product.simulator.pve.ct(103).config.update, {"protection": 0})
    written = len(product.writes())
    for request in (product.producer.destroy(103), product.producer.destroy(900), product.producer.rebuild(900)):
        failure = failure_of(request)
        assert failure.cause == "protected", told(failure)
        assert "the catalog declares its protection" in failure.message
        assert '"protection": false' in failure.remedy
    assert (len(product.writes()), product.status(103)) == (written, "running"), "although somebody took it off"
    assert [change.key for change in product.ensure(103).changes] == ["protection"]

    redeclare(product, 103, volumes=[DATA])
    changed = product.ensure(103)
    assert [change.key for change in changed.changes] == ["mp0"]
    assert product.config(103)["mp0"].endswith("mp=/data,size=1G")
    assert product.config(103)["protection"] == "1", "it was off for the moment of the change alone"
    product.simulator.set(product.simulator.pve, hotplug_refused="no such device")
    redeclare(product, 103, volumes=[DATA, LOGS])
    assert "no such device" in failure_of(product.producer.ensure(103)).message
    assert product.config(103)["protection"] == "1", "nor is it left off by a change that is refused"

    redeclare(product, 103, volumes=[DATA], protection=False)
    assert product.ensure(103).outcome == "updated"
    product.simulator.set(product.simulator.pve, replicated=frozenset({103}))
    failure = failure_of(product.producer.destroy(103))
    assert (failure.cause, product.status(103)) == ("replicated", "running"), told(failure)
    assert "it has replication jobs: 103-0" in failure.message
    assert type_on_node(product.simulator, failure.remedy) == ["pvesr delete 103-0"]
    assert product.producer.destroy(103).wait(timeout=60).outcome == "destroyed"
    assert product.producer.destroy(104).wait(timeout=60).outcome == "destroyed"


def test_what_is_set_at_creation_is_told_afterwards_and_left_alone(product: Product) -> None:
    product.declare({900: template(os_type="debian", arch="arm64"), 103: container(103)})
    product.start_worker()
    assert done(product.ensure(103))[-1] == ("start", 103)
    for ctid in (900, 103):
        config = product.config(ctid)
        assert (config["ostype"], config["arch"]) == ("debian", "arm64")
    redeclare(product, 900, os_type="ubuntu")
    (why,) = product.ensure(900).needs_rebuild
    assert "its OS type is debian, the catalog declares ubuntu, and this is set only at creation." in why
    assert product.config(900)["ostype"] == "debian"
