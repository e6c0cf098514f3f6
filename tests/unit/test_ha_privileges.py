"""What `check` says of the privileges that HA resources take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.checkup.ha_privileges import declaring_ha, judge_ha
from phoenix_worker.core.checkup.line import Level, Line
from tests.unit.catalog_files import clone, loaded, template

if TYPE_CHECKING:
    from pathlib import Path

USER, TOKEN = "phoenix@pve", "phoenix@pve!worker"


def test_entries_with_the_key_need_it(tmp_path: Path) -> None:
    entries = {"900": template(), "103": clone("900", ha=True), "104": clone("900", ha=False), "105": clone("900")}
    assert declaring_ha(loaded(tmp_path, entries)) == [103, 104]


def test_a_token_that_has_both_is_fine() -> None:
    assert list(judge_ha([103], {"Sys.Audit", "Sys.Console"}, USER, TOKEN)) == [
        Line("Proxmox privileges for HA", Level.OK, f"{TOKEN} has Sys.Audit and Sys.Console on /")
    ]


@pytest.mark.parametrize(
    ("held", "lacking"),
    [(set(), "Sys.Audit, Sys.Console"), ({"Sys.Audit"}, "Sys.Console"), ({"Sys.Console"}, "Sys.Audit")],
)
def test_what_is_lacking_is_told_with_the_role_that_grants_it(held: set[str], lacking: str) -> None:
    (line,) = judge_ha([103, 104], held, USER, TOKEN)
    assert (line.about, line.level) == ("Proxmox privileges for HA", Level.ERROR)
    assert line.text == f"{TOKEN} lacks {lacking} on /, and the catalog has `ha` for 103, 104"
    assert line.remedy == (
        'pveum role add PhoenixHA --privs "Sys.Audit Sys.Console" 2>/dev/null || '
        f'pveum role modify PhoenixHA --privs "{lacking.replace(",", "")}" --append 1; '
        f"pveum acl modify / --users {USER} --tokens '{TOKEN}' --roles PhoenixHA"
    )
