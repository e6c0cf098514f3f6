"""What the page for who comes from other tools tells to write is what the catalog takes."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from phoenix_worker.catalog.entry import Entry, parse_entry

PAGE = (Path(__file__).parents[2] / "docs" / "coming-from.md").read_text(encoding="utf-8")
ROWS = [line.split(" | ") for line in PAGE.splitlines() if line.startswith(("| `", "| a second", "| nothing"))]
FRAGMENTS = [one for row in ROWS for one in re.findall(r'`("[a-z_]+": [^`]+)`(?! in)', row[-1])]
INSIDE = [one for row in ROWS for one in re.findall(r'`("[^`]+)` in `([a-z_]+)`', row[-1])]


def test_there_are_the_twenty_most_used() -> None:
    assert len(ROWS) >= 20
    assert len({row[-1] for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_each_line_is_taken_and_has_an_effect(fragment: str) -> None:
    raw = {"name": "web", **json.loads(f"{{{fragment}}}")}
    parsed, refusals = parse_entry(103, raw)
    assert not refusals
    assert parsed is not None
    for key in raw:
        assert key in Entry.model_fields, "it is not handed to scripts alone"


@pytest.mark.parametrize(("fragment", "section"), INSIDE)
def test_a_line_of_a_section_is_taken_there(fragment: str, section: str) -> None:
    raw = {"name": "web", section: {"bridge": "vmbr0", **json.loads(f"{{{fragment}}}")}}
    assert parse_entry(103, raw)[1] == []
    assert INSIDE
