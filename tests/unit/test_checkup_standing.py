"""What `phoenix-lxc check` says of a node for containers that stand there, and could only not be made again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.core.checkup.cluster import judge_node
from tests.unit.test_checkup_cluster import ABOUT, ERROR, LINKED, MADE, NODE, ON_ZFS, WARNING, ZFS

if TYPE_CHECKING:
    from phoenix_worker.core.checkup.line import Level

TAKEN_BY_DEFAULT = replace(NODE, storages={"local": replace(ZFS, name="local", kind="dir", content=frozenset({"iso"}))})
ADOPTED = replace(MADE, storage=None)
CLONE_OF_IT = replace(LINKED, clone_from=103, storage=None)


@pytest.mark.parametrize(
    ("facts", "there", "level"),
    [
        ({}, (), ERROR),
        ({}, (104,), ERROR),
        ({}, (103,), WARNING),
        ({}, (103, 104), WARNING),
        ({"disabled": frozenset({"local"})}, (103,), WARNING),
        ({"storages": {}}, (103,), WARNING),
    ],
)
def test_what_is_there_needs_nothing_that_it_would_be_made_with(
    facts: dict[str, Any], there: tuple[int, ...], level: Level
) -> None:
    """An adopted container stands on any storage, and a clone of it goes there too."""
    entries = {103: ADOPTED, 104: CLONE_OF_IT}
    lines = list(judge_node(replace(TAKEN_BY_DEFAULT, **facts), entries, entries, there=there))
    assert [(one.about, one.level) for one in lines] == [
        ("Storage local on pve1", level),
        (ABOUT, WARNING if 103 in there else ERROR),
    ]


def test_a_storage_that_is_declared_is_needed_by_what_is_there_too() -> None:
    entries = {103: replace(ON_ZFS, storage="iso")}
    node = replace(NODE, storages={"iso": replace(ZFS, name="iso", content=frozenset({"iso"}))})
    (line,) = judge_node(node, entries, entries, there={103})
    assert (line.level, line.text) == (ERROR, "takes no containers")
