"""A Proxmox that is too old for what is declared, in words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.allowed.versions import read_version, too_old
from phoenix_worker.core.checkup.line import Level, Line
from phoenix_worker.core.checkup.versions import judge_keys
from tests.support.declared import MINIMAL
from tests.support.refusing import Refusal, told
from tests.unit.catalog_files import clone, loaded, template

if TYPE_CHECKING:
    from pathlib import Path


def test_each_key_is_told_with_what_it_needs() -> None:
    needed = (("devices", (8, 2)), ("tty", (7, 4)), ("environment", (9, 1)))
    assert told(too_old(MINIMAL, needed, (8, 1))) == Refusal(
        "Unable to ensure CT 103 on pve1: devices needs Proxmox VE 8.2, environment needs Proxmox VE 9.1, and this is "
        "8.1.",
        "proxmox-too-old",
        "Upgrade Proxmox VE, or remove devices and environment from the catalog.",
    )
    assert too_old(MINIMAL, needed, (9, 1)) is None


@pytest.mark.parametrize(
    ("told", "version"),
    [("9.1.14", (9, 1, 14)), ("8.2-1", (8, 2, 1)), ("10", (10, 0, 0)), ("pve-manager/9.2", (9, 2, 0))],
)
def test_a_version_is_read_from_what_proxmox_tells(told: str, version: tuple[int, ...]) -> None:
    assert read_version(told) == version


@pytest.mark.parametrize("told", ["", "soon", "None"])
def test_what_is_no_version_is_not_taken_for_an_old_one(told: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        read_version(told)


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        ("local:vztmpl/app.tar", {"template .tar": (9, 1)}),
        ("https://example.org/app.TAR?x=1", {"template .tar": (9, 1)}),
        ("local:vztmpl/app.tar.bz2", {"template .tar.bz2": (8, 2, 9)}),
        ("local:vztmpl/app.tar.zst", {}),
        ("oci://docker.io/library/x.tar:1", {"template oci://": (9, 1)}),
    ],
)
def test_an_archive_that_older_storages_do_not_list_is_one_of_them(
    tmp_path: Path, name: str, needed: dict[str, tuple[int, ...]]
) -> None:
    entries = {"900": template(template=name, is_template=True), "103": clone(template=name)}
    catalog = loaded(tmp_path, entries)
    assert dict(catalog[900].needs_version) == needed
    assert catalog[103].needs_version == (), "the clone has it already"


def test_a_check_names_each_key_with_who_declares_it() -> None:
    devices = replace(MINIMAL, needs_version=(("devices", (8, 2)), ("tty", (8, 1))), needs_shell=("devices",))
    newer = replace(MINIMAL, ctid=90, needs_version=(("environment", (9, 1)), ("devices", (8, 2))))
    catalog = {103: devices, 90: newer, 104: MINIMAL}
    assert list(judge_keys(catalog, (8, 1), has_shell=True)) == [
        Line(
            "Proxmox version",
            Level.ERROR,
            "devices of CT 90, 103 needs Proxmox VE 8.2, and this is 8.1",
            "Upgrade Proxmox VE, or remove devices from the catalog.",
        ),
        Line(
            "Proxmox version",
            Level.ERROR,
            "environment of CT 90 needs Proxmox VE 9.1, and this is 8.1",
            "Upgrade Proxmox VE, or remove environment from the catalog.",
        ),
    ]
    without = list(judge_keys(catalog, (8, 1), has_shell=False))
    assert without[0].text == "devices of CT 90 needs Proxmox VE 8.2, and this is 8.1", "103's are not applied anyhow"
    assert list(judge_keys(catalog, (9, 1), has_shell=True)) == []
