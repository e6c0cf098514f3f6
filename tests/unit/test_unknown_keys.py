"""Every object of the catalog in the JSON Schema refuses a key that it does not have, with the likely one."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenix_worker.catalog.likely_keys import SECTIONS
from phoenix_worker.catalog.schema import catalog_schema
from tests.unit.catalog_files import network, refusals, template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SCHEMA = catalog_schema()
OBJECTS = {name: one for name, one in SCHEMA["definitions"].items() if name != "Entry"}
WHOLE: dict[str, dict[str, Any]] = {
    "network_config": network(),
    "networks": network(),
    "firewall": {"enabled": True},
    "ha": {"max_restart": 2},
    "firewall.rules": {"type": "in", "action": "ACCEPT"},
    "health_check": {"command": "true"},
    "mount_points": {"host_path": "/srv", "container_path": "/srv"},
    "root_disk": {"acl": True},
    "devices": {"path": "/dev/kvm"},
    "spread": {"group": "web"},
    "zfs_volumes": {"pool": "tank", "size_gb": 1, "mount_point": "/data"},
    "volumes": {"pool": "tank", "size_gb": 1, "mount_point": "/data"},
}
FIELDS = [(where, field) for where, model in SECTIONS.items() for field in model.model_fields]
MISSPELT: dict[str, Callable[[str], str]] = {
    "as a constant": str.upper,
    "as a title": str.capitalize,
    "in Java": lambda name: name.split("_")[0] + "".join(part.capitalize() for part in name.split("_")[1:]),
    "with hyphens": lambda name: name.replace("_", "-"),
    "with a blank": lambda name: f"{name} ",
    "with an underscore": lambda name: f"_{name}",
}


def declared(where: str, section: dict[str, Any]) -> dict[str, Any]:
    kind, _, inner = where.partition(".")
    value = {"enabled": True, inner: [section]} if inner else [section] if kind.endswith("s") else section
    return {"lxc_configs": {"103": template(**{kind: value})}}


def test_every_object_is_tried() -> None:
    assert set(WHOLE) == set(SECTIONS)
    assert {model.__name__ for model in SECTIONS.values()} | {"Password"} == set(OBJECTS)
    assert [name for name, one in OBJECTS.items() if one.get("additionalProperties") is not False] == []


@pytest.mark.parametrize("misspelt", MISSPELT)
def test_a_key_that_is_spelled_otherwise_is_refused_with_its_name(tmp_path: Path, misspelt: str) -> None:
    for where, field in FIELDS:
        key = MISSPELT[misspelt](field)
        if key == field:
            continue
        whole = {name: value for name, value in WHOLE[where].items() if name != field}
        said = [one for one in refusals(tmp_path, declared(where, whole | {key: "1"})) if f"{key} " in one.problem]
        assert [one.remedy for one in said] == [f"{field} was probably meant: write that."], (where, key)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    where=st.sampled_from(sorted(SECTIONS)), key=st.text(min_size=1, max_size=20), value=st.booleans() | st.integers()
)
def test_any_key_that_a_section_does_not_have_is_refused(tmp_path: Path, where: str, key: str, value: Any) -> None:
    if key in SECTIONS[where].model_fields:
        return
    content = declared(where, WHOLE[where] | {key: value})
    told = [one for one in refusals(tmp_path, json.dumps(content)) if "is not known here" in one.problem]
    assert len(told) == 1
    assert told[0].remedy
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(content)


@pytest.mark.parametrize(
    ("where", "key", "value", "remedy"),
    [
        ("firewall.rules", "disabled", True, 'Write "enable": false in its place.'),
        ("firewall.rules", "disabled", False, "Remove it."),
        ("firewall.rules", "source_ip", "10.0.0.1", "source was probably meant: write that."),
        ("firewall.rules", "dst-port", 22, "port was probably meant: write that."),
        ("firewall.rules", "pos", 0, "Remove it: the order of the rules is theirs."),
        ("firewall.rules", "digest", "ab", "Remove it: the order of the rules is theirs."),
        ("network_config", "dhcp", True, 'Write "ip": "dhcp" in its place.'),
        ("network_config", "macAddress", "02:00:00:00:01:01", 'Write "mac_address": "02:00:00:00:01:01" beside'),
        ("networks", "enabled", False, 'Write "link_down": true in its place.'),
        ("networks", "netmask", "255.255.255.0", "Write it behind the address"),
        ("networks", "address_v6", "fd00::2/64", "ip6 was probably meant: write that."),
        ("volumes", "size_mb", 512, 'Write "size": "512M" in its place.'),
        ("volumes", "discard", True, 'Write "mount_options": ["discard"] in its place.'),
        ("mount_points", "create", True, "Remove it: the directory is made unless it is there."),
        ("firewall", "disabled", True, 'Write "enabled": false in its place.'),
    ],
)
def test_what_other_tools_have_is_told_by_what_it_means(
    tmp_path: Path, where: str, key: str, value: Any, remedy: str
) -> None:
    (refusal,) = refusals(tmp_path, declared(where, WHOLE[where] | {key: value}))
    assert refusal.remedy.startswith(remedy)
