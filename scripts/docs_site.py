"""Hooks of the site of docs: what lies outside of docs/ is brought in, and links that lead out of it are carried over.

The pages are written for a reader of the repository. README, changelog and security policy become pages; the reference
of the API is made from docstrings. Other files are linked to where PHOENIX_LXC_REPOSITORY says that the repository is.
"""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
REPOSITORY = os.environ.get("PHOENIX_LXC_REPOSITORY", "").rstrip("/")
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
BROUGHT_IN = {
    ROOT / "README.md": "index.md",
    ROOT / "CHANGELOG.md": "changelog.md",
    ROOT / "SECURITY.md": "security-policy.md",
}
DOCUMENTED = (
    "phoenix_producer.client.producer",
    "phoenix_producer.client.handle",
    "phoenix_producer.client.channel",
    "phoenix_producer.contract",
    "phoenix_producer.nodes",
    "phoenix_producer.plans",
    "phoenix_producer.standing",
    "phoenix_producer.testing",
)
"""Modules whose names are public: `phoenix_producer` has most of them by themselves."""
_API = "# API of the producer\n\nMade from the docstrings of `phoenix_producer`.\n\n"
_LINK = re.compile(r"\[((?:[^\[\]]|\[[^\]]*\])*)\]\((?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?\)")


def on_config(config: MkDocsConfig) -> None:
    """Say which version the site is of, and where the sources are."""
    config.site_name = f"{config.site_name} {VERSION}"
    config.repo_url = REPOSITORY or None
    decisions = [{"Decisions": [f"adr/{page.name}" for page in sorted((DOCS / "adr").glob("*.md"))]}]
    for section in config.nav or ():
        for title, pages in section.items():
            section[title] = pages if isinstance(pages, str) else [one for one in pages if one != "adr/*"]
            if "adr/*" in pages:
                section[title] += decisions


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that are not in docs/."""
    from mkdocs.structure.files import File  # noqa: PLC0415 - an extra

    for source, name in BROUGHT_IN.items():
        files.append(File.generated(config, name, content=source.read_text(encoding="utf-8")))
    api = _API + "\n\n".join(f"::: {module}" for module in DOCUMENTED)
    files.append(File.generated(config, "api.md", content=api))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Carry over the links of a page."""
    del config, files
    places = {name: source.parent for source, name in BROUGHT_IN.items()}
    place = places.get(page.file.src_uri, (DOCS / page.file.src_uri).parent)
    return _LINK.sub(lambda found: carried(found, place, page.file.src_uri), markdown)


def carried(found: re.Match[str], place: Path, page: str) -> str:
    """Return a link as it is on the site; its words alone if it leads to a file that is nowhere to be linked to."""
    words, anchor = found[1], found[3] or ""
    target = (place / found[2]).resolve()
    inside = BROUGHT_IN.get(target)
    if inside is None and target.is_relative_to(DOCS):
        inside = target.relative_to(DOCS).as_posix()
    if inside is not None:
        return f"[{words}]({os.path.relpath(inside, Path(page).parent)}{anchor})"
    if not target.exists():
        return found[0]  # for mkdocs to refuse
    return f"[{words}]({REPOSITORY}/blob/v{VERSION}/{target.relative_to(ROOT).as_posix()})" if REPOSITORY else words
