"""Every cause that a failure can have is explained in docs/errors.md."""

from __future__ import annotations

import re

from tests.support.worker import ROOT
from tests.unit.causes import causes

PAGE = (ROOT / "docs" / "errors.md").read_text()
EXPLAINED = re.findall(r"^\| `([^`]+)` \| ", PAGE, re.MULTILINE)


def test_the_search_finds_causes_however_they_are_written() -> None:
    """By keyword, as a name, in a dict, as an argument in order, in a row of a table, by assignment."""
    written = "dependency no-shell internal not-ours proxmox-login tls shell-cut shell-host-key revoked"
    assert set(written.split()) <= causes()


def test_every_cause_is_explained_once_and_no_other() -> None:
    assert sorted(EXPLAINED) == sorted(set(EXPLAINED))
    assert set(EXPLAINED) - causes() == set(), "explained, and not in the code"
    assert causes() - set(EXPLAINED) == set(), "explain it in docs/errors.md"


def test_every_explanation_says_what_to_do() -> None:
    for row in re.findall(r"^\| `.*$", PAGE, re.MULTILINE):
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        assert len(cells) == 3, row
        assert all(cells), row
