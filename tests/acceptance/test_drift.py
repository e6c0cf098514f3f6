"""What exists is compared with the catalog, and an outdated template is told wherever it matters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phoenix_producer import EnsureFailed, Exists
from tests.acceptance.scenes import done, stand
from tests.acceptance.test_converging import redeclare
from tests.acceptance.test_inspect import cli
from tests.support.product import container, template

if TYPE_CHECKING:
    from phoenix_producer import Drift, Failure, Plan
    from tests.support.product import Product


def drift(product: Product, *ctids: int) -> dict[int, Drift]:
    """Ask, and see that nothing is written for it."""
    count = len(product.writes())
    found = product.producer.drift(ctids).wait(timeout=60)
    assert len(product.writes()) == count
    return {one.ctid: one for one in found}


def keys(one: Drift) -> list[tuple[str, str | None, str | None]]:
    return [(action.key or action.kind, action.old, action.new) for action in one.actions]


def planned_together_and_alone(product: Product, *ctids: int) -> None:
    """Each plan of one request for all is the one that a request of its own is answered with."""
    together = product.producer.plan_all([*ctids, *ctids]).wait(timeout=60)
    for ctid, answer in zip(ctids, together, strict=True):
        try:
            alone: Plan | Failure = product.producer.plan(ctid).wait(timeout=60)
        except EnsureFailed as error:
            alone = error.failure.model_copy(update={"request_id": getattr(answer, "request_id", "")})
        assert answer == alone


def test_drift_is_what_an_ensure_would_put_right(product: Product) -> None:
    others = {104: container(104), 105: container(105), 106: container(106)}
    product.declare({900: template(), 103: container(103, pct_options=["nesting=1"]), **others})
    product.start_worker()
    product.ensure(103)
    product.ensure(104)
    assert all(one.differs is False for one in drift(product).values())
    assert cli(product, "drift", "--exit-code").exit_code == 0
    product.simulator.do(product.simulator.pve.ct(103).config.update, {"memory": "256"})
    product.simulator.set(product.simulator.pve.ct(104), status="stopped")
    stand(product, 105)
    found = drift(product)
    assert keys(found[103]) == [("memory", "256", "512")]
    assert keys(found[104]) == [("start", None, None)]
    assert (found[105].exists, found[105].actions, found[105].differs) == (Exists.NOT_OURS, (), False)
    assert "without a marker of phoenix-lxc" in found[105].problem
    assert (found[106].exists, found[106].differs) == (Exists.ABSENT, False)
    planned_together_and_alone(product, 103, 104, 105, 106, 900, 555)
    told = cli(product, "drift", "103", "--json", "--exit-code")
    assert (told.exit_code, json.loads(told.stdout)[0]["actions"][0]["new"]) == (2, "512")
    assert (cli(product, "drift").exit_code, cli(product, "drift", "555").exit_code) == (1, 2)
    product.ensure(103)
    redeclare(product, 103, description="other", pct_options=["nesting=1"])
    redeclare(product, 103, description=None, pct_options=["nesting=0"])
    assert drift(product, 103)[103].actions[0].key == "features"
    assert product.producer.status([103]).wait(timeout=60)[0].differs == ("features",)
    product.ensure(103)
    assert drift(product, 103)[103].pending_restart == ("features",)
    assert cli(product, "drift", "103", "--exit-code").exit_code == 2, "what runs is not what is declared"
    assert (
        cli(product, "status", "103")
        .stdout.rstrip()
        .endswith("container, running  takes effect at the next start: features")
    )


def test_an_outdated_template_is_told_and_cloned_all_the_same(product: Product) -> None:
    product.declare({900: template(), 103: container(103, storage_size_gb=20), 104: container(104, storage_size_gb=20)})
    product.start_worker()
    assert product.ensure(103).warnings == ()
    assert drift(product, 900)[900].outdated == ()
    redeclare(product, 900, storage_size_gb=16)
    old, small = drift(product, 900)[900].outdated
    assert "`phoenix-lxc ensure 900`" in old
    assert "its root disk is 8 GiB, the catalog declares 16 GiB" in small
    assert "`phoenix-lxc rebuild 900`" in small
    assert cli(product, "drift", "900", "--exit-code").exit_code == 2
    planned = product.producer.plan(104).wait(timeout=60)
    assert planned.warnings == tuple(f"The template would be cloned as it is. {why}" for why in (old, small))
    result = product.ensure(104)
    assert (result.outcome, result.templates_built) == ("created", ())
    assert result.warnings == tuple(f"The template was cloned as it is. {why}" for why in (old, small))
    assert done(product.ensure(900)) == [("configure", 900)]
    assert drift(product, 900)[900].outdated == (small,), "no ensure grows the disk of a template"
    (standing,) = product.producer.status([900, 900]).wait(timeout=60)
    assert standing.outdated == (small,)
    assert small in cli(product, "status", "900").stdout
