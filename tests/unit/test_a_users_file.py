"""A catalog as users have it: a dozen containers with some forty keys each, nested templates, every spelling."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from phoenix_worker.catalog.declaration import Network
from phoenix_worker.catalog.entry import Entry
from phoenix_worker.catalog.loading import Catalog, CatalogError, load_bytes
from phoenix_worker.catalog.schema import catalog_schema
from tests.unit.catalog_files import DEFAULTS

FILE = Path(__file__).parents[1] / "data" / "a_users_file.json"
DOCUMENT: dict[str, Any] = json.loads(FILE.read_text())
ENTRIES: dict[str, dict[str, Any]] = DOCUMENT["lxc_configs"]
SAYS_NOTHING: tuple[Any, ...] = ([], {}, "", None, False, "none")
SAY_THE_SAME = {"lxc_options": "apparmor_profile", "apparmor_profile": "lxc_options"}


def loaded(entries: dict[str, Any]) -> Catalog:
    return load_bytes(json.dumps(DOCUMENT | {"lxc_configs": entries}).encode(), FILE.parent, DEFAULTS)


CATALOG = loaded(ENTRIES)


def named(ctid: int, key: str) -> bool:
    """Whether a warning, or what is told as not applied, names the key."""
    lines = [advice.problem for advice in CATALOG.warnings if advice.ctid == ctid]
    return any(key in line for line in (*lines, *CATALOG[ctid].not_applied))


def has_an_effect(ctid: str, key: str) -> bool:
    """Whether the declaration is another one without it, or none at all."""
    gone = {key, SAY_THE_SAME.get(key, key)}
    without = {name: value for name, value in ENTRIES[ctid].items() if name not in gone}
    try:
        return loaded(ENTRIES | {ctid: without})[int(ctid)].hash != CATALOG[int(ctid)].hash
    except CatalogError:
        return True


def test_it_is_as_large_as_users_have_them() -> None:
    assert len(ENTRIES) == 12
    assert sum(map(len, ENTRIES.values())) / len(ENTRIES) > 35
    assert CATALOG.templates_of(801) == (911, 901, 900)
    assert CATALOG.containers() == (101, 102, 103, 104, 801, 802, 952, 953)


@pytest.mark.parametrize("ctid", ENTRIES)
def test_every_key_is_applied_or_named_or_handed_to_scripts(ctid: str) -> None:
    lost = []
    for key, value in ENTRIES[ctid].items():
        assert CATALOG[int(ctid)].source[key] == value, "scripts get the entry as it stands in the file"
        if key not in Entry.model_fields or named(int(ctid), key):
            continue
        is_so_anyhow = value is True and key in {"unprivileged", "is_template"}
        if value not in SAYS_NOTHING and not is_so_anyhow and not has_an_effect(ctid, key):
            lost.append(key)
    assert lost == []


def test_a_key_that_was_misspelt_is_named() -> None:
    assert named(952, "enable_lifecyle_snapshots")


def test_globals_are_kept_for_scripts() -> None:
    assert CATALOG.globals == {key: value for key, value in DOCUMENT.items() if key != "lxc_configs"}


def test_what_users_write_in_many_ways_is_read_as_one() -> None:
    gateway, ca, qdrant = CATALOG[101], CATALOG[103], CATALOG[952]
    assert ca.network == Network("vmbr0", ip="10.0.0.10/24", gw="10.0.0.1", nameservers=("10.0.0.13", "1.1.1.1"))
    assert (ca.name, gateway.mac) == ("Step-CA.internal.example.org", "52:54:00:67:89:B3")
    assert gateway.firewall is not None
    assert qdrant.firewall is not None
    assert [rule.port for rule in gateway.firewall.rules or ()][:2] == ["80,443", "8443"]
    assert [rule.port for rule in qdrant.firewall.rules or ()] == ["6333,6334"]
    assert CATALOG[104].dependencies == (1001, 1002, 103), "two of them are VMs"
    assert CATALOG[104].volumes[0].mount_point == "/data/portainer"
    three = {CATALOG[ctid].raw_lines[0] for ctid in (801, 802, 101)}
    assert len(three) == 1, "written with =, with : and with : and a space"


def test_an_editor_finds_nothing_wrong() -> None:
    assert list(jsonschema.Draft7Validator(catalog_schema()).iter_errors(DOCUMENT)) == []
