"""Redis comes back as it was before orders that Proxmox still carries out: each is followed, and none is sent twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.proxmox.api import ProxmoxApi
from tests.acceptance.scenes import stand
from tests.acceptance.test_migrating import OTHER, cluster
from tests.support.past import Past
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_worker.commands.demo.embedded import RedisServer
    from tests.support.product import Product
    from tests.support.proxmox import Interval

LONG = 600.0
SLOW = ("template", "resize", "snapshot", "delsnapshot", "destroy", "migrate", "download", "clone")
ALPINE = "local:vztmpl/alpine-3.22-default_20250617_amd64.tar.xz"
STANDING = range(103, 109)
FOLLOWED = {
    "vzclone",
    "vzstart",
    "vzshutdown",
    "resize",
    "vzsnapshot",
    "vzmigrate",
    "download",
    "vzdelsnapshot",
    "vzdestroy",
}
"""A conversion has no UPID."""
ORDERS = {
    "vztemplate 901",
    "vzclone 902",
    "vzstart 103",
    "vzshutdown 104",
    "resize 105",
    "vzsnapshot 106",
    "vzdestroy 107",
    "vzmigrate 108",
    f"download {ALPINE.rpartition('/')[2]}",
    "vzdelsnapshot 110",
}

pytestmark = [pytest.mark.crash, pytest.mark.long]


@pytest.mark.parametrize("by", ["who lives on", "who starts then"])
def test_what_proxmox_still_does_is_followed(product: Product, shared_redis: RedisServer, by: str) -> None:
    """Every kind of order is under way at once."""
    cluster(product)
    pve = product.simulator.pve
    entries = {ctid: container(ctid, 902, state="stopped") for ctid in STANDING}
    product.declare({902: template(902), **entries, 104: container(104, 902)})
    product.simulator.add_template(902)
    worker = product.start_worker()
    for handle in [product.producer.ensure(ctid) for ctid in STANDING]:
        assert handle.wait(timeout=60).outcome == "created"
    stand(product, 110, hostname="ct110")
    product.simulator.do(pve.ct(110).snapshots.__setitem__, "first", {"snaptime": 1})
    pve.appliances.append(ALPINE.rpartition("/")[2])
    changed = {
        103: container(103, 902),
        104: container(104, 902, state="stopped"),
        105: container(105, 902, state="stopped", storage_size_gb=16),
        106: container(106, 902, enable_lifecycle_snapshots=True),
        109: container(109, None, template=ALPINE),
        111: container(111, 902),
    }
    templates = {ctid: template(ctid) for ctid in (901, 902, 110)}
    clones = {112: container(112, 901), 113: container(113, 110)}
    product.declare({**templates, **entries, **changed, **clones})
    made = len(product.simulator.intervals())
    slow = dict.fromkeys(SLOW, LONG)
    product.simulator.set(pve, ct_secs=pve.ct_secs | slow)
    product.simulator.set(pve.ct(103), start_secs=LONG)
    product.simulator.set(pve.ct(104), shutdown_secs=LONG / 20)
    with worker.stopped():
        handles = [product.producer.ensure(ctid) for ctid in (901, 103, 104, 105, 106, 109, 111)]
        handles += [
            product.producer.destroy(107),
            product.producer.migrate(108, to=OTHER),
            product.producer.adopt(110, seal=True),
        ]
        past = Past(product.redis_url)

    def begun() -> list[Interval]:
        return [one for one in product.simulator.intervals()[made:] if one.end is None]

    wait_for(lambda: {f"{one.kind} {one.guest}" for one in begun()} >= ORDERS)
    if by == "who lives on":
        past.comes_back(breaking=True)
    else:
        worker.kill()
        past.comes_back()
        shared_redis.kill()
        shared_redis.start()
        product.start_worker("w2")
    followed = {f"upid/{one.upid}" for one in begun() if one.kind in FOLLOWED}
    wait_for(lambda: {*product.redis.zrange("phoenix:watch", 0, -1)} >= followed)
    wait_for(lambda: [*product.redis.scan_iter("phoenix:ev:template/*")])
    product.simulator.set(pve, ct_secs=dict.fromkeys(pve.ct_secs, 0.0))
    product.simulator.do(pve.hurry)
    for handle in handles:
        assert handle.wait(timeout=60)
    sent = Counter(f"{one.kind} {one.guest}" for one in product.simulator.intervals()[made:])
    assert {order: times for order, times in sent.items() if times > 1} == {}


def test_a_migration_that_went_elsewhere_was_not_what_is_asked_for(product: Product) -> None:
    """That of a request which was cancelled goes on. No UPID tells where to, so it is waited for first."""
    cluster(product)
    pve = product.simulator.pve
    product.simulator.do(pve.nodes.__setitem__, "pve3", {"online": True})
    product.declare({902: template(902), 103: container(103, 902, state="stopped")})
    product.simulator.add_template(902)
    product.start_worker()
    assert product.ensure(103).outcome == "created"
    product.simulator.set(pve, ct_secs=pve.ct_secs | {"migrate": LONG})
    upid = ProxmoxApi(product.simulator.access).migrate(NODE, 103, target="pve3", restart=False)
    product.redis.client_kill_filter(_type="normal", skipme=True)
    handle = product.producer.migrate(103, to=OTHER)
    wait_for(lambda: product.redis.zscore("phoenix:watch", f"upid/{upid}"))
    product.simulator.set(pve, ct_secs=pve.ct_secs | {"migrate": 0.0})
    product.simulator.do(pve.hurry)
    assert handle.wait(timeout=60).node == OTHER
    assert (pve.ct(103).node, len(product.simulator.intervals("vzmigrate"))) == (OTHER, 2)
