"""`node` and `spread` in the catalog and the settings: what is read, and what is refused with its remedy."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.nodes import ANY_NODE, SpreadGroup
from phoenix_worker.catalog.placing_checks import unplaceable
from phoenix_worker.core.checkup.placing import judge_placing
from phoenix_worker.core.model.cluster import GuestPlace, NodeState, view_of
from phoenix_worker.core.model.ports import Storage
from phoenix_worker.core.planned.feasibility import Offer
from tests.unit.catalog_files import DEFAULTS, clone, loaded, refusals, template

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.catalog.declaration import Declaration

GIB = 1 << 30


def declared(folder: Path, setting: str = "pve", **keys: Any) -> Declaration:
    return loaded(folder, {"103": template(**keys)}, replace(DEFAULTS, node=setting))[103]


def test_one_name_is_what_it_was_and_several_or_any_are_chosen_from(tmp_path: Path) -> None:
    one = declared(tmp_path, node="pve2")
    assert (one.node, one.nodes, one.where) == ("pve2", (), "pve2")
    assert declared(tmp_path, node=["pve2"]).hash == one.hash
    assert declared(tmp_path, node=["pve2"]).node == "pve2"
    several = declared(tmp_path, node=["pve3", "pve1"])
    assert (several.node, several.nodes, several.where) == ("", ("pve3", "pve1"), "pve3, pve1")
    assert declared(tmp_path, node="any").nodes == (ANY_NODE,)
    assert declared(tmp_path, "pve1,pve2").nodes == ("pve1", "pve2")
    assert declared(tmp_path, "any").nodes == (ANY_NODE,)
    assert declared(tmp_path, "any", node="pve1").nodes == ()


def test_where_it_may_be_is_not_in_the_hash(tmp_path: Path) -> None:
    hashes = {declared(tmp_path, node=nodes).hash for nodes in ("any", ["pve1", "pve2"], ["pve2", "pve3"])}
    assert len(hashes) == 1
    assert declared(tmp_path).hash == declared(tmp_path, spread="web").hash


def test_it_stands_as_declared_on_each_of_its_nodes(tmp_path: Path) -> None:
    one = declared(tmp_path, node=["pve1", "pve2"])
    assert [one.standing_on(node).elsewhere for node in ("pve1", "pve2")] == ["", ""]
    assert one.standing_on("pve3").elsewhere == "CT 103 stands on pve3; the catalog says pve1, pve2."
    assert one.standing_on("pve3").standing_on("pve2").elsewhere == ""
    assert one.standing_on("pve3").hash == one.hash


def test_a_spread_group_is_preferred_or_required(tmp_path: Path) -> None:
    assert declared(tmp_path, spread="web").spread == SpreadGroup("web")
    assert declared(tmp_path, spread={"group": "web"}).spread == SpreadGroup("web")
    assert declared(tmp_path, spread={"group": "web", "require": True}).spread == SpreadGroup("web", required=True)


@pytest.mark.parametrize(
    ("keys", "problem", "remedy"),
    [
        ({"node": []}, "node is an empty list.", "Name at least one node"),
        ({"node": ["pve1", "pve1"]}, "node names pve1 twice.", "Name each node once."),
        ({"node": ["pve1", "any"]}, 'node has "any" beside names.', 'Write "any" alone'),
        ({"node": ["pve1", "pve_2"]}, 'node has "pve_2", which is not the name of a node.', "Use letters"),
        ({"node": ["pve1", 2]}, "node has 2, which is not the name of a node.", "Use letters"),
        ({"node": "pve1, pve2"}, 'node "pve1, pve2" is not the name of a node.', 'Write ["pve1", "pve2"].'),
        ({"node": "pve1,pve2 pve1"}, 'node "pve1,pve2 pve1" is not', 'Write ["pve1", "pve2"].'),
        ({"node": "pve1,pve1"}, 'node "pve1,pve1" is not the name of a node.', 'Write "pve1".'),
        ({"node": "pve1 ,"}, 'node "pve1 ," is not the name of a node.', 'Write "pve1".'),
        ({"node": "any,pve1"}, 'node "any,pve1" is not the name of a node.', 'Write "any" for every node, or'),
        ({"node": "ANY"}, 'node "ANY" means every node only in lower case.', 'Write "any" for every node.'),
        ({"node": ["pve1", "Any"]}, 'node has "Any", which means every node', 'Write "any" for every node.'),
        ({"node": "*"}, 'node "*" is not the name of a node.', 'Write "any" for every node.'),
        ({"node": ["pve1", []]}, "node has [], which is not the name of a node.", "Use letters"),
        ({"node": "pve_2"}, 'node "pve_2" is not the name of a node.', "Use letters"),
        ({"node": 2}, "node 2 is neither a name nor a list.", "Write the name of a node"),
        ({"spread": ["web"]}, "spread is neither a name nor an object.", "Write the name of a group"),
        ({"spread": "a b"}, 'spread.group "a b" is not the name of a group.', "Use letters"),
        ({"spread": {"require": True}}, "spread.group is missing.", "Declare spread.group."),
        (
            {"spread": {"group": "web", "require": "yes"}},
            'spread.require "yes" is neither true nor false.',
            "Write true",
        ),
        ({"spread": {"group": "web", "strict": True}}, "spread.strict true is not known", "require was probably meant"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, keys: dict[str, Any], problem: str, remedy: str) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(**keys)}})
    assert refusal.problem.startswith(problem)
    assert refusal.remedy.startswith(remedy)


REQUIRED = {"spread": {"group": "web", "require": True}}


def test_more_of_a_required_group_than_nodes_are_refused(tmp_path: Path) -> None:
    """101 has to leave pve1 to 102; for 103 no node is left, whatever the others do."""
    names = {"101": ["pve1", "pve2"], "102": ["pve1"], "103": ["pve2", "pve1"]}
    group = {ctid: template(**REQUIRED, node=nodes) for ctid, nodes in names.items()}
    (refusal,) = refusals(tmp_path, {"lxc_configs": group})
    assert (refusal.ctid, refusal.problem) == (
        103,
        "Its spread web is required, and no node is left for it beside CT 101, 102: together they name pve1, pve2.",
    )
    assert refusal.remedy == 'Name more nodes in node, or leave out "require" of spread.'
    del group["103"]
    assert loaded(tmp_path, group)
    anywhere = {ctid: template(**REQUIRED, node="any") for ctid in names}
    assert loaded(tmp_path, anywhere), "how many nodes there are, is not known here"


def cluster(**changes: NodeState) -> Any:
    nodes = {name: NodeState(name, memory=8 * GIB, storages={"local-lvm": 100 * GIB}) for name in ("pve1", "pve2")}
    return view_of({**nodes, **changes}, {105: GuestPlace(105, "pve1")})


def said(folder: Path, configs: dict[str, Any], **changes: NodeState) -> list[tuple[str, str, str, str]]:
    view = cluster(**changes)
    store = Storage("local-lvm", "lvmthin", frozenset({"rootdir"}))
    offers = {name: Offer({"local-lvm": store}, frozenset({"vmbr0"})) for name in view.nodes}
    lines = judge_placing(loaded(folder, configs), view, offers)
    return [(line.level, line.about, line.text, line.remedy) for line in lines]


def test_a_group_of_thousands_that_move_for_each_other_is_judged() -> None:
    """The last of a group takes the node of the first, who moves on to that of the second, and so on."""
    members = {ctid: (f"n{ctid}", f"n{ctid + 1}") for ctid in range(3000)} | {3000: ("n0",)}
    assert unplaceable(members) is None
    assert unplaceable(members | {3001: ("n0",)}) == 3001


def test_the_check_finds_names_groups_and_nodes_that_will_not_do(tmp_path: Path) -> None:
    assert said(tmp_path, {"103": template()}) == []
    (fine,) = said(tmp_path, {"103": template(node="any"), "105": template(node="any", memory_mb=9000)})
    assert fine == ("ok", "Placement", "2 catalog entries may be on several nodes, and each finds one", "")
    (wrong, *_) = said(tmp_path, {"103": template(node=["pve1", "pve22"])})
    assert wrong == (
        "warning",
        "Node pve22",
        "the cluster has none of this name; the catalog names it for 103, among others",
        "Correct `node` in the catalog, or PHOENIX_NODE. There are: pve1, pve2. Did you mean pve2?",
    )
    (_, none) = said(tmp_path, {"103": template(node=["pve8", "pve9"])})[-2:]
    room = (
        "Make room on one of them, undrain one that is drained (`phoenix-lxc undrain NODE`), or name others in `node`."
    )
    assert none == ("error", "Placement of CT 103", "no node can take it: none of those named is there", room)
    (full,) = said(tmp_path, {"103": template(node="any", memory_mb=9000)})
    assert "pve1: memory has 8.0 GiB left, and it needs 8.8 GiB; pve2: memory has" in full[2]
    (away,) = said(
        tmp_path,
        {"103": clone("900", node="any"), "900": template(node="pve1", storage_pool="local-lvm")},
        pve1=NodeState("pve1", online=False),
    )
    assert "pve1: it is offline; pve2: its template 900 lies on pve1, and local-lvm is not shared" in away[2]


def test_the_check_finds_a_required_group_with_too_few_nodes(tmp_path: Path) -> None:
    group = {ctid: template(**REQUIRED, node="any") for ctid in ("103", "104")}
    assert said(tmp_path, group)[0][0] == "ok"
    ((level, about, text, remedy),) = said(tmp_path, group, pve2=NodeState("pve2", maintenance=True))
    assert (level, about, remedy) == ("error", "Spread web", 'Add nodes, or leave out "require" of spread.')
    assert text == "it is required, and CT 104 finds no node: CT 103, 104 have pve1; pve2: it is in maintenance"
    ((_, _, text, _),) = said(tmp_path, group | {"105": template(**REQUIRED, node="any")})
    assert "pve1: CT 105 of its spread group web is there" in text, "one of them stands already"
