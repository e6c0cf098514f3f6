"""Where a container is placed: by properties, and the words of each reason."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.core.model.cluster import NodeState
from phoenix_worker.core.planned.placement import Candidate, Placed, Refused, Reservation, Wanted, place, told

if TYPE_CHECKING:
    from collections.abc import Sequence

GIB = 1 << 30
SIZES = st.integers(0, 8).map(lambda half: half * GIB // 2)
NAMES = [f"pve{number}" for number in range(1, 6)]

STATES = st.builds(
    NodeState,
    name=st.just(""),
    online=st.booleans(),
    maintenance=st.booleans(),
    memory=st.none() | st.integers(4, 8).map(lambda gib: gib * GIB),
    memory_used=st.integers(0, 4).map(lambda gib: gib * GIB),
    cpu_load=st.none() | st.floats(0, 1),
    storages=st.dictionaries(st.sampled_from(["ceph", "local"]), st.none() | SIZES),
)
CANDIDATES = st.builds(
    Candidate,
    state=STATES,
    promised=SIZES,
    count=st.integers(0, 20),
    mates=st.frozensets(st.integers(200, 203)),
    drained=st.booleans(),
    silent=st.sampled_from(["", "", "it does not answer"]),
    objection=st.sampled_from(["", "", "there is no bridge vmbr7"]),
    shared=st.just(frozenset({"ceph"})),
)
CLUSTERS = st.lists(CANDIDATES, max_size=5).map(
    lambda many: [replace(one, state=replace(one.state, name=name)) for name, one in zip(NAMES, many, strict=False)]
)
DISKS = st.dictionaries(st.sampled_from(["ceph", "local"]), SIZES)
RESERVATIONS = st.lists(
    st.builds(Reservation, ctid=st.integers(200, 220), node=st.sampled_from(NAMES), memory=SIZES, disks=DISKS),
    max_size=6,
)
WANTED = st.builds(
    Wanted,
    ctid=st.just(103),
    nodes=st.just(("any",)),
    memory=SIZES,
    disks=DISKS,
    group=st.just("web"),
    mates=st.just(frozenset(range(200, 204))),
    apart=st.booleans(),
)


def disk_taken(storage: str, node: str, reservations: Sequence[Reservation]) -> int:
    """What is reserved of a storage, as this node sees it."""
    return sum(one.disks.get(storage, 0) for one in reservations if storage == "ceph" or one.node == node)


def fits(wanted: Wanted, node: Candidate, reservations: Sequence[Reservation]) -> bool:
    """Whether a node can take it, said in another way than `place` says it."""
    state, there = node.state, [one for one in reservations if one.node == node.name]
    memory = wanted.memory + state.memory_used + sum(one.memory for one in there)
    mates = node.mates | {one.ctid for one in there} & wanted.mates
    return (
        state.online
        and not (state.maintenance or node.drained or node.silent or node.objection or (wanted.apart and mates))
        and (state.memory is None or memory <= state.memory)
        and all(
            size + disk_taken(storage, node.name, reservations) <= free
            for storage, size in wanted.disks.items()
            if (free := state.storages.get(storage)) is not None
        )
    )


@given(WANTED, CLUSTERS, RESERVATIONS)
def test_it_is_on_a_node_that_no_filter_leaves_out_and_the_same_in_any_order(
    wanted: Wanted, cluster: list[Candidate], reservations: list[Reservation]
) -> None:
    able = {one.name for one in cluster if fits(wanted, one, reservations)}
    answer = place(wanted, cluster, reservations)
    if isinstance(answer, Placed):
        assert answer.node in able
    else:
        assert able == set()
        assert set(answer.reasons) == {one.name for one in cluster}, "each node with its reason"
        assert all(answer.reasons.values())
    assert place(wanted, cluster[::-1], sorted(reservations, key=lambda one: (one.memory, one.ctid))) == answer


@given(CLUSTERS, st.lists(st.builds(Wanted, ctid=st.integers(300, 400), memory=SIZES, disks=DISKS), max_size=30))
def test_what_is_reserved_never_exceeds_the_room(cluster: list[Candidate], many: list[Wanted]) -> None:
    reservations: list[Reservation] = []
    for number, wanted in enumerate(many):
        answer = place(replace(wanted, ctid=300 + number), cluster, reservations)
        if isinstance(answer, Placed):
            reservations.append(Reservation(300 + number, answer.node, wanted.memory, wanted.disks))
    for node in cluster:
        there = [one for one in reservations if one.node == node.name]
        if there and node.state.memory is not None:
            assert sum(one.memory for one in there) <= node.state.memory - node.state.memory_used
        for storage, free in node.state.storages.items():
            if there and free is not None and any(one.disks.get(storage) for one in there):
                assert disk_taken(storage, node.name, there) <= free


def equal(name: str, **more: Any) -> Candidate:
    state = NodeState(name, memory=64 * GIB, memory_used=2 * GIB, cpu_load=0.02, storages={"ceph": 1000 * GIB})
    return replace(Candidate(state), **more)


@pytest.mark.parametrize("known", [True, False])
@given(ends=st.lists(st.booleans(), min_size=200, max_size=200))
def test_two_hundred_at_once_are_spread_evenly_over_equal_nodes(known: bool, ends: list[bool]) -> None:
    """Whether they count as reserved, or stand there by now with or without figures of the nodes."""
    nodes = [equal(name) if known else Candidate(NodeState(name)) for name in NAMES]
    reservations: list[Reservation] = []
    spread: Counter[str] = Counter()
    for ctid, stands in enumerate(ends):
        answer = place(Wanted(ctid, memory=GIB // 4), nodes, reservations)
        assert isinstance(answer, Placed)
        spread[answer.node] += 1
        if stands:
            nodes = [
                replace(one, promised=one.promised + GIB // 4, count=one.count + 1) if one.name == answer.node else one
                for one in nodes
            ]
        else:
            reservations.append(Reservation(ctid, answer.node, GIB // 4))
    assert set(spread.values()) <= {39, 40, 41}, spread


def placed(wanted: Wanted, *nodes: Candidate) -> Placed:
    answer = place(wanted, nodes, ())
    assert isinstance(answer, Placed), answer
    return answer


def test_the_reason_names_what_decided() -> None:
    any_one = Wanted(103, memory=GIB, group="web", mates=frozenset({200}))
    fuller, busy = equal("pve1", promised=32 * GIB), equal("pve1")
    assert placed(any_one, fuller, equal("pve2")) == Placed("pve2", "the most memory left of 2 nodes, 95 %")
    busy = replace(busy, state=replace(busy.state, cpu_load=0.7))
    least = "about as much memory left as any of 2 nodes, and the most CPU"
    assert placed(any_one, busy, equal("pve2")) == Placed("pve2", least)
    not_told = replace(busy, state=replace(busy.state, cpu_load=None))
    assert placed(any_one, not_told, equal("pve2")).node == "pve1", "of one it is not known, and counts for none"
    mate = equal("pve1", mates=frozenset({200}))
    assert placed(any_one, mate, equal("pve2")).because.endswith("and the fewest of its spread group web")
    assert placed(any_one, equal("pve1", count=1), equal("pve2")).because.endswith("and the fewest guests")
    assert placed(any_one, equal("pve1"), equal("pve2")).node == "pve1"
    alone = placed(any_one, equal("pve1", drained=True), equal("pve2"))
    assert alone == Placed("pve2", "the only node that can take it; not pve1: it is drained")


def test_a_little_more_memory_does_not_outweigh_the_spread() -> None:
    a_little_fuller = equal("pve2", promised=3 * GIB)
    mate = equal("pve1", mates=frozenset({200}))
    assert placed(Wanted(103, memory=GIB, group="web", mates=frozenset({200})), mate, a_little_fuller).node == "pve2"


def test_it_is_told_where_it_is_placed_and_why() -> None:
    assert (told("pve1", "the most memory left"), told("pve1", "")) == ("pve1: the most memory left", "")


def test_room_that_is_just_enough_is_enough() -> None:
    disks = {"ceph": 10 * GIB, "local": 5 * GIB}
    state = NodeState("pve1", memory=64 * GIB, memory_used=2 * GIB, storages={"ceph": 12 * GIB, "local": 7 * GIB})
    node = Candidate(state, shared=frozenset({"ceph"}))
    elsewhere = [Reservation(104, "pve2", 9 * GIB, {"ceph": 2 * GIB, "local": 9 * GIB})]
    here = [Reservation(105, "pve1", 4 * GIB, {"local": 2 * GIB}), Reservation(106, "pve1")]
    wanted = Wanted(103, memory=58 * GIB, disks=disks)
    assert isinstance(place(wanted, [node], [*elsewhere, *here]), Placed)
    for disk, why in (
        ("ceph", "storage ceph has 12.0 GiB left, of which 2.0 GiB are reserved, and it needs 10.5 GiB"),
        ("local", "storage local has 7.0 GiB left, of which 2.0 GiB are reserved, and it needs 5.5 GiB"),
    ):
        more = replace(wanted, disks=disks | {disk: disks[disk] + GIB // 2})
        assert place(more, [node], [*elsewhere, *here]) == Refused({"pve1": why}, passing=True)
    exactly = Refused(
        {"pve1": "memory has 62.0 GiB left, of which 4.0 GiB are reserved, and it needs 62.0 GiB"}, passing=True
    )
    assert place(replace(wanted, memory=62 * GIB), [node], here) == exactly


def test_a_node_without_memory_takes_what_never_runs() -> None:
    node = Candidate(NodeState("pve1", memory=GIB, memory_used=GIB))
    assert isinstance(place(Wanted(900), [node], [Reservation(104, "pve1", GIB)]), Placed)


def test_each_node_that_is_left_out_is_told_with_its_reason() -> None:
    others = (equal("pve1", drained=True), equal("pve2", objection="there is no bridge vmbr7"))
    because = "the only node that can take it; not pve1: it is drained; not pve2: there is no bridge vmbr7"
    assert placed(Wanted(103), *others, equal("pve3")) == Placed("pve3", because)


def test_a_refusal_may_pass_where_a_node_is_away_or_only_reserved() -> None:
    wanted = Wanted(103, nodes=("pve1", "pve9"), memory=40 * GIB)
    others = [Reservation(104, "pve1", 40 * GIB)]
    reserved = place(wanted, [equal("pve1")], others)
    assert isinstance(reserved, Refused)
    assert reserved.passing
    assert reserved.reasons == {
        "pve1": "memory has 62.0 GiB left, of which 40.0 GiB are reserved, and it needs 40.0 GiB",
        "pve9": "the cluster has no such node",
    }
    assert place(wanted, [equal("pve1")], [Reservation(103, "pve1", 40 * GIB)]) == placed(wanted, equal("pve1"))
    full = place(replace(wanted, memory=90 * GIB), [equal("pve1")], others)
    assert isinstance(full, Refused)
    assert not full.passing
    away = place(wanted, [replace(equal("pve1"), state=NodeState("pve1", online=False))], ())
    assert isinstance(away, Refused)
    assert away.passing
    silent = place(wanted, [equal("pve1", silent="it does not answer (timeout)")], ())
    assert isinstance(silent, Refused)
    assert (silent.passing, silent.reasons["pve1"]) == (True, "it does not answer (timeout)")
