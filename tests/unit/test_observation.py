from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, cast

from phoenix_worker.actions.firewall_and_pool import with_surroundings
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.model.firewall import FirewallState
from tests.support.declared import DECLARED, seen

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox


class Around:
    """What a Proxmox shows that is in no configuration."""

    def firewall(self, *_: object, **__: object) -> FirewallState:
        return FirewallState(enabled=True, digest="d")

    def pool_of(self, *_: object) -> str:
        return "theirs"

    def tags_keep_case(self) -> bool:
        return True


def test_a_second_look_at_the_configuration_loses_nothing_that_was_seen_beside_it() -> None:
    """After root's changes: what is around a container is not asked for again, and decides what is done next."""
    declared = replace(DECLARED, pool="ours", tags=("Web", "gpu"))
    first = with_surroundings(cast("Proxmox", Around()), declared, seen(tags="web;phoenix"))
    assert (first.pool, first.tags_keep_case) == ("theirs", True)
    again = replace(seen(tags="web;phoenix"), digest="other").beside(first)
    assert again == replace(first, digest="other")
    walled = replace(first, firewall=FirewallState(enabled=True))
    assert replace(first, firewall=None).beside(walled) == walled
    changes = diff(declared, again)
    assert (changes.pool, changes.put["tags"]) == ("ours", "gpu;phoenix;Web")
