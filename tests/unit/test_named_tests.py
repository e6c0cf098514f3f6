"""The tests that the documents name are there, under the names that they give."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
_PATH = r"((?:unit|contract|integration|acceptance|crash|browser)/test_\w+\.py)"
NAMED = re.compile(rf"`(?:tests/)?{_PATH}`(?:: `…?(\w+)…?`)?")


def test_each_test_that_a_page_names_is_there() -> None:
    named = {
        (page.name, file, name)
        for page in sorted((ROOT / "docs").rglob("*.md"))
        for file, name in NAMED.findall(page.read_text(encoding="utf-8"))
    }
    assert len(named) > 50
    absent = []
    for page, file, name in sorted(named):
        path = ROOT / "tests" / file
        if (
            not path.exists()
            or re.search(rf"^def test_\w*{name}", path.read_text(encoding="utf-8"), re.MULTILINE) is None
        ):
            absent.append((page, file, name))
    assert absent == []
