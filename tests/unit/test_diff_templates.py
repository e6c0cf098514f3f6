from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from phoenix_producer.contract import Change
from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.differs.diff import creation_config, diff, hot, marker_for
from phoenix_worker.core.model.marker import Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from tests.support.declared import AS_DECLARED, DECLARED, MARKER, seen

TEMPLATE = replace(DECLARED, role=Role.TEMPLATE)
TEMPLATE_NOTES = write_marker(replace(MARKER, role=Role.TEMPLATE), "The CA.")
BASE = "local-lvm:base-103-disk-0,size=8G"


def template(**config: str) -> Observation:
    return seen(**({"description": TEMPLATE_NOTES, "onboot": None, "startup": None} | config))


def test_a_sealed_template_is_configured_but_neither_grown_nor_started_at_boot() -> None:
    changes = diff(TEMPLATE, template(rootfs=BASE, template="1", memory="64"))
    assert (changes.put, changes.delete, changes.grow) == ({"memory": "1024"}, (), {})


def test_a_flag_without_a_base_volume_goes() -> None:
    changes = diff(TEMPLATE, template(template="1"))
    assert changes
    assert (changes.put, changes.delete) == ({}, ("template",))
    assert changes.changes == (Change(key="template", old="1"),)


def test_a_disk_under_the_flag_grows_once_the_flag_is_gone() -> None:
    changes = diff(TEMPLATE, template(template="1", rootfs="local-lvm:vm-103-disk-0,size=8G"))
    assert (changes.delete, changes.grow) == (("template",), {"rootfs": 16})


def test_a_base_volume_without_the_flag_gets_it() -> None:
    changes = diff(TEMPLATE, template(rootfs=BASE))
    assert (changes.put, changes.delete) == ({"template": "1"}, ())
    assert changes.changes == (Change(key="template", new="1"),)


def test_a_container_never_gets_the_flag() -> None:
    assert "template" not in diff(DECLARED, seen(rootfs=BASE)).put


# Creating, and what is taken at once


ROOT = replace(TEMPLATE, clone_from=None, os_template="local:vztmpl/x.tar.zst")


def test_a_creation_says_everything_in_one_request() -> None:
    container = replace(ROOT, role=Role.CONTAINER)
    assert creation_config(container, MARKER) == {
        **{key: value for key, value in AS_DECLARED.items() if key != "arch"},
        "tags": "ca;Infra;phoenix",
        "description": write_marker(MARKER, "The CA."),
        "rootfs": "local-lvm:16",
    }


def test_what_is_created_so_needs_no_change() -> None:
    marker = marker_for(ROOT, "c1", Stage.CONFIGURED)
    created = creation_config(ROOT, marker) | {"rootfs": "local-lvm:vm-103-disk-0,size=16G"}
    assert not diff(ROOT, Observation(103, "pve1", Presence.HERE, created))


def test_without_declared_notes_there_is_only_our_line() -> None:
    assert creation_config(replace(ROOT, description=None), MARKER)["description"] == write_marker(MARKER)


def test_a_template_does_not_start_at_boot() -> None:
    assert {"onboot", "startup"}.isdisjoint(creation_config(ROOT, MARKER))


@pytest.mark.parametrize(
    ("fields", "disk"),
    [
        ({"disk_gb": None}, {"storage": "local-lvm"}),
        ({"storage": None, "disk_gb": None}, {}),
        ({"storage": None}, {"rootfs": "16"}),
        ({}, {"rootfs": "local-lvm:16"}),
    ],
)
def test_the_disk_of_a_creation(fields: dict[str, Any], disk: dict[str, str]) -> None:
    config = creation_config(replace(ROOT, **fields), MARKER)
    assert {key: value for key, value in config.items() if key in {"rootfs", "storage"}} == disk


def test_what_a_running_container_takes_at_its_next_start() -> None:
    changes = diff(DECLARED, seen(features=None, memory="64", nameserver=None))
    assert set(changes.pending_when_running) == {"features", "nameserver"}
    assert hot("memory")
    assert hot("net0")
