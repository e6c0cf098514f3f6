"""The site of docs: which pages it has, and where links lead that lead out of docs. `make docs` builds it."""

from __future__ import annotations

import inspect
import re
import runpy
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from markdown_it import MarkdownIt

import phoenix_producer
from phoenix_producer import Producer
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

DOCS = ROOT / "docs"


@pytest.fixture
def load(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], dict[str, Any]]:
    """The hooks, for a repository with this address."""

    def load(repository: str = "") -> dict[str, Any]:
        monkeypatch.setenv("PHOENIX_LXC_REPOSITORY", repository)
        return runpy.run_path(str(ROOT / "scripts" / "docs_site.py"))

    return load


def test_every_page_is_in_the_navigation() -> None:
    listed: list[str] = []
    for section in yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]:
        for pages in section.values():
            listed += [pages] if isinstance(pages, str) else pages
    expected = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md") if path.parent.name != "adr"}
    brought_in = {"index.md", "changelog.md", "security-policy.md", "api.md", "adr/*"}
    assert sorted(listed) == sorted(expected | brought_in)


def test_the_reference_has_every_public_name_and_services_can_import_each_answer(
    load: Callable[[str], dict[str, Any]],
) -> None:
    assert {getattr(phoenix_producer, name).__module__ for name in phoenix_producer.__all__} <= set(
        load("")["DOCUMENTED"]
    )
    asked = [method for name, method in inspect.getmembers(Producer, inspect.isfunction) if not name.startswith("_")]
    answers = {name for one in asked for name in re.findall(r"[A-Z]\w+", str(one.__annotations__["return"]))} - {"Self"}
    assert answers - {"None"} <= set(phoenix_producer.__all__)


def test_every_page_has_one_title() -> None:
    """One that a merge has emptied has none, and one that two branches have begun has two."""
    both = DOCS / "configuration.md"  # settings and catalog, generated
    pages = [page for page in (*ROOT.glob("*.md"), *DOCS.rglob("*.md")) if page != both]
    titles = {page: [token.tag for token in MarkdownIt().parse(page.read_text())].count("h1") / 2 for page in pages}
    assert [page.name for page, count in titles.items() if count != 1] == []


def test_no_two_decisions_have_the_same_number() -> None:
    files = {page: page.name[:4] for page in (DOCS / "adr").glob("0*.md")}
    assert sorted(files.values()) == sorted(set(files.values()))
    assert [page.name for page, number in files.items() if not page.read_text().startswith(f"# {int(number)}. ")] == []


@pytest.mark.parametrize(
    ("link", "page", "carried"),
    [
        ("[x](docs/errors.md#a)", "index.md", "[x](errors.md#a)"),
        ("[x](../README.md#more)", "errors.md", "[x](index.md#more)"),
        ("[x](../operations.md)", "adr/0001-embedded-server.md", "[x](../operations.md)"),
        ("[x](../examples)", "errors.md", "x"),
        ("[x](docs/none.md)", "index.md", "[x](none.md)"),
    ],
)
def test_a_link_leads_to_the_same_page_on_the_site(
    link: str, page: str, carried: str, load: Callable[[str], dict[str, Any]]
) -> None:
    hooks = load("")
    found = re.fullmatch(hooks["_LINK"], link)
    place = ROOT if page == "index.md" else (DOCS / page).parent
    assert hooks["carried"](found, place, page) == carried


def test_other_files_are_linked_to_in_the_repository(load: Callable[[str], dict[str, Any]]) -> None:
    hooks = load("https://forge.example/owner/phoenix-lxc/")
    found = re.fullmatch(hooks["_LINK"], "[x](../examples)")
    carried = hooks["carried"](found, DOCS, "errors.md")
    assert carried == f"[x](https://forge.example/owner/phoenix-lxc/blob/v{hooks['VERSION']}/examples)"
    assert not re.search(hooks["_LINK"], "[x](https://elsewhere.example) [y](#here)")
