"""Our line in notes that people edit, and how long it may become."""

from __future__ import annotations

import re
import textwrap
from dataclasses import replace
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_producer.contract import DesiredState
from phoenix_worker.catalog.declaration import Declaration, HealthCheck, Role, Script
from phoenix_worker.core.allowed.ownership import Action, judge
from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.differs.scripts import changed_scripts, mark_of, scripts_to_run
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.marker import LONGEST_NOTES, read_marker, without_marker, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.notes import longest_notes, too_long
from phoenix_worker.core.planned.rebuilding import refuse_rebuild
from tests.support.declared import AS_DECLARED, DECLARED, MARKER

BOBS = "phoenix-lxc: owner=bob"
FOREIGN = (
    BOBS,
    f"  {BOBS}",
    "phoenix-lxc:",
    "phoenix-lxc: ctid=103",
    "phoenix-lxc: ctid=103 id=c1 as=container stage=configured",
    f"see {write_marker(MARKER)}",
)
OTHERS = write_marker(replace(MARKER, ctid=104))
BLANKS = st.text(" \t\u00a0\ufeff\u200b", max_size=4)
AROUND = st.sampled_from(
    [
        *(("", ""), ("> ", ""), (">> - ", ""), ("* ", "  "), ("12. ", "\\"), ("### ", ""), ("`", "`"), ("**", "**")),
        *(("", "<br>"), ("<p>", "</p>"), ("<!-- ", " -->"), ("| ", " |"), ("+ ", ";")),
        *(("_", "_"), ("- [ ] ", ""), ("1. [x] __", "__"), ("> **_", "_**")),
        ("<div align='center'><code>", "</code></div>"),
    ]
)
FULL = replace(
    MARKER,
    creation="0b5c17e10",
    declaration="0123456789abcdef",
    origin="901,linked",
    build="a5b5c17e1",
    via=9155,
    scripts=(("feature_1", "01234567"), ("x:y.sh", "89abcdef")),
    verified="0123456789abcdef",
)
TEXTS = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20).filter(
    lambda text: "phoenix-lxc:" not in text
)
LINES = st.lists(st.one_of(TEXTS, st.sampled_from((*FOREIGN, OTHERS, ""))), max_size=4)


@st.composite
def edited(draw: st.DrawFn) -> str:
    """Notes after any edit that keeps our line."""
    before, after = draw(AROUND)
    ours = draw(BLANKS) + before + write_marker(MARKER) + after + draw(BLANKS)
    newline = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    return newline.join([*draw(LINES), ours, *draw(LINES)]) + draw(st.sampled_from(["", newline]))


def foreign(notes: str) -> list[str]:
    looks_like_it = {line.strip() for line in FOREIGN}
    return [line.strip() for line in notes.splitlines() if line.strip() in looks_like_it]


@given(edited())
def test_what_people_do_to_the_notes_does_not_make_it_theirs(notes: str) -> None:
    seen = Observation(103, "pve1", Presence.HERE, AS_DECLARED | {"description": notes}, running=True)
    assert (seen.is_ours, seen.marker) == (True, MARKER)
    undescribed = replace(DECLARED, description=None, hash="h2", state=DesiredState.RUNNING)
    assert judge(undescribed, seen).action is Action.CONVERGE
    again = diff(undescribed, seen).put["description"]
    assert read_marker(again, 103) == replace(MARKER, declaration="h2")
    assert foreign(again) == foreign(notes), "what is bob's stays"


WRAPPED = (("", "", ""), ("> ", "> ", ""), ("- ", "  ", ""), ("<!-- ", "", " -->"), ("`", "", "`"), ("> _", "> ", "_"))
"""What is before a line that an editor has wrapped, before each that goes on with it, and behind the last."""


@given(st.integers(20, 120), st.sampled_from(WRAPPED), LINES, LINES)
def test_a_line_that_an_editor_wrapped_is_whole(
    width: int, marks: tuple[str, str, str], above: list[str], below: list[str]
) -> None:
    filled = textwrap.fill(write_marker(FULL), width, break_long_words=False, break_on_hyphens=False)
    escaped = re.sub(r"(?=[_~*])", r"\\", filled)  # as an editor of Markdown does
    for lines in (filled, escaped):
        notes = "\n".join([*above, marks[0] + lines.replace("\n", f"\n{marks[1]}") + marks[2], *below])
        assert read_marker(notes, 103) == FULL
        assert foreign(without_marker(notes)) == foreign("\n".join([*above, *below]))


@pytest.mark.parametrize(
    "theirs", ["from=Ann", "to=bob", "verified=yes", "id=5", "as=root", "hash=none", "ctid=", "owner=bob"]
)
def test_a_line_of_theirs_below_ours_is_no_part_of_it(theirs: str) -> None:
    notes = f"{write_marker(MARKER)}\n{theirs}"
    assert read_marker(notes, 103) == MARKER
    assert without_marker(notes) == theirs


@pytest.mark.timeout(60)
@pytest.mark.parametrize("piece", ["*", "> ", "<", "<!--", "<a", "1. ", "id=aaaaaaaa ", "scripts=a:", "\\", "`x", "_"])
def test_notes_that_nobody_would_write_are_read_at_once(piece: str) -> None:
    """They may have 8,192 characters, and each look reads them."""
    for begin in ("", "phoenix-lxc: a=b ", "phoenix-lxc: ctid=103\n", "_phoenix-lxc: a=b"):
        notes = f"{begin}{piece * (LONGEST_NOTES // len(piece))}x"
        assert read_marker(notes, 103) is None
        assert without_marker(notes) == notes.strip()


def test_notes_that_were_encoded_twice_are_read_as_they_were_written() -> None:
    encoded = quote(write_marker(FULL, "Für die 50% CA."), safe=" =,")
    for notes in (encoded, encoded.replace("%3A", "%3a"), f"{encoded}\n"):
        assert read_marker(notes, 103) == FULL
        assert without_marker(notes) == "Für die 50% CA."
    assert without_marker("50%25 of a%3A") == "50%25 of a%3A"


@pytest.mark.parametrize("line", ["~~{}~~", "was {}", "{} (old)", "//{}", "x{}"])
def test_a_line_that_is_struck_or_told_of_is_not_ours(line: str) -> None:
    notes = line.format(write_marker(MARKER))
    assert read_marker(notes, 103) is None
    assert without_marker(notes) == notes


@given(edited())
def test_what_is_read_once_is_the_same_ever_after(notes: str) -> None:
    seen = Observation(103, "pve1", Presence.HERE, AS_DECLARED | {"description": notes}, running=True)
    declared = replace(DECLARED, description=None, hash="h2")
    again = diff(declared, seen).put["description"]
    then = replace(seen, config=seen.config | {"description": again + "\n"})
    assert "description" not in diff(declared, then).put


def test_line_ends_of_other_editors_are_no_difference() -> None:
    declared = replace(DECLARED, description="one\ntwo")
    notes = write_marker(MARKER, "one\ntwo").replace("\n", "\r\n")
    seen = Observation(103, "pve1", Presence.HERE, AS_DECLARED | {"description": notes}, running=True)
    assert "description" not in diff(declared, seen).put


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r\r\n", "\r\r\r\n"])
def test_line_ends_that_are_declared_are_written_once(ends: str) -> None:
    """Two editors in turn make `\\r\\r\\n` of a line's end."""
    declared = replace(DECLARED, description=f"one{ends}two")
    seen = Observation(103, "pve1", Presence.HERE, AS_DECLARED | {"description": write_marker(MARKER)}, running=True)
    written = diff(declared, seen).put["description"]
    then = replace(seen, config=seen.config | {"description": f"{written}\n"})
    assert "description" not in diff(declared, then).put


def test_the_line_of_the_container_itself_counts_among_copies() -> None:
    newer = replace(MARKER, verified="h1")
    notes = "\n".join([OTHERS, write_marker(MARKER), OTHERS, write_marker(newer), OTHERS])
    assert read_marker(notes, 103) == newer
    assert without_marker(f"{notes}\n{BOBS}") == BOBS


SCRIPTS = tuple(Script(f"feature_{number}", f"features/{number}.sh", f"{number:016x}", "x") for number in range(1, 21))
SCRIPTED = replace(DECLARED, scripts=SCRIPTS)


def test_hashes_of_scripts_are_short_and_those_of_earlier_versions_are_known() -> None:
    ran = replace(MARKER, scripts=tuple((script.name, script.hash) for script in SCRIPTS))
    earlier = read_marker(write_marker(ran))
    assert earlier is not None
    assert scripts_to_run(SCRIPTED, earlier) == ()
    assert changed_scripts(SCRIPTED, earlier) == []
    assert earlier == replace(MARKER, scripts=tuple(map(mark_of, SCRIPTS)))
    assert len(write_marker(earlier)) == len(write_marker(ran)) - 8 * len(SCRIPTS)
    changed = replace(SCRIPTED, scripts=(replace(SCRIPTS[0], hash="f" * 16), *SCRIPTS[1:]))
    assert [script.name for script in scripts_to_run(changed, earlier)] == changed_scripts(changed, earlier)


def test_it_is_what_will_be_written_last() -> None:
    undescribed = replace(DECLARED, description=None, clone_from=None)
    begun = "phoenix-lxc: ctid=103 id=xxxxxxxxxxxx as=container stage=configured hash=h1"
    assert longest_notes(undescribed) == begun
    assert longest_notes(undescribed, Observation(103, "pve1", Presence.HERE, {})) == begun
    cloned = replace(undescribed, clone_from=900)
    assert longest_notes(cloned) == f"{begun} from=900 build=xxxxxxxxxxxx"
    ours = replace(MARKER, creation="c1c1", origin="901,linked", build="b1", via=9155)
    there = Observation(103, "pve1", Presence.HERE, {"description": write_marker(ours, "Ann's.")})
    line = "phoenix-lxc: ctid=103 id=c1c1 as=container stage=configured hash=h1 from=901,linked build=b1 via=9155"
    assert longest_notes(cloned, there) == f"Ann's.\n\n{line}"
    others = Observation(103, "pve1", Presence.HERE, {"description": write_marker(replace(ours, ctid=104))})
    assert longest_notes(cloned, others).endswith(
        "id=xxxxxxxxxxxx as=container stage=configured hash=h1 from=900 build=xxxxxxxxxxxx"
    )
    scripted = replace(undescribed, scripts=SCRIPTS[:1], access=(SCRIPTS[0], SCRIPTS[1]))
    marks = "scripts=feature_2:00000000,feature_1:00000000"
    assert longest_notes(scripted) == f"{begun} {marks}"
    healthy = replace(scripted, state=DesiredState.RUNNING, health_check=HealthCheck("true"))
    assert longest_notes(healthy) == f"{begun} {marks} verified=h1"


def described(length: int) -> Declaration:
    """With notes of this length once all is done."""
    short = replace(SCRIPTED, description="x")
    return replace(short, description="x" * (1 + length - len(longest_notes(short))))


def test_the_line_is_counted_with_all_that_will_be_in_it() -> None:
    assert too_long(described(LONGEST_NOTES)) is None
    problem = too_long(described(LONGEST_NOTES + 7))
    assert problem is not None
    assert problem.cause == "notes-too-long"
    assert "8199 characters" in problem.message
    assert problem.remedy.startswith("Shorten its `description` in the catalog")
    assert problem.remedy.endswith("by 7 characters.")


def test_the_build_of_its_template_is_counted_before_it_is_known() -> None:
    clone, root = replace(SCRIPTED, clone_from=900), replace(SCRIPTED, clone_from=None, os_template="local:vztmpl/900")
    assert len(longest_notes(clone)) == len(longest_notes(root)) + len(" build=") + 12


def test_notes_that_are_not_declared_count_as_they_stand_there() -> None:
    declared = replace(SCRIPTED, description=None)
    seen = Observation(103, "pve1", Presence.HERE, {"description": "x" * 8100})
    problem = too_long(declared, seen)
    assert problem is not None
    assert "its notes in Proxmox" in problem.remedy
    assert too_long(declared) is None
    names = tuple(replace(script, name="n" * 900) for script in SCRIPTS)
    problem = too_long(replace(declared, scripts=names))
    assert problem is not None
    assert "the names of its `features`" in problem.remedy


def test_a_template_is_not_destroyed_for_one_whose_notes_are_too_long() -> None:
    template = replace(described(LONGEST_NOTES + 1), role=Role.TEMPLATE, description="x" * LONGEST_NOTES)
    with pytest.raises(PermanentError, match="Proxmox takes 8192"):
        refuse_rebuild(template, template)
