"""What is refused, or pointed out, about entries taken together: in whole sentences, and at the edges of each rule."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.loading import CatalogError, load
from tests.unit.catalog_files import DEFAULTS, clone, loaded, network, refusals, template, warnings
from tests.unit.test_catalog_refusals import EVERY

if TYPE_CHECKING:
    from pathlib import Path

MIGRATE = "Run: phoenix-lxc migrate FILE --write."
TOGETHER: list[tuple[int | None, str, str]] = [
    (101, "clone_from_ctid 999 is not in the catalog.", "Declare 999, or name one of 102, 900, 901."),
    (
        105,
        "It has neither template nor clone_from_ctid, so there is nothing to create it from.",
        "Declare one of the two.",
    ),
    (
        102,
        "Circular dependency: 102 → 103 → 104 → 102.",
        "Remove one clone_from_ctid or dependency from this circle.",
    ),
    (106, "It depends on 900, which is a template and never runs.", "Remove 900 from dependencies."),
    (
        107,
        "storage_size_gb 8 is less than the 16 GB of its template 900; disks only grow.",
        "Declare at least 16.",
    ),
    (
        118,
        "The volume /srv/data has 4 GB, less than the 8 GB of its template 901.",
        "Declare at least 8; disks only grow.",
    ),
    (
        108,
        "unprivileged is false, but true in its template 900.",
        "Remove it, or clone from a template where it is false.",
    ),
    (
        900,
        "It is a template with mount_points, and Proxmox cannot clone a bind mount.",
        "Move mount_points to the containers cloned from it.",
    ),
    (
        110,
        "mac_address 52:54:00:00:00:01 is also that of 109.",
        "Give each its own, or remove it and let Proxmox choose.",
    ),
    (110, "The address 10.0.0.9 is also that of 109.", "Give each its own."),
    (110, "The address fd00::9 is also that of 109.", "Give each its own."),
    (
        111,
        "It has no network_config and would inherit the address 10.0.0.200 of its template 900.",
        "Declare network_config with an address of its own, or with dhcp.",
    ),
    (None, "The section lxc_templates belongs to an older format.", MIGRATE),
    (115, "template_file belongs to an older format.", MIGRATE),
]


def test_each_refusal_is_these_words() -> None:
    with pytest.raises(CatalogError) as caught:
        load(EVERY, DEFAULTS, require_scripts=True)
    told = [(one.ctid, one.problem, one.remedy) for one in caught.value.refusals]
    assert [one for one in told if one in TOGETHER] == TOGETHER


def told(folder: Path, configs: dict[str, Any]) -> list[tuple[int | str | None, str, str]]:
    return [(one.ctid, one.problem, one.remedy) for one in refusals(folder, {"lxc_configs": configs})]


def test_where_nothing_is_a_template_one_is_asked_for(tmp_path: Path) -> None:
    assert told(tmp_path, {"103": clone(900)}) == [
        (103, "clone_from_ctid 900 is not in the catalog.", "Declare 900, or declare template in its place.")
    ]


def test_a_template_that_nothing_clones_is_one_to_name(tmp_path: Path) -> None:
    (refused,) = told(tmp_path, {"103": clone(999), "901": template(is_template=True)})
    assert refused[2] == "Declare 999, or name one of 901."


def test_each_old_key_is_named_and_stands_for_an_origin(tmp_path: Path) -> None:
    entry = {"name": "x", "template_file": "a.sh", "clone_from_template_ctid": 900}
    assert told(tmp_path, {"103": entry}) == [
        (103, f"{key} belongs to an older format.", MIGRATE) for key in ("clone_from_template_ctid", "template_file")
    ]


def test_a_snapshot_of_a_template_is_pointed_out(tmp_path: Path) -> None:
    (advice,) = warnings(tmp_path, {"103": template(), "900": template(template_snapshot_name="final-form")})
    problem = "template_snapshot_name has no effect: native templates need no snapshot."
    assert (advice.ctid, advice.problem, advice.remedy) == (900, problem, MIGRATE)


@pytest.mark.parametrize(
    ("source", "keys", "pointed_out"),
    [
        ({"storage_pool": "zfs"}, {"clone": "linked", "storage_pool": "other"}, True),
        ({"storage_pool": "zfs"}, {"clone": "linked", "storage_pool": "zfs"}, False),
        ({"storage_pool": "zfs"}, {"clone": "full", "storage_pool": "other"}, False),
        ({"storage_pool": "zfs"}, {"clone": "linked"}, False),
        ({}, {"clone": "linked", "storage_pool": "other"}, False),
    ],
)
def test_a_storage_that_a_linked_clone_cannot_go_to_is_pointed_out(
    tmp_path: Path, source: dict[str, Any], keys: dict[str, Any], pointed_out: bool
) -> None:
    found = warnings(tmp_path, {"900": template(**source), "103": clone(**keys), "104": template(storage_pool="third")})
    expected = (
        103,
        "storage_pool other has no effect: a linked clone stays on zfs, with its template 900.",
        'Declare zfs, or "clone": "full".',
    )
    assert [(one.ctid, one.problem, one.remedy) for one in found] == ([expected] if pointed_out else [])


def test_a_size_is_that_of_the_nearest_template_that_declares_one(tmp_path: Path) -> None:
    configs = {
        "900": template(storage_size_gb=4),
        "901": clone(900, storage_size_gb=16),
        "902": clone(901),
        "103": clone(902, storage_size_gb=8),
        "104": clone(902),
        "105": clone(902, storage_size_gb=16),
    }
    problem = "storage_size_gb 8 is less than the 16 GB of 901, which its template 902 is made from; disks only grow."
    assert told(tmp_path, configs) == [(103, problem, "Declare at least 16.")]


def test_a_dependency_on_a_template_is_told_once_for_each(tmp_path: Path) -> None:
    configs = {
        "900": template(is_template=True),
        "103": template(dependencies=[900, 104, 900]),
        "104": template(dependencies=[900]),
    }
    assert [one[0] for one in told(tmp_path, configs)] == [103, 104]


def test_the_first_of_several_keeps_what_is_its_own(tmp_path: Path) -> None:
    mac = {"mac_address": "52:54:00:00:00:01", "network_config": network("10.0.0.7/24")}
    configs = {str(ctid): template(**mac) for ctid in (104, 103, 105)}
    problems = [(ctid, problem) for ctid, problem, _ in told(tmp_path, configs)]
    assert problems == [
        *(
            (ctid, f"mac_address 52:54:00:00:00:01 is also that of {problems[0][1][-4:-1]}.")
            for ctid, _ in problems[:2]
        ),
        *((ctid, f"The address 10.0.0.7 is also that of {problems[0][1][-4:-1]}.") for ctid, _ in problems[:2]),
    ]


def test_each_address_that_would_be_inherited_is_told(tmp_path: Path) -> None:
    one = {"bridge": "vmbr0", "ip": "10.0.0.7/24", "ip6": "fd00::7/64"}
    configs = {"900": template(networks=[one, {"bridge": "vmbr1", "ip": "10.1.0.7/24"}]), "103": clone()}
    inherited = [line.split("the address ") for _, line, _ in told(tmp_path, configs)]
    assert inherited == [
        ["It has no network_config and would inherit ", "10.0.0.7 of its template 900."],
        ["It has no network_config and would inherit ", "fd00::7 of its template 900."],
        ["It declares no net1 and would inherit ", "10.1.0.7 of its template 900."],
    ]
    configs["900"] = template(networks=[one])
    assert loaded(tmp_path, {**configs, "103": clone(networks=[network("dhcp")])})


def test_a_bind_mount_stands_in_the_way_only_in_a_template(tmp_path: Path) -> None:
    mounts = {"mount_points": [{"host_path": "/srv", "container_path": "/srv"}]}
    assert [
        one[0] for one in told(tmp_path, {"901": template(is_template=True, **mounts), "103": template(**mounts)})
    ] == [901]
