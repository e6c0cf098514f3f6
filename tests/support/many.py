"""Many containers that are as declared, without the time that it takes to make them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.loading import Defaults, load
from phoenix_worker.core.model.marker import read_marker, write_marker
from tests.support.product import container, template
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.support.product import Product

TEMPLATE = 900


def spread(ctids: Iterable[int], nodes: Sequence[str]) -> dict[int, dict[str, Any]]:
    """Declare containers on nodes in turn, all of one template on the first."""
    entries = {ctid: container(ctid, TEMPLATE, node=nodes[place % len(nodes)]) for place, ctid in enumerate(ctids)}
    return {TEMPLATE: template(TEMPLATE, node=nodes[0]), **entries}


def stand_like(product: Product, model: int, ctids: Iterable[int]) -> None:
    """Put containers on their nodes as an ensure of each would leave them; the `model` is one that a worker made."""
    pve, catalog = product.simulator.pve, load(product.catalog, Defaults(NODE))
    config = product.config(model)
    marker, entry = read_marker(config["description"]), container(model)
    assert marker is not None
    for ctid in ctids:
        declared, like = catalog[ctid], container(ctid)
        own = replace(marker, ctid=ctid, creation=f"{ctid:08x}0", declaration=declared.hash)
        net0 = config["net0"].replace(entry["network_config"]["ip"], like["network_config"]["ip"])
        more = {
            "hostname": declared.name,
            "description": write_marker(own),
            "net0": net0.replace(entry["mac_address"], like["mac_address"]),
            "rootfs": config["rootfs"].replace(f"-{model}-", f"-{ctid}-"),
        }
        product.simulator.do(pve.add_ct, ctid, node=declared.node, status="running", config=config | more)
