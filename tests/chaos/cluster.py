"""The cluster of a round and what its catalog declares: nodes by name, lists, `any`, `spread`, two kinds of storage."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.product import container, template

if TYPE_CHECKING:
    from collections.abc import Sequence
    from random import Random

    from tests.support.proxmox import Simulator

NODES = tuple(f"pve{number}" for number in range(1, 6))
DOORS = {"pve1": "127.0.0.2", "pve2": "127.0.0.3"}
"""The nodes whose APIs the workers know, and their addresses."""
TEMPLATES = (900, 901, 902)
COPIES = range(9100, 9200)
LANES = 2
"""Of template 900 on each node."""
_SHARED = "ceph"
_CEPH = {"type": "rbd", "active": 1, "content": "images,rootdir", "pool": "p", "shared": 1}
_SMALL = {"memory_mb": 64, "storage_size_gb": 1}
_APART = 3
"""So many containers are of the group that must be kept apart: as many as there are nodes while two are down."""


def stand_up(simulator: Simulator) -> None:
    """Add the nodes, and a storage that they share."""
    pve = simulator.pve
    simulator.set(pve, nodes={name: {"online": True} for name in NODES})
    simulator.do(pve.storages.__setitem__, _SHARED, {**_CEPH, "files": set()})


def declared(rng: Random, ctids: Sequence[int]) -> dict[int, dict[str, Any]]:
    """Declare a template on a node, one on any that is cloned from it, one on shared storage, and containers of each.

    What is cloned from the first two on other nodes needs copies of them there.
    """
    entries = {
        900: template(node=NODES[0], lanes=LANES, **_SMALL),
        901: container(901, 900, node="any", **_SMALL),
        902: template(902, node=list(NODES[1:3]), storage_pool=_SHARED, **_SMALL),
    }
    sources = [*TEMPLATES, *[TEMPLATES[-1]] * _APART]
    for place, ctid in enumerate(ctids):
        source = sources[place] if place < len(sources) else rng.choice(TEMPLATES)
        is_shared = source == TEMPLATES[-1]
        where = _apart() if len(TEMPLATES) <= place < len(sources) else _where(rng, shared=is_shared)
        storage = {"storage_pool": _SHARED} if is_shared else {}
        entries[ctid] = container(ctid, source, **where, **storage, **_SMALL)
    return entries


def _apart() -> dict[str, Any]:
    return {"node": "any", "spread": {"group": "apart", "require": True}}


def _where(rng: Random, *, shared: bool) -> dict[str, Any]:
    """On a list of nodes only what can be cloned there from the template itself: placement does not go by copies."""
    several = [rng.sample(NODES, rng.randint(2, 3))] if shared else []
    names = rng.choice([rng.choice(NODES), "any", *several])
    return {"node": names} | ({"spread": "preferred"} if rng.random() < 0.5 else {})
