"""What is refused about the nodes of entries taken together. Pure functions over parsed entries."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from phoenix_worker.catalog.findings import Refusal, plain
from phoenix_worker.catalog.nodes import ANY_NODE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.entry import ParsedEntry
    from phoenix_worker.catalog.resolve import Defaults


def refuse_spread(entries: Mapping[int, ParsedEntry], defaults: Defaults) -> Iterator[Refusal]:
    """Refuse groups that require more nodes than they name. How many there are where `any` stands, `check` looks up."""
    groups: dict[str, dict[int, tuple[str, ...]]] = {}
    for ctid, parsed in sorted(entries.items()):
        nodes = defaults.nodes_of(parsed.entry)
        if parsed.entry.spread is not None and parsed.entry.spread.require and ANY_NODE not in nodes:
            groups.setdefault(parsed.entry.spread.group, {})[ctid] = nodes
    for group, members in groups.items():
        left = unplaceable(members)
        if left is not None:
            named = sorted({node for nodes in members.values() for node in nodes})
            others = ", ".join(str(ctid) for ctid in members if ctid != left)
            problem = (
                f"Its spread {plain(group)} is required, and no node is left for it beside CT {others}: "
                f"together they name {', '.join(named)}."
            )
            yield Refusal(left, problem, 'Name more nodes in node, or leave out "require" of spread.')


def spread_groups(declarations: Mapping[int, Declaration]) -> dict[str, frozenset[int]]:
    """Return the CTIDs of each group."""
    groups: dict[str, set[int]] = {}
    for ctid, one in declarations.items():
        if one.spread is not None:
            groups.setdefault(one.spread.name, set()).add(ctid)
    return {name: frozenset(ctids) for name, ctids in groups.items()}


def unplaceable(members: Mapping[int, Sequence[str]]) -> int | None:
    """Return the first that finds no node for itself alone, however those before it are placed; None if all do."""
    holds: dict[str, int] = {}
    stands: dict[int, str] = {}

    def place(ctid: int) -> bool:
        """Find the shortest way to a free node, on which each moves to where the next one stood."""
        wants: dict[str, int] = {}
        waiting = deque([ctid])
        while waiting:
            mover = waiting.popleft()
            for node in members[mover]:
                if node in wants:
                    continue
                wants[node] = mover
                if node not in holds:
                    move(node, wants)
                    return True
                waiting.append(holds[node])
        return False

    def move(node: str | None, wants: Mapping[str, int]) -> None:
        while node is not None:
            mover = wants[node]
            holds[node] = mover
            left, stands[mover] = stands.get(mover), node
            node = left

    return next((ctid for ctid in members if not place(ctid)), None)
