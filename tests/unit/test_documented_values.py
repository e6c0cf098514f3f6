"""Every value that the documentation of the catalog gives as an example is one that the catalog takes."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.schema import catalog_schema
from tests.support.worker import ROOT
from tests.unit.catalog_files import OS_TEMPLATE, clone, loaded, template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

DEFINITIONS: dict[str, Any] = catalog_schema()["definitions"]
_RULE = {"type": "in", "action": "ACCEPT"}
_NET = {"bridge": "vmbr0"}
_PLACES: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "Device": lambda part: {"devices": [{"path": "/dev/ttyUSB0", **part}]},
    "Firewall": lambda part: {"firewall": {"enabled": True, **part}},
    "FirewallRule": lambda part: {"firewall": {"enabled": True, "rules": [part if "group" in part else _RULE | part]}},
    "FurtherNetwork": lambda part: {"networks": [_NET, {**_NET, **part}]},
    "Ha": lambda part: {"ha": part},
    "HealthCheck": lambda part: {"health_check": {"command": "true", **part}},
    "MountPoint": lambda part: {"mount_points": [{"host_path": "/srv", "container_path": "/srv", **part}]},
    "NetworkConfig": lambda part: {"network_config": {**_NET, **part}},
    "Password": lambda part: {"password": part},
    "RootDisk": lambda part: {"root_disk": part},
    "SpreadGroup": lambda part: {"spread": {"group": "web", **part}},
    "Volume": lambda part: {
        "volumes": [{"pool": "fast", "mount_point": "/data", **({} if "size" in part else {"size_gb": 8}), **part}]
    },
    "Entry": lambda part: part,
}
_OF_OS_TEMPLATES = {"os_type", "arch", "template", "is_template"}
_WITH: dict[tuple[str, str], dict[str, Any]] = {
    ("port", "echo-request"): {"proto": "icmp"},
    ("icmp_type", "echo-request"): {"proto": "icmp"},
    **{("port", ports): {"proto": "tcp"} for ports in ("443", "80,443", "8000:8010")},
}
"""What a value takes beside it, as its description says."""
_ELSEWHERE: dict[tuple[str, str], list[Any]] = {
    ("Entry", "timezone"): ["Europe/Berlin", "UTC", "host"],
    ("Entry", "gpu_assignment"): ["none", "0", "0,1"],
    ("Entry", "node"): ["any"],
    ("Entry", "ha"): ["true", "false"],
    ("Entry", "spread"): ['{"group": "web", "require": true}'],
    ("Entry", "template"): ["oci://docker.io/library/alpine:3.20"],
    ("FirewallRule", "port"): ["443", "80,443", "8000:8010"],
    ("NetworkConfig", "ip"): ["dhcp", "manual"],
    ("NetworkConfig", "ip6"): ["dhcp", "auto", "manual"],
    ("FurtherNetwork", "ip"): ["dhcp", "manual"],
    ("FurtherNetwork", "ip6"): ["dhcp", "auto", "manual"],
}
"""Values that a description names without "such as"; each stands in it between backquotes."""


def described(section: str, key: str) -> str:
    return " ".join(DEFINITIONS[section]["properties"][key]["description"].split())


def examples(section: str, key: str) -> list[Any]:
    """The values after "such as", those of a choice, and those that the description names otherwise."""
    named = re.findall(r"such as (`[^`]+`(?:(?:, | or )`[^`]+`)*)", described(section, key))
    found = [_typed(section, key, value) for group in named for value in re.findall(r"`([^`]+)`", group)]
    field = DEFINITIONS[section]["properties"][key]
    found += [one for way in field.get("anyOf", [field]) for one in way.get("enum", ()) if one not in ("", None)]
    return found + [_typed(section, key, value) for value in _ELSEWHERE.get((section, key), ())]


def _typed(section: str, key: str, text: str) -> Any:
    """As it is written in JSON: in a list where the key takes nothing else."""
    field = DEFINITIONS[section]["properties"][key]
    kinds = str([way.get("type") for way in field.get("anyOf", [field])])
    if "string" in kinds and not text.startswith("{"):
        return text
    return [text] if "array" in kinds else json.loads(text)


CASES = [
    pytest.param(section, key, value, id=f"{section}.{key}={value}")
    for section, definition in DEFINITIONS.items()
    for key in definition["properties"]
    for value in examples(section, key)
]


def test_every_section_of_the_page_has_a_place_here() -> None:
    assert _PLACES.keys() == DEFINITIONS.keys()


@pytest.mark.parametrize(("section", "key"), _ELSEWHERE)
def test_what_is_named_here_stands_on_the_page(section: str, key: str) -> None:
    for value in _ELSEWHERE[section, key]:
        assert f"`{value}`" in described(section, key), value


@pytest.mark.parametrize(("section", "key", "value"), CASES)
def test_the_catalog_takes_the_example(section: str, key: str, value: Any, tmp_path: Path) -> None:
    declared = _PLACES[section]({**_WITH.get((key, str(value)), {}), key: value})
    entry = template(**declared) if key in _OF_OS_TEMPLATES else clone(**declared)
    assert 103 in loaded(tmp_path, {"900": template(), "103": entry})


@pytest.mark.parametrize("page", sorted((ROOT / "docs").glob("*.md")), ids=lambda page: page.name)
def test_what_a_page_shows_of_a_catalog_can_be_loaded(page: Path, tmp_path: Path) -> None:
    """Whole catalogs, and entries by their CTID, beside the templates that they are cloned from."""
    for block in re.findall(r"^```json[^\n]*\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL):
        if not (shown := _entries(block)):
            continue
        cloned = {str(entry["clone_from_ctid"]) for entry in shown.values() if "clone_from_ctid" in entry}
        missing = {ctid: {"name": f"t{ctid}", "template": OS_TEMPLATE} for ctid in cloned - shown.keys()}
        assert set(map(int, shown)) <= set(loaded(tmp_path, missing | shown))


def _entries(block: str) -> dict[str, Any]:
    if "lxc_configs" in block:
        return dict(json.loads(block)["lxc_configs"])
    return dict(json.loads(f"{{{block}}}")) if re.match(r'"\d+": \{', block) else {}
