"""What is written into the notes of what is adopted."""

from __future__ import annotations

from dataclasses import replace

from phoenix_worker.catalog.declaration import Declaration, Role
from phoenix_worker.core.differs.scripts import scripts_to_run
from phoenix_worker.core.model.marker import Marker, Stage, read_marker, without_marker, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.adopting import UNKNOWN, adopted_notes
from tests.unit.test_inside import BASE as SCRIPT

DECLARED = Declaration(103, "ca", Role.CONTAINER, "pve1", clone_from=900, scripts=(SCRIPT,), hash="h")


def seen(description: str) -> Observation:
    return Observation(103, "pve1", Presence.HERE, {"description": description})


def test_its_scripts_count_as_run_and_nothing_is_said_of_what_is_not_known() -> None:
    notes = adopted_notes(DECLARED, seen("Mind the gap.\n"))
    marker = read_marker(notes)
    assert without_marker(notes) == "Mind the gap."
    assert marker == Marker(
        103, "adopted", Role.CONTAINER, Stage.CONFIGURED, UNKNOWN, scripts=((SCRIPT.name, SCRIPT.hash),)
    )
    assert scripts_to_run(DECLARED, marker) == ()


def test_of_ours_only_what_it_is_to_be_changes() -> None:
    ours = Marker(103, "c1", Role.CONTAINER, Stage.CONFIGURED, "h", "900", scripts=(("other", "1"),))
    template = replace(DECLARED, role=Role.TEMPLATE)
    assert read_marker(adopted_notes(template, seen(write_marker(ours)))) == replace(ours, role=Role.TEMPLATE)
