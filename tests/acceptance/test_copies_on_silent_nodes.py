"""Templates of which a copy stands on a node that does not answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.scenes import failure_of
from tests.acceptance.test_copies import COPIES, FIRST, OTHER, copies, rebuild, two_nodes
from tests.support.product import container, template

if TYPE_CHECKING:
    from tests.support.product import Product


@pytest.mark.long
def test_a_copy_on_a_node_that_is_offline_is_told_and_left(product: Product) -> None:
    two_nodes(product)
    product.declare({900: template(), 103: container(103, node=OTHER)})
    product.start_worker(**COPIES, PHOENIX_SCRATCH_CTIDS="9000-9050", PHOENIX_PATIENCE="4")
    product.producer.ensure_many([900, 103]).wait(timeout=60)
    before = {ctid: product.config(ctid)["description"] for ctid in (900, FIRST)}
    product.simulator.do(product.simulator.pve.refresh_resources)
    product.simulator.do(product.simulator.pve.cut, OTHER)

    (shown,) = product.producer.templates().wait(timeout=60)
    assert [(one.ctid, one.node, one.exists) for one in shown.copies] == [(FIRST, OTHER, "unknown")]
    assert shown.copies[0].problem == f"It cannot be looked at: {OTHER} is offline."
    gone = failure_of(product.producer.destroy(900))
    assert (gone.cause, f"CT {FIRST} may be a copy of it" in gone.message) == ("unreachable", True)
    result = rebuild(product, 900)
    assert (result.outcome, result.templates_built) == ("rebuilt", (900,))
    assert any(f"CT {FIRST} on {OTHER} was left as it is" in line for line in result.warnings)
    assert product.config(900)["description"] != before[900]

    product.simulator.do(product.simulator.pve.mend, OTHER)
    product.simulator.do(product.simulator.pve.refusing.add, OTHER)
    writes = len(product.writes())
    refused = failure_of(product.producer.rebuild(900))
    assert (refused.cause, "does not answer" in refused.message) == ("unreachable", True)
    assert len(product.writes()) == writes, "nothing is destroyed before it is clear"

    product.simulator.do(product.simulator.pve.mend, OTHER)
    assert rebuild(product, 900).templates_built == (900, FIRST)
    assert copies(product) == [FIRST]
    assert product.config(FIRST)["description"] != before[FIRST]
