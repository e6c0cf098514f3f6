"""Check the links between Markdown files, for `make check`: files, pictures and anchors. Asks no network.

`python scripts/links.py [FOLDER]` prints each link that leads nowhere and ends with 1 if there is one.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
PAGES = ("*.md", "docs/**/*.md", "deploy/**/*.md", "examples/**/*.md")


@cache
def tokens(page: Path) -> list[Token]:
    """Parse a page as CommonMark with tables, as GitHub shows it."""
    return MarkdownIt().enable("table").parse(page.read_text())


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    seen: Counter[str] = Counter()
    found: set[str] = set()
    for opening, inline in pairwise(tokens(page)):
        if opening.type != "heading_open":
            continue
        text = "".join(child.content for child in inline.children or ())
        anchor = re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")
        found.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return frozenset(found)


def links(page: Path) -> Iterator[str]:
    """Yield the targets of the links and pictures of a page, but for those that name a host."""
    for block in tokens(page):
        for child in block.children or ():
            target = str(child.attrs.get("href") or child.attrs.get("src") or "")
            if target and not urlsplit(target).scheme:
                yield target


def trouble(page: Path, target: str) -> str | None:
    """Return what is wrong with a link of a page."""
    parts = urlsplit(target)
    file = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if not file.exists():
        return "no such file"
    if parts.fragment and file.suffix == ".md" and unquote(parts.fragment) not in anchors(file):
        return "no such heading"
    return None


def main() -> int:
    """Print the broken links below a folder, by default this project; return the exit code."""
    root = Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT
    pages = sorted({page for pattern in PAGES for page in root.glob(pattern)})
    checked = [(page, target) for page in pages for target in links(page)]
    broken = [(page, target, why) for page, target in checked if (why := trouble(page, target))]
    for page, target, why in broken:
        print(f"{page.relative_to(root)}: {target}: {why}")  # noqa: T201 - this is the program's output
    print(f"{len(checked)} links in {len(pages)} pages, {len(broken)} broken")  # noqa: T201
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
