"""From what a container would be cloned on each node, and on which nodes a template can be copied for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.core.checkup.copies import judge_copy_ctids
from phoenix_worker.core.checkup.placing import judge_placing
from phoenix_worker.core.model.cluster import GuestPlace, NodeState, view_of
from phoenix_worker.core.model.ports import Storage
from phoenix_worker.core.planned.candidates import Surroundings, candidates, wanted
from phoenix_worker.core.planned.copies import foreseen, numbers
from phoenix_worker.core.planned.feasibility import Offer, Origin
from phoenix_worker.core.planned.placement import Placed, Refused, place
from phoenix_worker.core.planned.sources import Source, Sources, listed_home
from tests.unit.catalog_files import DEFAULTS, clone, loaded, template

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.model.cluster import ClusterView

GIB = 1 << 30
NODES = ("pve1", "pve2", "pve3")
CTIDS = range(9100, 9104)
LOCAL = Storage("local-lvm", "lvmthin", frozenset({"rootdir"}))
OFFERS = dict.fromkeys(NODES, Offer({"local-lvm": LOCAL}, frozenset({"vmbr0"})))


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    return catalog(tmp_path_factory.mktemp("catalog"))


def catalog(folder: Path, copies: range | None = CTIDS) -> Catalog:
    entries = {
        "900": template(node="pve1", name="base", storage_size_gb=4),
        "901": clone("900", node="pve1", name="web-base", is_template=True),
        "103": clone("901", node="any"),
        "104": clone("900", node="any"),
    }
    return loaded(folder, entries, replace(DEFAULTS, copies=copies))


def view(guests: Iterable[GuestPlace] = (), free: int = 50 * GIB) -> ClusterView:
    nodes = {name: NodeState(name, memory=8 * GIB, storages={"local-lvm": free}) for name in NODES}
    return view_of(nodes, {one.ctid: one for one in guests})


def sources(known: Catalog, look: ClusterView, **more: Any) -> Sources:
    return Sources(known, look.guests, OFFERS, lambda one: one.node, **more)


def placed(known: Catalog, look: ClusterView, found: Sources, ctid: int = 103) -> Placed | Refused:
    around = Surroundings(OFFERS, {}, frozenset(), {}, lambda node: found.on(known[ctid], node))
    what = wanted(known[ctid], known)
    return place(what, candidates(known[ctid], what, look, (), around, known), ())


def able(known: Catalog, look: ClusterView, found: Sources, ctid: int = 103) -> set[str]:
    """The nodes that can take it, each asked alone."""
    answers = {node: placed(known, replace(look, nodes={node: look.nodes[node]}), found, ctid) for node in NODES}
    return {node for node, answer in answers.items() if isinstance(answer, Placed)}


def test_a_node_where_a_copy_can_be_made_takes_a_clone(known: Catalog) -> None:
    found = sources(known, view())
    assert able(known, view(), found) == set(NODES)
    assert [one.copy_of for one in found.on(known[103], "pve2").copied] == [900, 901], "what it is made from first"
    assert found.on(known[103], "pve1").copied == ()
    origin = found.on(known[103], "pve2").origin
    assert origin is not None
    assert (origin.ctid in CTIDS, origin.node, origin.storages) == (True, "pve2", ("local-lvm",))
    copies = [one.ctid for one in found.on(known[103], "pve2").copied]
    assert copies == [next(numbers(of, "pve2", CTIDS)) for of in (900, 901)]
    stands = sources(known, view([GuestPlace(origin.ctid, "pve2", name="web-base")])).on(known[103], "pve2")
    assert stands == Source(origin), "it may be that copy"


def test_a_template_is_where_the_cluster_lists_it(known: Catalog) -> None:
    assert listed_home(known[900], view()) == "pve1"
    assert listed_home(known[900], view([GuestPlace(900, "pve3")])) == "pve3"
    moved = Sources(known, {}, OFFERS, lambda _: "pve3")
    assert moved.on(known[104], "pve3") == Source(Origin(900, "pve3", ("local-lvm",)))
    assert [one.copy_of for one in moved.on(known[104], "pve1").copied] == [900]


def test_without_ctids_for_copies_the_templates_node_alone_takes_it_and_each_other_is_told(tmp_path: Path) -> None:
    alone = catalog(tmp_path, None)
    assert able(alone, view(), sources(alone, view())) == {"pve1"}
    others = view_of({name: view().nodes[name] for name in NODES[1:]}, {})
    refused = placed(alone, others, sources(alone, others))
    assert isinstance(refused, Refused)
    assert list(refused.reasons) == ["pve2", "pve3"]
    assert all("template 901 lies on pve1, and local-lvm is not shared" in why for why in refused.reasons.values())


def test_the_node_with_the_template_or_its_copy_is_taken_among_equals(known: Catalog) -> None:
    look = view([GuestPlace(700, "pve1"), GuestPlace(9101, "pve3", name="base"), GuestPlace(701, "pve2")])
    answer = placed(known, look, sources(known, look), 104)
    assert isinstance(answer, Placed)
    assert (answer.node, "first of nodes" in answer.because) == ("pve1", True)
    look = view([*look.guests.values(), GuestPlace(702, "pve1")])
    answer = placed(known, look, sources(known, look), 104)
    assert isinstance(answer, Placed)
    assert answer.node == "pve3"
    assert "the fewest copies of templates to be made first" in answer.because


@pytest.mark.parametrize(("name", "stands"), [("base", True), ("", True), ("web-base", False)])
def test_a_node_with_a_copy_needs_no_ctid(known: Catalog, name: str, *, stands: bool) -> None:
    taken = [GuestPlace(ctid, "pve3", name="x") for ctid in CTIDS[1:]]
    full = view([GuestPlace(CTIDS[0], "pve2", name=name), *taken])
    found = sources(known, full)
    assert able(known, full, found, 104) == ({"pve1", "pve2"} if stands else {"pve1"})
    why = found.on(known[104], "pve3").objection
    assert why == "no copy of template 900 can be made there: no CTID of PHOENIX_COPY_CTIDS (9100-9103) is left"


@pytest.mark.parametrize(("name", "node", "is_template"), [("base", "pve1", True), ("x", "pve1", False)])
def test_a_copy_that_may_be_on_its_way_needs_no_ctid(
    known: Catalog, name: str, node: str, *, is_template: bool
) -> None:
    taken = [GuestPlace(ctid, "pve3", name="x") for ctid in CTIDS[1:]]
    for named in ("base", ""):
        coming = view([GuestPlace(CTIDS[0], "pve1", name=named), *taken])
        assert able(known, coming, sources(known, coming), 104) == set(NODES), "nobody knows which it is for"
    assert "pve2" in able(known, coming, sources(known, coming).promising([(104, "pve2"), (104, "pve3")]), 104)
    other = view([GuestPlace(CTIDS[0], node, name=name, is_template=is_template), *taken])
    assert able(known, other, sources(known, other), 104) == {"pve1"}


def test_a_node_that_tells_nothing_of_itself_is_nothing_against(known: Catalog) -> None:
    """Its storages and bridges are unknown; whether it can be placed on is for others to say."""
    unknown = replace(sources(known, view()), offers={"pve1": OFFERS["pve1"]})
    assert unknown.on(known[104], "pve2").objection == ""


def test_nodes_that_share_a_storage_need_no_copy(tmp_path: Path) -> None:
    entries = {"900": template(node="pve1", storage_pool="nas"), "103": clone("900", node="any")}
    shared = loaded(tmp_path, entries, replace(DEFAULTS, copies=CTIDS))
    nas = Storage("nas", "rbd", frozenset({"rootdir"}), shared=True, nodes=frozenset({"pve1", "pve2"}))
    found = replace(sources(shared, view()), offers=dict.fromkeys(NODES, Offer({"nas": nas})))
    assert [len(found.on(shared[103], node).copied) for node in NODES] == [0, 0, 1]


def test_what_speaks_against_a_copy_is_told_whatever_is_left_of_ctids(tmp_path: Path) -> None:
    """It would be a linked clone of what is made there first."""
    base, web = template(node="pve1", storage_pool="files"), clone("900", node="pve1", is_template=True, clone="linked")
    linked = loaded(
        tmp_path, {"900": base, "901": web, "103": clone("901", node="any")}, replace(DEFAULTS, copies=CTIDS)
    )
    files = Storage("files", "dir", frozenset({"rootdir"}))
    below = next(numbers(900, "pve2", CTIDS))
    why = f"its template {below} lies on files, and storage of the type dir has no linked clones"
    for look in (view(), view(GuestPlace(ctid, "pve3", name="x") for ctid in CTIDS)):
        found = replace(sources(linked, look), offers=dict.fromkeys(NODES, Offer({"files": files})))
        assert found.on(linked[103], "pve2").objection == f"no copy of template 901 can be made there: {why}"


def test_a_vm_is_no_copy(known: Catalog) -> None:
    look = view(GuestPlace(ctid, "pve2", is_vm=True, name="base") for ctid in CTIDS)
    assert able(known, look, sources(known, look), 104) == {"pve1"}


def test_what_a_copy_needs_speaks_against_a_node(known: Catalog) -> None:
    volume = str(known[900].os_template)
    lacking = sources(known, view(), no_os_template={("pve2", volume): "debian.tar.zst is not there"})
    assert able(known, view(), lacking) == {"pve1", "pve3"}
    why = "no copy of template 900 can be made there: debian.tar.zst is not there"
    assert lacking.on(known[103], "pve2").objection == why
    moved = replace(lacking, movable={(900, "pve2")})
    assert able(known, view(), moved) == {"pve1", "pve2", "pve3"}, "it is migrated there"
    assert [copy.copy_of for copy in moved.on(known[103], "pve2").copied] == [900, 901]
    small = view(free=10 * GIB)
    assert able(known, small, sources(known, small)) == {"pve1"}, "there is room for one disk of 4 GiB, not for three"


@given(taken=st.sets(st.sampled_from(CTIDS)), others=st.lists(st.tuples(st.just(104), st.sampled_from(NODES))))
def test_there_is_a_ctid_for_each_copy_that_is_promised(
    known: Catalog, taken: set[int], others: list[tuple[int, str]]
) -> None:
    look = view(GuestPlace(ctid, "pve3", name="x") for ctid in taken)
    found = sources(known, look).promising(others)
    promised = {(900, node) for _, node in others if node != "pve1"}
    assert found.promised == promised
    for node in NODES[1:]:
        enough = len(CTIDS) - len(taken) >= len(promised | {(900, node)})
        assert (found.on(known[104], node).objection == "") is enough


def test_check_says_that_no_copy_can_be_made(tmp_path: Path) -> None:
    only = loaded(tmp_path, {"900": template(node="pve1"), "103": clone("900", node=["pve2", "pve3"])})
    (line,) = judge_placing(only, view(), OFFERS)
    assert "template 900 lies on pve1" in line.text
    copied = replace(only, copy_ctids=CTIDS)
    assert [one.about for one in judge_placing(copied, view(), OFFERS)] == ["Placement"]


def test_check_says_on_which_of_several_nodes_nothing_can_be_placed(known: Catalog) -> None:
    volume = str(known[900].os_template)
    lines = list(judge_placing(known, view(), OFFERS, {("pve2", volume): "debian.tar.zst is not there"}))
    (line, fine) = ((one.level, one.about, one.text, one.remedy) for one in lines)
    assert line == (
        "warning",
        "Placement on pve2",
        "CT 103, 104 cannot be placed there: no copy of template 900 can be made there: debian.tar.zst is not there",
        "Provide it there, or name the other nodes in `node`.",
    )
    assert fine[0] == "ok"
    migrated = judge_placing(known, view(), OFFERS, {("pve2", volume): "debian.tar.zst is not there"}, {(900, "pve2")})
    assert [one.about for one in migrated] == ["Placement"], "the copy is built on pve1 and migrated"
    stands = view([GuestPlace(103, "pve1"), GuestPlace(104, "pve1")])
    lines = list(judge_placing(known, stands, OFFERS, {("pve2", volume): "debian.tar.zst is not there"}))
    assert [one.about for one in lines] == ["Placement"], "nothing is placed"


@pytest.mark.parametrize(
    ("guests", "level", "text"),
    [
        ([], "ok", "1 are to be made at CTIDs of PHOENIX_COPY_CTIDS (9100-9101)"),
        ([GuestPlace(9100, "pve2", name="base"), GuestPlace(9101, "pve3")], "ok", "1 are to be made"),
        ([GuestPlace(9100, "pve2", name="mail")], "warning", "9100 of PHOENIX_COPY_CTIDS (9100-9101) are other guests"),
        (
            [GuestPlace(9100, "pve2", name="mail"), GuestPlace(9101, "pve1", is_vm=True, name="base")],
            "error",
            "1 are to be made, and there are CTIDs for 0: 9100, 9101 of PHOENIX_COPY_CTIDS (9100-9101) are other",
        ),
    ],
)
def test_check_says_what_else_has_the_ctids_of_copies(
    tmp_path: Path, guests: list[GuestPlace], level: str, text: str
) -> None:
    entries = {"900": template(node="pve1", name="base"), "103": clone("900", node="pve2")}
    known = loaded(tmp_path, entries, replace(DEFAULTS, copies=range(9100, 9102)))
    sure = foreseen(known, NODES, lambda _: OFFERS["pve2"], declared_there=True)
    (line,) = judge_copy_ctids(known, sure, view(guests))
    assert (line.level, text in line.text) == (level, True), line
    assert (line.remedy == "") is (level == "ok")
    assert list(judge_copy_ctids(replace(known, copy_ctids=None), sure, view(guests))) == []


def test_what_is_created_is_not_placed_where_its_os_template_is_not_to_be_had(tmp_path: Path) -> None:
    created = loaded(tmp_path, {"103": template(node="any")})
    volume = str(created[103].os_template)
    lacking = sources(created, view(), no_os_template={("pve1", volume): "debian.tar.zst is not there"})
    assert able(created, view(), lacking) == {"pve2", "pve3"}
