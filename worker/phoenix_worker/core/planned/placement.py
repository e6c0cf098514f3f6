"""On which node a container is placed: those that cannot take it are left out, and the others are ranked.

What is not known speaks against no node. Shares are compared in steps, since figures that move all the time would
otherwise decide alone, and nothing that comes after them would ever count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from phoenix_worker.catalog.nodes import ANY_NODE

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from phoenix_worker.core.model.cluster import NodeState

MAKE_ROOM = (
    "Make room on one of them, undrain one that is drained (`phoenix-lxc undrain NODE`), or name others in `node`."
)
"""The remedy where no node can take something."""
_GIB = 1 << 30
_MEMORY_STEPS = 20
_CPU_STEPS = 10


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be placed."""

    ctid: int
    nodes: tuple[str, ...] = (ANY_NODE,)
    """Those that it may be on."""
    memory: int = 0
    """Bytes."""
    disks: Mapping[str, int] = field(default_factory=dict)
    """Bytes that it takes of each storage."""
    group: str = ""
    """Its spread group."""
    mates: frozenset[int] = frozenset()
    """The other CTIDs of that group."""
    apart: bool = False
    """Whether no two of the group may be on one node."""
    arch: str = ""
    """Its architecture, where one is declared."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A node, with what is known of it."""

    state: NodeState
    promised: int = 0
    """Bytes of memory that those who stand there may use together, without those that have a reservation."""
    count: int = 0
    """How many stand there, without those that have a reservation."""
    mates: frozenset[int] = frozenset()
    """Those of the spread group that stand there."""
    drained: bool = False
    silent: str = ""
    """Why it could not be asked just now."""
    objection: str = ""
    """Why its storages, its bridges or the place of the template speak against it."""
    shared: frozenset[str] = frozenset()
    """Its storages that other nodes write to as well."""
    copied: int = 0
    """How many copies of templates have to be made there first."""
    copies: Mapping[str, int] = field(default_factory=dict)
    """Bytes that these take of each storage."""

    @property
    def name(self) -> str:
        """The node's."""
        return self.state.name


@dataclass(frozen=True, slots=True)
class Reservation:
    """What a node has promised, and Proxmox does not show yet."""

    ctid: int
    node: str
    memory: int = 0
    disks: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """The node, and why it is this one."""

    node: str
    because: str


@dataclass(frozen=True, slots=True)
class Refused:
    """Why no node can take it, by node."""

    reasons: Mapping[str, str]
    passing: bool = False
    """Whether one of them may be able to soon: it is offline, or only others' reservations are in the way."""


class _No(NamedTuple):
    why: str
    passing: bool = False


class _Able(NamedTuple):
    candidate: Candidate
    there: Sequence[Reservation]


class _Rank(NamedTuple):
    """The lowest is taken."""

    memory: int
    cpu: int
    mates: int
    guests: int
    copied: int
    name: str


def place(wanted: Wanted, candidates: Sequence[Candidate], reservations: Sequence[Reservation]) -> Placed | Refused:
    """Choose a node, or say why there is none; the same for the same input, in whatever order it comes."""
    others = [one for one in reservations if one.ctid != wanted.ctid]
    by_node: dict[str, list[Reservation]] = {}
    for one in others:
        by_node.setdefault(one.node, []).append(one)
    known = {candidate.name for candidate in candidates}
    against = {node: _No("the cluster has no such node") for node in wanted.nodes if node not in {ANY_NODE, *known}}
    able: list[_Able] = []
    for candidate in sorted(candidates, key=lambda one: one.name):
        there = by_node.get(candidate.name, [])
        no = next(_objections(wanted, candidate, there, others), None)
        if no is None:
            able.append(_Able(candidate, there))
        else:
            against[candidate.name] = no
    if not able:
        reasons = {node: no.why for node, no in sorted(against.items())}
        return Refused(reasons, any(no.passing for no in against.values()))
    return _best(wanted, able, against)


def told(node: str, because: str) -> str:
    """Say where something is placed, and why there; nothing where that was not chosen."""
    return f"{node}: {because}" if because else ""


def _objections(
    wanted: Wanted, candidate: Candidate, there: Sequence[Reservation], everywhere: Sequence[Reservation]
) -> Iterator[_No]:
    state = candidate.state
    if not state.online:
        yield _No("it is offline", passing=True)
    if state.maintenance:
        yield _No("it is in maintenance")
    if candidate.drained:
        yield _No("it is drained")
    if candidate.silent:
        yield _No(candidate.silent, passing=True)
    if candidate.objection:
        yield _No(candidate.objection)
    if wanted.apart and (mates := sorted(_mates(wanted, candidate, there))):
        yield _No(f"CT {mates[0]} of its spread group {wanted.group} is there")
    yield from _no_memory(wanted, state, there)
    for storage in sorted({*wanted.disks, *candidate.copies}):
        users = everywhere if storage in candidate.shared else there
        size = wanted.disks.get(storage, 0) + candidate.copies.get(storage, 0)
        yield from _no_disk(size, storage, state, users)


def _no_memory(wanted: Wanted, state: NodeState, there: Sequence[Reservation]) -> Iterator[_No]:
    if state.memory is None or not wanted.memory:
        return
    left = state.memory - state.memory_used
    if left - sum(one.memory for one in there) < wanted.memory:
        yield _room("memory", wanted.memory, left, sum(one.memory for one in there))


def _no_disk(size: int, storage: str, state: NodeState, users: Sequence[Reservation]) -> Iterator[_No]:
    free = state.storages.get(storage)
    reserved = sum(one.disks.get(storage, 0) for one in users)
    if free is not None and free - reserved < size:
        yield _room(f"storage {storage}", size, free, reserved)


def _room(what: str, needed: int, left: int, reserved: int) -> _No:
    others = f", of which {_gib(reserved)} are reserved" if reserved else ""
    return _No(f"{what} has {_gib(left)} left{others}, and it needs {_gib(needed)}", passing=left >= needed)


def _gib(size: int) -> str:
    return f"{size / _GIB:.1f} GiB"


def _mates(wanted: Wanted, candidate: Candidate, there: Sequence[Reservation]) -> Collection[int]:
    return candidate.mates | {one.ctid for one in there if one.ctid in wanted.mates}


def _best(wanted: Wanted, able: Sequence[_Able], against: Mapping[str, _No]) -> Placed:
    shares = {candidate.name: _memory_left(wanted, candidate, there) for candidate, there in able}
    idle = {candidate.name: _cpu_left(candidate) for candidate, _ in able}
    ranks = sorted(
        _Rank(
            _steps_behind(shares, candidate.name, _MEMORY_STEPS),
            _steps_behind(idle, candidate.name, _CPU_STEPS),
            len(_mates(wanted, candidate, there)),
            candidate.count + len(there),
            candidate.copied,
            candidate.name,
        )
        for candidate, there in able
    )
    why = _why(wanted, ranks, shares)
    left_out = "".join(f"; not {node}: {no.why}" for node, no in sorted(against.items()))
    return Placed(ranks[0].name, f"{why}{left_out}")


def _steps_behind(shares: Mapping[str, float | None], name: str, steps: int) -> int:
    """Return by how many steps a node is behind the best; none where the share of one is not known."""
    known = [share for share in shares.values() if share is not None]
    mine = shares[name]
    return 0 if mine is None or len(known) < len(shares) else int((max(known) - mine) * steps)


def _cpu_left(candidate: Candidate) -> float | None:
    load = candidate.state.cpu_load
    return None if load is None else 1.0 - load


def _memory_left(wanted: Wanted, candidate: Candidate, there: Sequence[Reservation]) -> float | None:
    """Return the share of memory that nobody may use, once it is there. Below 0 more is promised than there is."""
    state = candidate.state
    if not state.memory:
        return None
    promised = max(candidate.promised, state.memory_used) + sum(one.memory for one in there)
    return (state.memory - promised - wanted.memory) / state.memory


def _why(wanted: Wanted, ranks: Sequence[_Rank], shares: Mapping[str, float | None]) -> str:
    """Name what it has before the next best."""
    if len(ranks) == 1:
        return "the only node that can take it"
    best, next_best, others = ranks[0], ranks[1], len(ranks)
    if best.memory != next_best.memory:
        return f"the most memory left of {others} nodes, {100 * (shares[best.name] or 0.0):.0f} %"
    room = f"about as much room as any of {others} nodes, and "
    reasons = (
        (best.cpu != next_best.cpu, f"about as much memory left as any of {others} nodes, and the most CPU"),
        (best.mates != next_best.mates, f"{room}the fewest of its spread group {wanted.group}"),
        (best.guests != next_best.guests, f"{room}the fewest guests"),
        (best.copied != next_best.copied, f"{room}the fewest copies of templates to be made first"),
    )
    return next((told for counts, told in reasons if counts), f"the first of nodes with equal room, of {others}")
