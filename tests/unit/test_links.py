"""The links between the pages lead somewhere, and the check of `make check` sees those that do not."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.support.worker import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """# A page

## What it is: `code`, and **more**

## Twice

## Twice

`[no link](is/this.md)`

```
[nor](this.md)
```
"""


def checked(folder: Path) -> tuple[int, list[str]]:
    done = subprocess.run(
        [sys.executable, str(ROOT / "scripts" / "links.py"), str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_every_link_of_this_project_leads_somewhere() -> None:
    code, said = checked(ROOT)
    assert (code, said[:-1]) == (0, [])
    assert int(said[-1].split()[0]) > 100, "it reads the pages"


@pytest.mark.parametrize(
    "link",
    [
        "[x](docs/page.md)",
        "[x](docs)",
        "[x](docs/page.md#what-it-is-code-and-more)",
        "[x](docs/page.md#twice-1)",
        "[x](#here)",
        "[x][y]\n\n[y]: docs/page.md",
        "[x](https://nowhere.example/page.md#no)",
        "`[x](docs/none.md)`",
    ],
)
def test_a_link_that_leads_somewhere_is_accepted(tmp_path: Path, link: str) -> None:
    assert checked(written(tmp_path, link))[0] == 0


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("[x](docs/none.md)", "README.md: docs/none.md: no such file"),
        ("![x](docs/none.svg)", "README.md: docs/none.svg: no such file"),
        ("[x](docs/page.md#twice-2)", "README.md: docs/page.md#twice-2: no such heading"),
        ("[x](#there)", "README.md: #there: no such heading"),
        ("| a |\n|---|\n| [x](none.md) |", "README.md: none.md: no such file"),
        ("[x][y]\n\n[y]: docs/none.md", "README.md: docs/none.md: no such file"),
    ],
)
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, link: str, why: str) -> None:
    code, said = checked(written(tmp_path, link))
    assert (code, said) == (1, [why, "1 links in 2 pages, 1 broken"])


def written(folder: Path, link: str) -> Path:
    """A README with this link, beside a page of docs."""
    (folder / "docs").mkdir()
    (folder / "docs" / "page.md").write_text(PAGE)
    (folder / "README.md").write_text(f"# Here\n\n{link}\n")
    return folder
