"""Nobody's case is changed, and nothing is merged that the datacenter tells apart."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.core.differs.diff import diff
from phoenix_worker.core.differs.tags import hangs_on_case
from tests.support.declared import DECLARED, seen

LOWER, CASED = "ca;infra;phoenix", "ca;Infra;phoenix"
CASES: list[tuple[tuple[str, ...] | None, str, tuple[str | None, str | None]]] = [
    (("ca", "Infra"), LOWER, (None, CASED)),
    (("ca", "Infra"), CASED, (None, None)),
    (("Prod", "prod"), "Prod;phoenix", (None, "phoenix;Prod;prod")),
    (None, "Theirs;theirs", ("phoenix;theirs", "phoenix;Theirs;theirs")),
    (None, "Theirs", ("phoenix;Theirs", "phoenix;Theirs")),
    (None, "Theirs;phoenix", (None, None)),
    (None, "Theirs;Phoenix", (None, "Phoenix;phoenix;Theirs")),
    ((), "Theirs;phoenix", ("phoenix", "phoenix")),
    (("template", "gpu"), "Template;phoenix", ("gpu;phoenix;Template", "gpu;phoenix;template")),
    (("new",), "Theirs,phoenix", ("new;phoenix", "new;phoenix")),
]


@pytest.mark.parametrize("keep_case", [False, True], ids=["case says nothing", "case matters"])
@pytest.mark.parametrize(
    ("declared", "present", "wanted"),
    CASES,
)
def test_tags_are_sent_only_when_they_differ_with_the_datacenters_case(
    declared: tuple[str, ...] | None, present: str, wanted: tuple[str | None, ...], *, keep_case: bool
) -> None:
    observed = replace(seen(tags=present), tags_keep_case=keep_case)
    put = diff(replace(DECLARED, tags=declared), observed).put
    assert put == ({} if wanted[keep_case] is None else {"tags": wanted[keep_case]})


@pytest.mark.parametrize(("declared", "present", "wanted"), CASES)
def test_the_datacenter_is_asked_where_it_matters(
    declared: tuple[str, ...] | None, present: str, wanted: tuple[str | None, ...]
) -> None:
    """Also where something else is to be changed: what a clone has from its template may be spelt otherwise."""
    assert hangs_on_case(replace(DECLARED, tags=declared), seen(tags=present)) is (len(set(wanted)) > 1)
