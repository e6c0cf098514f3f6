"""Tags keep their case where the datacenter says so, and are compared as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.scenes import changes_of, foreseen_changes
from tests.acceptance.test_converging import puts_to, redeclare
from tests.support.product import OS_TEMPLATE, container, template

if TYPE_CHECKING:
    from tests.support.product import Product

TAGS = ["Prod", "Web"]


def test_the_datacenter_says_whether_case_matters(product: Product) -> None:
    pve = product.simulator.pve
    product.simulator.set(pve, tags_case_sensitive=True)
    product.declare(
        {
            900: template(tags=["WEB"]),
            103: container(103, tags=TAGS),
            104: container(104, None, template=OS_TEMPLATE, tags=TAGS),
            105: container(105),
        }
    )
    product.start_worker()
    for ctid in (103, 104):
        foretold = foreseen_changes(product.producer.plan(ctid).wait(timeout=60))
        assert changes_of(product.ensure(ctid)) == foretold
        assert set(product.config(ctid)["tags"].split(";")) == {"Prod", "Web", "phoenix"}
        assert product.ensure(ctid).outcome == "unchanged"
    foretold = foreseen_changes(product.producer.plan(105).wait(timeout=60))
    assert changes_of(product.ensure(105)) == foretold
    product.simulator.do(pve.ct(105).config.update, {"tags": "Theirs;phoenix;theirs"})
    redeclare(product, 105, memory_mb=1024)
    product.ensure(105)
    assert product.config(105)["tags"] == "Theirs;phoenix;theirs", "what is not declared stays"
    product.simulator.do(pve.ct(103).config.update, {"tags": "phoenix;prod;web"})
    assert [change.key for change in product.ensure(103).changes] == ["tags"]
    assert set(product.config(103)["tags"].split(";")) == {"Prod", "Web", "phoenix"}

    product.simulator.set(pve, tags_case_sensitive=False)
    product.simulator.do(pve.ct(103).config.update, {"tags": "phoenix;prod;web"})
    written = len(puts_to(product, 103))
    assert product.ensure(103).outcome == "unchanged"
    assert len(puts_to(product, 103)) == written
    redeclare(product, 901, **template(901, tags=["Base"]))
    redeclare(product, 106, **container(106, 901, tags=["BASE", "New"]))
    foretold = foreseen_changes(product.producer.plan(106).wait(timeout=60))
    assert changes_of(product.ensure(106)) == foretold, "what the template will be shown to have, be it not made yet"
