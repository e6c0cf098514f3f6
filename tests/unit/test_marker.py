from __future__ import annotations

import string
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.model.marker import (
    Marker,
    Stage,
    are_of_one_task,
    read_marker,
    without_marker,
    write_marker,
)

MARKER = Marker(103, "0b5c-1", Role.CONTAINER, Stage.CONFIGURED, "sha256:ab")
LINE = "phoenix-lxc: ctid=103 id=0b5c-1 as=container stage=configured hash=sha256:ab"

words = st.text(string.ascii_letters + string.digits + "._:,-", min_size=1, max_size=40)
markers = st.builds(
    Marker,
    ctid=st.integers(100, 999_999_999),
    creation=words,
    role=st.sampled_from(Role),
    stage=st.sampled_from(Stage),
    declaration=words,
    origin=st.sampled_from(["", "900", "901,linked", "debian-12-standard_12.7-1+b~rc1_amd64.tar.zst"]),
)
notes = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n")).filter(
    lambda text: "phoenix-lxc:" not in text
)


@given(markers, notes)
def test_what_is_written_is_read_again(marker: Marker, owners: str) -> None:
    written = write_marker(marker, owners)
    assert read_marker(written) == marker
    assert read_marker(written + "\n") == marker
    assert without_marker(written) == owners.strip()


@given(markers, markers, notes)
def test_the_owners_notes_outlive_any_number_of_markers(first: Marker, second: Marker, owners: str) -> None:
    again = write_marker(second, without_marker(write_marker(first, owners)))
    assert (read_marker(again), without_marker(again)) == (second, owners.strip())


def test_the_line_is_for_people_too() -> None:
    assert write_marker(MARKER) == LINE
    assert write_marker(MARKER, "The CA.\n") == f"The CA.\n\n{LINE}"


def test_it_says_what_it_was_made_from_and_is_whole_without() -> None:
    assert write_marker(replace(MARKER, origin="900,linked")) == f"{LINE} from=900,linked"
    assert read_marker(LINE) == MARKER
    made_from = ("900", "901,linked", "", "debian-12-standard_12.7-1_amd64.tar.zst", "0900", "9" * 5000)
    assert [replace(MARKER, origin=origin).template for origin in made_from] == [900, 901, None, None, None, None]


def test_the_name_of_a_script_may_hold_a_colon() -> None:
    odd = replace(MARKER, scripts=(("x:y.sh", "01234567"),))
    assert read_marker(write_marker(odd)) == odd


def test_the_line_is_found_wherever_people_moved_it() -> None:
    moved = f"{LINE}\nAsk Ann first.\n"
    assert read_marker(moved) == MARKER
    assert without_marker(moved) == "Ask Ann first."


def test_a_clones_marker_still_names_its_source() -> None:
    inherited = read_marker(write_marker(MARKER))
    assert inherited is not None
    assert inherited.ctid == 103


@pytest.mark.parametrize(
    "broken",
    [
        "",
        "phoenix-lxc",
        f"see {LINE}",
        *(LINE.replace("ctid=103", f"ctid={other}") for other in ("one", "1_03", "0103", "-5", "\u0661\u0660\u0663")),
        f"{LINE} via=-5",
        f"{LINE} copy=9_00",
        LINE.replace(" as=container", ""),
        LINE.replace("container", "vm"),
        LINE.replace("configured", "done"),
        LINE.replace("hash=sha256:ab", "hash"),
    ],
)
def test_half_a_marker_is_none(broken: str) -> None:
    assert read_marker(broken) is None


MANY = 30_000
HOSTILE = {
    "a template's name": "from=" + "1.tar" * MANY + "!",
    "a script's name": "scripts=" + "a:" * MANY + "!",
    "fields": "ctid=1 " * MANY + "!",
    "spaces": " " * MANY + "!",
    "quotes": ">" * MANY + "!",
    "tags": "<a " * MANY + "!",
    "carriage returns": "\r" * MANY + "!",
    "underscores": "from=1.tar" + "_" * MANY + "!",
    "emphasis": "ctid=1" + "*_" * MANY + "!",
}


@pytest.mark.parametrize("hostile", HOSTILE)
def test_notes_of_any_length_and_form_are_read_in_one_go(hostile: str) -> None:
    """Whoever may edit notes would hold up a worker for hours, with what is read again from each place in it."""
    for notes in (f"{LINE}\n{HOSTILE[hostile]}", HOSTILE[hostile]):
        assert read_marker(notes) == (MARKER if notes.startswith(LINE) else None)
        assert without_marker(notes).endswith(HOSTILE[hostile][-1])
    on_its_line = read_marker(f"{LINE} {HOSTILE[hostile]}")
    assert on_its_line == (MARKER if hostile == "carriage returns" else None)


def test_a_copy_says_of_what_it_is_one_and_where_it_is_bound_for() -> None:
    line = "phoenix-lxc: ctid=9100 id=c1 as=template stage=made hash=h1 copy=900 to=pve2"
    copy = Marker(9100, "c1", Role.TEMPLATE, Stage.MADE, "h1", copy_of=900, bound_for="pve2")
    assert read_marker(line) == read_marker(write_marker(copy, "")) == copy


def test_a_task_is_known_however_often_it_was_replaced() -> None:
    assert are_of_one_task("8015d8381", "8015d8382")
    assert not are_of_one_task("8015d8381", "8015d8391")
