"""What becomes of a template whose copy is not as it should be: gone, half made, running, another's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.core.planned.copies import numbers
from tests.acceptance.scenes import before, done, stand
from tests.acceptance.test_copies import COPIES, CTIDS, FIRST, OTHER, SECOND, copies, rebuild, two_nodes
from tests.support.node_typing import type_on_node
from tests.support.product import container, template
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from tests.support.product import Product

LEFT = ["gone", "half-made", "running", "nobody's"]


def spoil(product: Product, how: str) -> None:
    """Leave of the copy what a crash, or an administrator, may leave."""
    pve, ct = product.simulator.pve, product.simulator.pve.ct(FIRST)
    config = product.config(FIRST)
    product.simulator.do(pve.cts.remove, ct)
    if how == "gone":
        return
    config.pop("template", None)
    config["rootfs"] = config["rootfs"].replace("base-", "vm-")
    config["description"] = "" if how == "nobody's" else config["description"].replace("configured", "made")
    status = "running" if how == "running" else "stopped"
    product.simulator.do(pve.add_ct, FIRST, node=ct.node, status=status, config=config)


@pytest.mark.long
@pytest.mark.parametrize("how", LEFT)
def test_it_is_rebuilt_used_and_destroyed_with_its_template(product: Product, how: str) -> None:
    two_nodes(product)
    product.declare({900: template(), 103: container(103, node=OTHER), 104: container(104, node=OTHER)})
    product.start_worker(**COPIES, PHOENIX_SCRATCH_CTIDS="9000-9050", PHOENIX_PATIENCE="10")
    product.producer.ensure_many([900, 103]).wait(timeout=60)
    spoil(product, how)
    is_ours = how in {"half-made", "running"}
    before = product.config(FIRST) if how != "gone" else {}
    (shown,) = product.producer.templates().wait(timeout=60)
    assert [str(one.exists) for one in shown.copies] == (["half-made"] if is_ours else []), shown
    result = rebuild(product, 900)
    assert result.templates_built == ((900, FIRST) if is_ours else (900,))
    if how == "nobody's":
        assert product.config(FIRST) == before
    (made,) = product.ensure(104).templates_built or copies(product)
    assert copies(product) == [made]
    assert (made == FIRST) is (how != "nobody's")
    assert product.config(made)["template"] == "1"
    assert product.producer.destroy(900).wait(timeout=60).outcome == "destroyed"
    assert copies(product) == []
    assert product.status(FIRST) == ("stopped" if how == "nobody's" else "absent")


@pytest.mark.long
@pytest.mark.parametrize("node", [NODE, OTHER])
@pytest.mark.parametrize(("of", "suffix"), [(900, f"/nodes/{OTHER}/lxc"), (901, f"/nodes/{OTHER}/lxc/{FIRST}/clone")])
def test_a_ctid_that_is_taken_before_the_copy_is_made_is_left_for_another(
    product: Product, node: str, of: int, suffix: str
) -> None:
    """By somebody else's container, after Proxmox was asked whether the CTID is free."""
    two_nodes(product)
    product.declare({900: template(), 901: container(901, 900), 103: container(103, of, node=OTHER)})
    product.start_worker(**COPIES)
    taken, chosen = (ctid for ctid, _ in zip(numbers(of, OTHER, CTIDS), range(2), strict=False))
    config = {"hostname": "theirs", "description": "", "rootfs": f"local-lvm:vm-{taken}-disk-0,size=8G"}
    before(product, "POST", suffix, lambda: product.simulator.pve.add_ct(taken, node=node, config=config))
    result = product.ensure(103)
    assert (result.outcome, copies(product, of)) == ("created", [chosen])
    assert chosen in result.templates_built
    assert taken not in {ctid for _, ctid in done(result)}
    assert product.config(taken)["hostname"] == "theirs", "it is left alone"


@pytest.mark.long
def test_what_was_being_created_when_its_node_lost_power_is_passed_over(product: Product) -> None:
    """Whoever asked for it may have been forgotten by Redis: it has no marker yet, and nobody else looks at it."""
    two_nodes(product)
    stand(product, FIRST, node=OTHER, lock="create", description="")
    left = product.config(FIRST)
    product.declare({900: template(), 103: container(103, node=OTHER)})
    product.start_worker(**COPIES, PHOENIX_PATIENCE="10")
    result = product.ensure(103)
    assert (result.outcome, copies(product)) == ("created", [SECOND])
    (told,) = (warning for warning in result.warnings if "passed over" in warning)
    assert f"`pct destroy {FIRST} --destroy-unreferenced-disks 1`" in told
    assert f"`pct unlock {FIRST}`" in told
    assert product.config(FIRST) == left
    type_on_node(product.simulator, told)
    assert product.status(FIRST) == "absent"


@pytest.mark.long
def test_a_ctid_that_was_taken_for_a_moment_is_used_when_it_is_free_again(product: Product) -> None:
    """Somebody else's creation is refused by Proxmox, and its CTID given back, before the clone looks again."""
    two_nodes(product)
    product.declare({900: template(), 103: container(103, node=OTHER)})
    product.start_worker(**COPIES)
    pve, config = product.simulator.pve, {"hostname": "theirs", "description": ""}
    before(product, "POST", f"/nodes/{OTHER}/lxc", lambda: pve.add_ct(FIRST, node=OTHER, config=config))

    def passed_over() -> bool:
        keys = product.redis.keys("phoenix:job:*:steps")
        return any("taken" in entry for key in keys for entry in product.redis.lrange(key, 0, -1))

    answer = pve._answer

    async def answering(request: Any, *rest: Any) -> Any:
        if (theirs := pve.ct(FIRST)) and not theirs.config["description"] and passed_over():
            pve.cts.remove(theirs)
        return await answer(request, *rest)

    product.simulator.set(pve, _answer=answering)
    result = product.ensure(103)
    assert (result.outcome, copies(product)) == ("created", [FIRST])
    assert FIRST in result.templates_built
