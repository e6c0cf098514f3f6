"""What is taken for a template's copy that has lost its marker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.model.marker import Marker, Stage, read_marker, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.adopting import adopted_notes, lost_copies, not_adopted
from tests.support.product import container, template
from tests.unit.test_copies import CTIDS, loaded

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.catalog.loading import Catalog

FINISHED = {"hostname": "ct900", "template": "1", "rootfs": "local-lvm:base-9100-disk-0,size=8G"}


def stands(ctid: int = 9100, **config: Any) -> Observation:
    known = {key: value for key, value in {**FINISHED, **config}.items() if value is not None}
    return Observation(ctid, "pve2", Presence.HERE, known)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    return loaded(tmp_path, {900: template(), 103: container(103)})


def noted(ctid: int, copy: int | None) -> str:
    return write_marker(Marker(ctid, "c1", Role.TEMPLATE, Stage.CONFIGURED, "h", "", copy_of=copy), "")


def test_a_finished_template_of_its_name_without_a_marker_is_one(catalog: Catalog) -> None:
    found = lost_copies(catalog[900], [stands(), stands(9101, description=noted(900, None))], catalog)
    assert [(one.ctid, one.node, one.copy_of) for one, _ in found.fitting] == [(9100, "pve2", 900), (9101, "pve2", 900)]
    assert found.told == ()
    marker = read_marker(adopted_notes(found.fitting[0][0], stands(description="Theirs.")), 9100)
    assert marker is not None
    assert (marker.copy_of, marker.role, marker.ctid) == (900, Role.TEMPLATE, 9100)


@pytest.mark.parametrize(
    ("seen", "why"),
    [
        (stands(hostname="other"), ""),
        (stands(hostname=None), ""),
        (stands(description=noted(9100, 900)), ""),
        (stands(description=noted(9100, 901)), ""),
        (stands(template=None, rootfs="local-lvm:vm-9100-disk-0,size=8G"), "is not a finished template"),
        (stands(rootfs="local-lvm:vm-9100-disk-0,size=8G"), "is not a finished template"),
        (stands(lock="disk"), "is locked (disk)"),
        (stands(description="x" * 8192), "has no room for the marker in its notes"),
    ],
)
def test_what_else_stands_there_is_left(catalog: Catalog, seen: Observation, why: str) -> None:
    found = lost_copies(catalog[900], [seen], catalog)
    assert found.fitting == ()
    whole = f"CT 9100 on pve2 has the name of template 900 and {why}: it is not adopted."
    assert found.told == ((whole,) if why else ())
    (copy, _), *_ = lost_copies(catalog[900], [stands()], catalog).fitting
    assert not_adopted(copy, seen) == (why or "is another one now"), "between the look and the adoption"


def test_what_may_be_a_copy_of_two_templates_is_adopted_by_neither(tmp_path: Path) -> None:
    twice = {900: template(), 901: template(901, name="ct900"), 103: container(103), 104: container(104, 901)}
    catalog = loaded(tmp_path, twice, CTIDS)
    found = lost_copies(catalog[900], [stands()], catalog)
    assert (found.fitting, "template 901 has it too" in found.told[0]) == ((), True)
