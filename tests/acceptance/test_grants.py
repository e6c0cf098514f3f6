"""What a token may do goes with its pool, or with the container: what is left then, and what is refused before."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.scenes import failure_of, notes
from tests.acceptance.test_rebuilding import SCRATCH, rebuild, stand_sealed
from tests.integration.test_check import EVERYTHING
from tests.support.product import add_os_template, container, template
from tests.support.proxmox import NODE, TOKEN_ID

if TYPE_CHECKING:
    from tests.support.product import Product

ELSEWHERE = ["/nodes", "/storage", "/sdn"]


def grant(product: Product, *paths: str) -> None:
    """Let the token do everything on these paths and outside of guests, and nothing else."""
    acl = {TOKEN_ID: [(path, set(EVERYTHING)) for path in [*ELSEWHERE, *paths]]}
    product.simulator.set(product.simulator.pve, acl=acl)


@pytest.fixture
def pooled(product: Product) -> Product:
    """A template and its clone in one pool, on which alone the token has its privileges."""
    product.declare({900: template(pool="prod"), 103: container(103, pool="prod"), 104: container(104, pool="prod")})
    add_os_template(product.simulator)
    pve = product.simulator.pve
    product.simulator.set(pve, pools={"prod": {900}})
    stand_sealed(product, 900, description=notes(900, "template"))
    grant(product, "/pool/prod")
    return product


def test_a_grant_on_the_pool_is_enough_for_clones(pooled: Product) -> None:
    """Proxmox refuses to show an id that is absent, since it is in no pool."""
    pooled.start_worker()
    assert pooled.producer.plan(103).wait(timeout=60).outcome == "created"
    assert pooled.ensure(103).outcome == "created"
    assert pooled.ensure(103).outcome == "unchanged"
    assert pooled.producer.destroy(103).wait(timeout=60).outcome == "destroyed"
    assert pooled.producer.destroy(103).wait(timeout=60).outcome == "unchanged"
    assert pooled.ensure(103).outcome == "created"


def test_what_the_token_may_not_see_is_not_absent(pooled: Product) -> None:
    pooled.simulator.do(pooled.simulator.pve.add_ct, 103, node=NODE)
    pooled.simulator.do(pooled.simulator.pve.add_vm, 104, name="windows", node=NODE)
    pooled.start_worker()
    for ctid in (103, 104):
        for handle in (pooled.producer.ensure(ctid), pooled.producer.destroy(ctid)):
            failure = failure_of(handle)
            assert (failure.cause, f"/vms/{ctid}" in failure.message) == ("proxmox-permission", True), failure
    assert pooled.writes() == []


@pytest.mark.parametrize(
    ("paths", "lost"),
    [
        (["/vms/900", "/vms/9000"], 'for path in /pool/prod /vms; do pveum acl modify "$path" '),
        (["/vms"], ""),
        (["/pool/prod", "/vms/900", "/vms/9000"], "pveum acl modify /vms "),
    ],
    ids=["on the CTIDs", "on all guests", "on the pool: tags are not set by it"],
)
def test_a_rebuild_is_refused_where_the_grant_goes_with_the_template(
    product: Product, paths: list[str], lost: str
) -> None:
    product.declare({900: template(pool="prod"), 103: container(103)})
    add_os_template(product.simulator)
    product.simulator.set(product.simulator.pve, pools={"prod": {900}})
    stand_sealed(product, 900, description=notes(900, "template"))
    grant(product, *paths)
    product.start_worker(**SCRATCH)
    if not lost:
        assert rebuild(product).outcome == "rebuilt"
        return
    for dry_run in (True, False):
        failure = failure_of(product.producer.rebuild(900, dry_run=dry_run))
        assert failure.cause == "grants-vanish", failure
        assert "deletes the grants on /vms/900" in failure.message
        assert failure.remedy.startswith("pveum role add Phoenix ")
        assert failure.remedy.partition("; ")[2].startswith(lost)
    assert product.writes() == []


def test_a_grant_on_a_ctid_goes_with_the_container(product: Product) -> None:
    """What the rebuild and the check warn of, as Proxmox does it."""
    product.declare({900: template(), 103: container(103)})
    stand_sealed(product, 900, description=notes(900, "template"))
    grant(product, "/vms/900", "/vms/103")
    product.start_worker()
    assert product.ensure(103).outcome == "created"
    product.producer.destroy(103).wait(timeout=60)
    failure = failure_of(product.producer.ensure(103))
    assert failure.cause == "proxmox-permission"
    assert "/vms/103" in failure.remedy
