"""`adopt` of a template: its copies that have lost their marker are taken over with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.scenes import done, stand
from tests.acceptance.test_adopting import adopt
from tests.acceptance.test_copies import COPIES, CTIDS, FIRST, OTHER, SECOND, copies, two_nodes
from tests.support.product import container, template

if TYPE_CHECKING:
    from tests.support.product import Product


@pytest.mark.long
def test_copies_that_lost_their_marker_are_adopted_with_their_template(product: Product) -> None:
    """A finished template of its name at a CTID of copies; what only looks like one is told, and left as it is."""
    two_nodes(product)
    product.declare({900: template(), 103: container(103, node=OTHER), 104: container(104, node=OTHER)})
    product.start_worker(**COPIES)
    assert product.ensure(103).templates_built == (FIRST,)
    copy = product.simulator.pve.ct(FIRST)
    product.simulator.do(copy.config.__setitem__, "description", "Mind the gap.")
    stand(product, SECOND, node=OTHER, hostname="ct900", description="")
    stand(product, CTIDS[-1], hostname="theirs", description="")
    told = f"CT {SECOND} on {OTHER} has the name of template 900 and is not a finished template: it is not adopted."
    foretold = adopt(product, 900, dry_run=True)
    line = f"add the marker of phoenix-lxc (role: template, copy of 900) to the notes of CT {FIRST} on {OTHER}"
    assert (foretold.outcome, foretold.plan, foretold.warnings) == ("adopted", (line,), (told,))
    assert copies(product) == []
    result = adopt(product, 900)
    assert (result.outcome, done(result), result.warnings) == ("adopted", [("mark", FIRST)], (told,))
    assert copies(product) == [FIRST]
    assert product.config(FIRST)["description"].startswith("Mind the gap.\n\nphoenix-lxc: ")
    assert product.config(SECOND)["description"] == ""
    again = adopt(product, 900)
    assert (again.outcome, again.warnings) == ("unchanged", ("There is no CT 900 on pve1.", told))
    assert product.ensure(104).templates_built == (), "it is cloned"
    assert f"via={FIRST}" in product.config(104)["description"]
