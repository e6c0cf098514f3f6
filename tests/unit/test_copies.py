"""Copies of templates: their CTIDs, their declarations, and which template serves a node."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.base import ctid_of, lane
from phoenix_worker.catalog.declaration import Declaration, Role
from phoenix_worker.catalog.findings import CatalogError
from phoenix_worker.catalog.loading import Catalog, Defaults
from phoenix_worker.catalog.resolve import scratch_of
from phoenix_worker.core.allowed.ownership import Action, Purpose, judge
from phoenix_worker.core.differs.diff import marker_for
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.marker import Stage, read_marker, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.ports import Storage
from phoenix_worker.core.planned.copies import (
    foreseen,
    free_numbers,
    made_from,
    numbers,
    runs_with_a_fixed_address,
    serving,
)
from phoenix_worker.core.planned.feasibility import Offer
from tests.support.product import container, template
from tests.unit import catalog_files

if TYPE_CHECKING:
    from pathlib import Path

CTIDS = range(9100, 9110)
LOCAL = Offer({"local-lvm": Storage("local-lvm", "lvmthin"), "ceph": Storage("ceph", "rbd", shared=True)})


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    entries = {
        900: template(),
        901: container(901, 900),
        902: template(902, storage_pool="ceph"),
        103: container(103, 901, node="pve2"),
        104: container(104, 902, node="pve2", storage_pool="ceph"),
        105: container(105, 901),
    }
    return loaded(tmp_path, entries)


def loaded(tmp_path: Path, entries: dict[int, dict[str, Any]], copies: range | None = CTIDS) -> Catalog:
    defaults = Defaults("pve1", copies=copies, scratch=range(9000, 9050))
    return catalog_files.loaded(tmp_path, {str(ctid): entry for ctid, entry in entries.items()}, defaults)


@given(template=st.integers(100, 999), node=st.from_regex(r"\A[a-z][a-z0-9-]{0,9}\Z"), count=st.integers(1, 10))
def test_the_ctids_of_a_template_on_a_node_are_always_the_same(template: int, node: str, count: int) -> None:
    order = list(numbers(template, node, CTIDS))
    assert sorted(order) == list(CTIDS)
    begins = CTIDS.index(order[0])
    assert order == [*CTIDS[begins:], *CTIDS[:begins]], "a copy that was made is found again at once"
    taken = set(order[: len(CTIDS) - count])
    assert free_numbers(template, node, CTIDS, taken, count) == tuple(order[len(CTIDS) - count :])
    with pytest.raises(PermanentError, match="PHOENIX_COPY_CTIDS") as refused:
        free_numbers(template, node, CTIDS, taken, count + 1)
    assert refused.value.cause == "no-copy-ctid"
    assert refused.value.message == (
        f"Unable to copy template {template} to {node}: all CTIDs of PHOENIX_COPY_CTIDS "
        f"({CTIDS[0]}-{CTIDS[-1]}) are taken."
    )
    with pytest.raises(PermanentError, match=r"Guests that the API token may not see have 9100, 9101\."):
        free_numbers(template, node, CTIDS, taken, count + 1, {9101, 9100})
    assert refused.value.remedy == "Set PHOENIX_COPY_CTIDS of the workers to more CTIDs that nothing else uses."


def test_another_version_begins_at_the_same_ctid() -> None:
    assert [next(numbers(900, node, range(9100, 9150))) for node in ("pve1", "pve2")] == [9144, 9105]


def test_a_lock_tells_whose_it_is() -> None:
    assert [ctid_of(name) for name in (lane(9105), "node/pve1", "build/900", "ct/x", "ct/")] == [9105, *[None] * 4]


def test_a_copy_is_its_template_elsewhere(catalog: Catalog) -> None:
    copy = catalog.copy(901, 9105, "pve2")
    assert (copy.ctid, copy.node, copy.copy_of, copy.role) == (9105, "pve2", 901, Role.TEMPLATE)
    assert (copy.clone_from, copy.template_node, copy.memory_mb) == (900, "pve1", catalog[901].memory_mb)
    assert copy.hash not in {"", catalog[901].hash}
    assert copy.hash == catalog.copy(901, 9105, "pve3").hash, "it may be moved"
    assert catalog.copy(901, 9105, "pve1").template_node is None


def test_a_copy_is_on_one_node_wherever_its_template_may_be(tmp_path: Path) -> None:
    known = loaded(
        tmp_path,
        {
            900: template(node="any"),
            901: container(901, 900, node=["pve1", "pve3"]),
            105: container(105, 901, node="pve2"),
        },
    )
    copy = known.copy(901, 9105, "pve2")
    assert (copy.node, copy.nodes, copy.template_node) == ("pve2", (), None)
    assert known.serve(9105, copy.pin) == copy
    chain = made_from(known[105], known, lambda node: {"pve2": LOCAL}[node])
    assert [one.ctid for one in chain] == [105, 901, 900], "what is not placed yet is placed first"
    assert known[105].cloned_by(known[901]).template_node is None


def test_a_step_finds_the_copy_that_it_names(catalog: Catalog, tmp_path: Path) -> None:
    copy = catalog.copy(901, 9105, "pve2")
    assert catalog.serve(9105, copy.pin) == copy
    rebuilt = scratch_of(copy, range(9000, 9050))
    assert catalog.serve(rebuilt.ctid, rebuilt.pin) == rebuilt
    for ctid, pin in ((9106, copy.pin), (9105, copy.hash), (9105, "x@901.pve2"), (9105, f"{copy.hash}@77.pve2")):
        assert catalog.serve(ctid, pin) is None
    foreign = catalog.copy(901, 555, "pve2")
    assert catalog.serve(555, foreign.pin) is None, "only the CTIDs of the settings are ever those of copies"
    other = loaded(tmp_path, {900: template(), 901: container(901, 900, memory_mb=99)})
    assert other.serve(9105, copy.pin) is None, "what was declared has changed"


def test_what_serves_a_node(catalog: Catalog, tmp_path: Path) -> None:
    def chain(ctid: int) -> list[int]:
        return [one.ctid for one in made_from(catalog[ctid], catalog, lambda _: LOCAL)]

    of_901, of_900 = (next(numbers(ctid, "pve2", CTIDS)) for ctid in (901, 900))
    assert chain(103) == [103, of_901, of_900], "what it is made from is copied too"
    assert chain(105) == [105, 901, 900]
    assert chain(104) == [104, 902], "a shared storage serves all nodes"
    alone = loaded(tmp_path, {900: template(), 103: container(103, 900, node="pve2")}, None)
    assert serving(alone[103], alone, LOCAL) is None
    unknown = serving(catalog[103], catalog, Offer())
    assert unknown is not None
    assert unknown.ctid == 901, "where the storages are not known, Proxmox itself answers"


def test_which_copies_are_foreseen(tmp_path: Path) -> None:
    def foretold(
        entries: dict[int, dict[str, Any]], copies: range | None = CTIDS, offer: Offer = LOCAL
    ) -> list[tuple[int | None, str]]:
        known = loaded(tmp_path, entries, copies)
        found = foreseen(known, ["pve1", "pve2", "pve3"], lambda _: offer)
        assert [one.ctid for one in found] == [ctid for ctid in CTIDS for one in found if one.ctid == ctid]
        return sorted((one.copy_of, one.node) for one in found)

    chain = {900: template(), 901: container(901, 900), 103: container(103, 901, node=["pve2", "pve4"])}
    assert foretold(chain) == [(900, "pve2"), (901, "pve2")]
    assert foretold(chain, None) == []
    assert foretold(chain, offer=Offer()) == [], "where storages are not seen, nothing is known"
    assert foretold({900: template(), 103: container(103, node="any")}) == [(900, "pve2"), (900, "pve3")]
    lanes = {900: template(lanes=2), 103: container(103), 104: container(104, node="pve2")}
    assert foretold(lanes) == [(900, "pve1"), (900, "pve2"), (900, "pve2")]
    assert foretold({900: template(lanes=2)}) == [], "nothing is cloned"


def test_the_catalog_has_no_ctid_of_a_copy(tmp_path: Path) -> None:
    with pytest.raises(CatalogError) as refused:
        loaded(tmp_path, {9105: template(9105)})
    (refusal,) = refused.value.refusals
    assert (refusal.ctid, "PHOENIX_COPY_CTIDS" in refusal.remedy) == (9105, True)


def test_lanes_are_no_property_of_a_template_and_have_no_effect_without_ctids(tmp_path: Path) -> None:
    two = loaded(tmp_path, {900: template(lanes=2), 103: container(103)})
    one = loaded(tmp_path, {900: template(), 103: container(103)})
    assert (two[900].lanes, two[900].hash, two.warnings) == (2, one[900].hash, ())
    entries = {900: template(lanes=2), 103: container(103, lanes=2)}
    without = loaded(tmp_path, entries, None).warnings
    assert [(one.ctid, "PHOENIX_COPY_CTIDS" in one.problem) for one in without] == [(900, True), (103, False)]


@pytest.mark.parametrize(
    ("more", "alone"),
    [
        ({"features": ["x"]}, True),
        ({"features": ["x"], "mac_address": None}, True),
        ({"features": ["x"], "mac_address": None, "network_config": {"bridge": "vmbr0", "ip": "dhcp"}}, False),
        ({"features": ["x"], "network_config": {"bridge": "vmbr0", "ip": "dhcp"}}, True),
        ({}, False),
    ],
)
def test_what_runs_with_a_fixed_address_is_built_alone(tmp_path: Path, more: dict[str, Any], *, alone: bool) -> None:
    entries = {900: template(**more), 103: container(103, features=["x"])}
    catalog = loaded(tmp_path, entries)
    assert runs_with_a_fixed_address(catalog[900]) is alone
    assert runs_with_a_fixed_address(catalog.copy(900, 9105, "pve2")) is alone
    assert not runs_with_a_fixed_address(catalog[103]), "a container has no copies"


def seen(declared: Declaration) -> Observation:
    notes = write_marker(marker_for(declared, "c1", Stage.CONFIGURED))
    config = {"description": notes, "template": "1", "rootfs": f"local-lvm:base-{declared.ctid}-disk-0"}
    return Observation(declared.ctid, declared.node, Presence.HERE, config)


def test_the_marker_tells_the_copy_and_what_was_cloned(catalog: Catalog) -> None:
    copy = catalog.copy(901, 9105, "pve2")
    clone = marker_for(catalog[103].cloned_by(copy), "c1", Stage.CONFIGURED)
    for marker in (clone, marker_for(copy, "c2", Stage.MADE)):
        assert read_marker(write_marker(marker)) == marker
    assert (clone.via, clone.origin, clone.copy_of) == (9105, "901", None)
    assert marker_for(catalog[105].cloned_by(catalog[901]), "c1", Stage.MADE).via is None


@pytest.mark.parametrize(
    ("declared", "there", "purpose", "action"),
    [
        ("copy", "copy", Purpose.ENSURE, Action.CONVERGE),
        ("copy", "copy", Purpose.DESTROY, Action.DESTROY),
        ("copy", "other", Purpose.ENSURE, Action.REFUSE),
        ("copy", "other", Purpose.DESTROY, Action.REFUSE),
        ("copy", "template", Purpose.ENSURE, Action.REFUSE),
        ("template", "copy", Purpose.ENSURE, Action.REFUSE),
        ("template", "copy", Purpose.REBUILD, Action.REFUSE),
        ("template", "copy", Purpose.DESTROY, Action.DESTROY),
    ],
)
def test_a_copy_is_that_of_no_other_template(
    catalog: Catalog, declared: str, there: str, purpose: Purpose, action: Action
) -> None:
    copy = catalog.copy(901, 9105, "pve2")
    known = {"copy": copy, "other": catalog.copy(900, 9105, "pve2"), "template": replace(copy, copy_of=None)}
    verdict = judge(known[declared], seen(known[there]), purpose=purpose)
    assert (verdict.action, verdict.cause) == (action, "copy-taken" if action is Action.REFUSE else "")
    said = "and is not a copy of template 901." if declared == "copy" else "a copy of template 901."
    assert verdict.message.endswith(f", {said}") is (action is Action.REFUSE)
