"""Whole declarations in the keys of other tools: whoever does what is told of them has a catalog that loads, in words.

`of_other_tools.json` has them as Terraform, Pulumi, Ansible, `pct` and the helper scripts name their settings; what is
in them was read in public repositories, and is written by hand.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.entry import Entry
from phoenix_worker.catalog.findings import CatalogError
from tests.unit.catalog_files import loaded, refusals, template
from tests.unit.keys_of_entries import ROWS, entry
from tests.unit.test_tool_blocks import obeyed, told

if TYPE_CHECKING:
    from collections.abc import Mapping

WHOLE: Mapping[str, Any] = json.loads((Path(__file__).parents[1] / "data" / "of_other_tools.json").read_text())


@pytest.mark.parametrize("name", WHOLE)
def test_it_becomes_ours_by_what_is_told_of_it(tmp_path: Path, name: str) -> None:
    entry = obeyed(tmp_path, WHOLE[name])
    left = {key for key in entry.keys() - Entry.model_fields.keys() if entry[key] not in (None, [])}
    assert left == set()


DROP = {"type": "in", "action": "DROP"}
SAID: list[tuple[dict[str, Any], str]] = [
    (
        {"firewall_options": {"enabled": True, "input_policy": "DROP", "container_id": 103}},
        'Write "firewall": {"enabled": true, "policy_in": "DROP"} in its place.',
    ),
    (
        {"firewall_rules": [{"security_group": "w1", "pos": 0}, {"type": "in", "action": "DROP"}]},
        f'Write "firewall": {{"enabled": true, "rules": [{{"group": "w1"}}, {json.dumps(DROP)}]}} in its place.',
    ),
    ({"firewall_rules": {"rule": {"type": "in", "action": "ACCEPT", "dports": 1}}}, "firewall was probably meant."),
    ({"firewallOptions": {"enabled": True, "policy": "DROP"}}, "firewall was probably meant."),
    ({"wait_for_ip": {"ipv4": True, "ipv6": False}}, 'Write "wait_for_address": 60 in its place.'),
    ({"wait_for_ip": {"ipv4": False}}, "wait_for_address was probably meant."),
    (
        {"mounts": '{"mp0": "/mnt/nas,mp=nas"}'},
        'Write "mount_points": [{"host_path": "/mnt/nas", "container_path": "/nas"}] in its place.',
    ),
    ({"mounts": "[" * 5000}, "mount_points or volumes was probably meant."),
    (
        {"mount_point": {"volume": "tank", "size": "4G", "path": "mnt/local"}},
        'Write "volumes": [{"pool": "tank", "size_gb": 4, "mount_point": "/mnt/local"}] in its place.',
    ),
    (
        {"initialization": {"hostname": "web", "dns": {"domain": " ", "servers": []}}},
        "Remove it: name says the same.",
    ),
    ({"coers": 2}, "cores was probably meant."),
    ({"startAtBoot": True}, 'Write "start_at_boot": true in its place.'),
    ({"Memory": 512}, 'Write "memory_mb": 512 in its place.'),
    ({"SWAP": "much"}, "swap_mb was probably meant."),
    ({"hostName": "web"}, "Remove it: name says the same."),
    ({"Password": "hunter2-hunter2"}, "password was probably meant."),
    ({"var_cpu": "2"}, 'Write "cores": 2 in its place.'),
    ({"var_tags": "arr;media"}, 'Write "tags": ["arr", "media"] in its place.'),
    ({"var_unprivileged": "0"}, 'Write "unprivileged": false in its place.'),
    ({"var_brg": "vmbr1"}, "network_config was probably meant."),
    (
        {"environment_variables": {"A": "1"}},
        "environment, of a container that begins with an image, was probably meant.",
    ),
]


@pytest.mark.parametrize(("keys", "remedy"), SAID, ids=lambda one: str(one)[:40])
def test_what_it_says_is_written_out_where_it_can_be_read_whole(
    tmp_path: Path, keys: dict[str, Any], remedy: str
) -> None:
    assert told(tmp_path, keys)[1] == remedy


def other_spellings(key: str) -> set[str]:
    """Cases, hyphens, and two letters swapped. Of two letters there is too much that only looks alike."""
    cases = {key.upper(), key.title(), key.replace("_", "-"), re.sub("_(.)", lambda one: one[1].upper(), key)}
    swaps = {f"{key[:at]}{key[at + 1]}{key[at]}{key[at + 2 :]}" for at in range(len(key) - 1) if len(key) > len("ha")}
    return (cases | swaps) - {key}


def test_no_key_in_another_spelling_is_left_to_scripts_without_a_word(tmp_path: Path) -> None:
    spellings = [(key, other) for key in Entry.model_fields for other in sorted(other_spellings(key))]
    origin = {"name": "web", "template": "local:vztmpl/x.tar.zst"}
    entries = {
        str(100 + at): origin | {other: entry(key, ROWS[key].first or ROWS[key].then)[key]}
        for at, (key, other) in enumerate(spellings)
    }
    with pytest.raises(CatalogError) as refused:  # ssh-public-keys is Proxmox's own name of it
        loaded(tmp_path, entries)
    told = {one.ctid for one in (*refused.value.warnings, *refused.value.refusals) if "no effect." in one.problem}
    missed = [other for at, (key, other) in enumerate(spellings) if 100 + at not in told]
    assert (missed, len(spellings) > len(Entry.model_fields)) == ([], True)


@pytest.mark.parametrize("key", ["stage", "tt", "release", "Owner", "notes", "domain_name"])
def test_what_is_no_key_of_anybody_is_for_scripts(tmp_path: Path, key: str) -> None:
    catalog = loaded(tmp_path, {"103": template(**{key: "x"})})
    assert (catalog.warnings, catalog.for_scripts) == ((), {key: (103,)})


def test_variables_of_an_image_are_its_environment(tmp_path: Path) -> None:
    entry = {"name": "web", "template": "oci://alpine:3", "environment_variables": {"A": "1"}}
    (advice,) = loaded(tmp_path, {"103": entry}).warnings
    assert advice.remedy == 'Write "environment": {"A": "1"} in its place.'


def test_interfaces_that_are_there_with_their_addresses_are_not_told_again(tmp_path: Path) -> None:
    there = {"network_config": {"bridge": "vmbr0", "ip": "dhcp"}, "networks": [{"bridge": "vmbr1", "ip": "dhcp"}]}
    nets = {"network_interface": [{"bridge": "vmbr0"}, {"bridge": "vmbr1"}]}
    remedy = "Remove it: network_config and networks say the same."
    assert told(tmp_path, there | nets)[1] == remedy
    assert told(tmp_path, there | {"networks": []} | nets)[1] != remedy


@pytest.mark.parametrize(
    ("keys", "remedy"),
    [
        ({"template": False}, "Remove it: it is no template without it."),
        ({"startup": {"order": 3, "upDelay": 30}}, 'Write "boot_order": 3, "boot_delay": 30 in its place.'),
        ({"rootfs": "16"}, 'Write "storage_size_gb": 16 in its place.'),
        (
            {"rootfs": {"storage": "tank", "size": "8G", "volume": "tank:vm-103-disk-0", "ro": False}},
            'Write "storage_pool": "tank", "storage_size_gb": 8, "root_disk": {"read_only": false} in its place.',
        ),
        (
            {"lxc.tty": [0]},
            'Write its lines in lxc_options, and remove it. There it is "lxc.tty=0", an item of lxc_options.',
        ),
    ],
)
def test_a_name_of_proxmox_is_refused_with_what_it_says(tmp_path: Path, keys: dict[str, Any], remedy: str) -> None:
    assert remedy in [one.remedy for one in refusals(tmp_path, {"lxc_configs": {"103": template(**keys)}})]


@pytest.mark.parametrize("blank", [" ", " , ", "\t"])
def test_blanks_are_no_names(tmp_path: Path, blank: str) -> None:
    net = {"bridge": "vmbr0", "ip": "dhcp", "nameservers": blank}
    assert loaded(tmp_path, {"103": template(search_domain=blank, network_config=net)})[103].options == ()
