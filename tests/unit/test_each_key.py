"""Each key of an entry, derived from the schema, with all that is promised of every one of them.

It is loaded; a change of it is planned, told as drift, and made once; it waits for a restart or does not, needs root or
does not; what cannot be changed is told; it is in the schema and on the page; and an older Proxmox is refused.
`test_every_key.py` and `test_values.py` in `acceptance` do the same with real workers, for many keys together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.likely_keys import SECTIONS
from phoenix_worker.catalog.loading import Defaults
from phoenix_worker.catalog.schema import catalog_schema
from phoenix_worker.core.allowed.ownership import Action, Verdict
from phoenix_worker.core.allowed.versions import too_old
from phoenix_worker.core.differs.diff import diff, marker_for
from phoenix_worker.core.differs.options import only_at_creation
from phoenix_worker.core.differs.unchangeable import needs_rebuild
from phoenix_worker.core.model.firewall import FirewallState
from phoenix_worker.core.model.ha import HaState
from phoenix_worker.core.model.marker import Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.plan import plan
from tests.support.modelled_pve import carried_out
from tests.support.worker import ROOT
from tests.unit.catalog_files import loaded, template
from tests.unit.keys_of_entries import KEYS, ROWS, How, Row, entry

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.catalog.declaration import Declaration

DEFAULTS = Defaults("pve", storage="local-lvm", copies=range(9100, 9200))
OURS = Verdict(Action.CONVERGE)
PAGE = (ROOT / "docs" / "configuration.md").read_text().replace("\\|", "").replace("|", "")
DEFINITIONS = catalog_schema()["definitions"]
TEMPLATES = {str(ctid): template(name=f"base{ctid}", is_template=True) for ctid in (900, 901)}


def declared(folder: Path, key: str, value: Any) -> Declaration:
    """The declaration, when it was loaded without a word."""
    catalog = loaded(folder, {**TEMPLATES, "103": entry(key, value)}, DEFAULTS)
    assert [one for one in catalog.warnings if "no effect" in one.problem] == []
    assert catalog.for_scripts == {}
    return catalog[103]


def standing(declaration: Declaration) -> Observation:
    """What is seen of a container that was made and configured as declared."""
    config = {
        "rootfs": f"{declaration.storage}:vm-103-disk-0,size=8G",
        "hostname": "web",
        "unprivileged": str(int(declaration.unprivileged)),
        "description": write_marker(marker_for(declaration, "c1", Stage.CONFIGURED), ""),
        **only_at_creation(declaration),
    }
    bare = Observation(
        103, "pve", Presence.HERE, config, firewall=FirewallState(enabled=False, rules=()), ha=HaState(), pool=""
    )
    made = carried_out(bare, diff(declaration, bare))
    assert not diff(declaration, made), "converged"
    return made


def test_each_key_of_the_schema_has_a_row() -> None:
    assert ROWS.keys() == set(KEYS)


FOR_PEOPLE = ("volumes.name", "zfs_volumes.name")


@pytest.mark.parametrize("key", KEYS)
def test_it_keeps_all_that_is_promised_of_a_key(tmp_path: Path, key: str) -> None:
    first, then = (declared(tmp_path, key, value) for value in (ROWS[key].first, ROWS[key].then))
    plain: dict[str, Any] = {"source": {}, "script_json": "", "hash": ""}
    assert (replace(first, **plain) == replace(then, **plain)) is (key in FOR_PEOPLE), "it says something"
    check_a_change(ROWS[key], first, then)
    named = any(key.partition(".")[0] in one.needs_shell for one in (first, then))
    assert named or ROWS[key].how is not How.ROOT
    assert not named or ROWS[key].how is not How.API
    check_the_documents(key)
    check_the_version(ROWS[key].needs, first)


def check_a_change(row: Row, first: Declaration, then: Declaration) -> None:
    """It is planned, told as drift, and made once; or it is told that it cannot be made."""
    there = standing(first)
    changes, told = diff(then, there), needs_rebuild(then, there)
    shown = [action for step in plan(then, there, OURS) for action in step.actions if action.kind != "record"]
    changed = row.how in (How.API, How.ROOT)
    assert bool(changes.changes) is changed
    assert not changed or shown
    assert not changed or (changes.changes == changes.root.changes) is (row.how is How.ROOT)
    assert bool(told) is (row.how is How.CREATION)
    assert bool(changes.pending_when_running) is row.waits
    assert not diff(then, carried_out(there, changes)), "nothing is left to change"


def check_the_documents(key: str) -> None:
    where, _, part = key.rpartition(".")
    model = SECTIONS[where].__name__ if where else "Entry"
    described = DEFINITIONS[model]["properties"][part]["description"]
    assert f"| {' '.join(described.split())} |".replace("|", "") in PAGE


def check_the_version(needs: tuple[int, ...] | None, declaration: Declaration) -> None:
    own = {version for name, version in declaration.needs_version if not name.startswith("template")}
    assert own == ({needs} if needs else set())
    if needs:
        refusal = too_old(declaration, declaration.needs_version, (8, 0, 0))
        assert refusal is not None
        assert ".".join(map(str, needs)) in refusal.message
        assert too_old(declaration, declaration.needs_version, (9, 2, 11)) is None
