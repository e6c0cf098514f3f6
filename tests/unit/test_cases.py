"""Small catalogs from the field: what Proxmox would refuse is refused when they are loaded, and nothing else is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from phoenix_worker.catalog.loading import load, load_bytes
from phoenix_worker.catalog.migration import migrate
from tests.unit.catalog_files import DEFAULTS, refusals

CASES = Path(__file__).parents[1] / "data" / "cases"
REFUSED = {
    "fw_port_backwards": 'firewall.rules[0].port "8010:8000" is a backwards range',
    "fw_port_unknown_name": 'firewall.rules[0].port "nosuch" has the name nosuch',
    "fw_proto_number_icmp": 'firewall.rules[0] has a port, and the protocol "58" has none',
    "fw_source_backwards_range": 'firewall.rules[0].source "10.0.0.9-10.0.0.1" is a backwards range',
    "fw_source_host_bits": 'firewall.rules[0].source "10.0.0.5/24" has host bits',
    "fw_source_range_in_list": 'firewall.rules[0].source "10.0.0.1-10.0.0.9,10.1.0.0/16" has a range in a list',
    "bind_path_equals": 'mount_points[0].host_path "/srv/a=b" has a =',
    "ip6_with_zone": 'network_config.ip6 "fe80::5%eth0/64" has a zone',
    "p1-clone-from-template-ctid": "clone_from_template_ctid belongs to an older format",
    "p1-features-as-proxmox-options": 'features "nesting=1,keyctl=1" is not a list',
    "p1-id-maps-objects": "id_maps[0] is not a string",
    "p2-firewall-widened": 'firewall.rules[1].dport "1900" is not known here',
    "size_fraction": "storage_size_gb 8.5 is not a whole number",
}
ACCEPTED = (
    *("fw_icmp_zero", "gateway_outside", "template_name_blank", "template_plain_tar"),
    *("notes_leading_blank", "tags_keep_case", "p1-shell-app-script", "p2-oci-tar"),
    *("p3-getting-started", "p3-homelab"),
)


@pytest.mark.parametrize("name", REFUSED)
def test_a_case_that_would_fail_later_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (refusal,) = refusals(tmp_path, (CASES / f"{name}.json").read_text())
    assert refusal.problem.startswith(REFUSED[name])
    assert refusal.remedy


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_case_that_works_is_loaded(name: str) -> None:
    assert load(CASES / f"{name}.json", DEFAULTS)


def test_what_such_a_case_says_is_declared() -> None:
    assert load(CASES / "tags_keep_case.json", DEFAULTS)[5002].tags == ("Prod", "Web")
    assert load(CASES / "notes_leading_blank.json", DEFAULTS)[5002].description == "  phoenix-lxc: a=b\nrest"
    assert load(CASES / "p2-oci-tar.json", DEFAULTS)[130].os_template == "local:vztmpl/nginx_latest.tar"
    application = load(CASES / "p1-shell-app-script.json", DEFAULTS)[104].scripts[-1]
    assert (application.file, application.on_node) == ("in_container_app.sh", False)
    assert not load(CASES / "p3-homelab.json", DEFAULTS).for_scripts


SEVERAL = {
    "p1-secondary-network": (
        'network_config.hwaddr "02:00:00:00:01:01" is not known here',
        "secondary_network_config belongs to an older format",
    ),
    "p1-network-string": (
        'storage_size_gb "64" is not a whole number',
        'network_config "10.0.0.111/24,10.0.0.1,8.8.8.8" is not an object',
        "swap is a name of Proxmox's own",
    ),
    "p1-features-after-remedy": (
        'features[0] "nesting=1" is not the name of a feature',
        'features[1] "keyctl=1" is not the name of a feature',
    ),
    "key_proxmox_name": ("memory is a name of", "onboot is a name of", "hostname is a name of"),
    "p2-silent-keys": (
        'devices[0] "/dev/dri/renderD128" is not an object',
        "password is not the name of a place",
        *(
            f"{key} is a name of Proxmox's own"
            for key in (
                *("searchdomain", "cpulimit", "cpuunits", "net1"),
                *("onboot", "startup", "memory", "swap", "rootfs", "hostname"),
            )
        ),
    ),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_case_with_several_faults_has_each_refused(tmp_path: Path, name: str) -> None:
    told = refusals(tmp_path, (CASES / f"{name}.json").read_text())
    assert len(told) == len(SEVERAL[name])
    for refusal, words in zip(told, SEVERAL[name], strict=True):
        assert refusal.problem.startswith(words)
        assert refusal.remedy


def document(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((CASES / f"{name}.json").read_text())
    return content


FOLLOWED: dict[str, dict[str, Any]] = {
    "p1-features-after-remedy": {"features": None, "pct_options": ["nesting=1", "keyctl=1"]},
    "p1-features-as-proxmox-options": {"features": None, "pct_options": ["nesting=1", "keyctl=1"]},
    "p1-id-maps-objects": {"id_maps": ["u 0 100000 65536", "g 0 100000 33", "g 33 33 1", "g 34 100034 65502"]},
    "p1-network-string": {
        "storage_size_gb": 64,
        "network_config": {"bridge": "vmbr0", "ip": "10.0.0.111/24", "gw": "10.0.0.1", "nameservers": ["8.8.8.8"]},
        "swap": None,
        "swap_mb": 512,
    },
    "p1-secondary-network": {
        "network_config": {"name": "eth0", "bridge": "vmbr0", "ip": "dhcp"},
        "mac_address": "02:00:00:00:01:01",
        "secondary_network_config": None,
        "networks": [{"name": "eth1", "bridge": "vmbr100", "ip": "192.0.2.10/24", "gw": "192.0.2.1"}],
    },
}


@pytest.mark.parametrize("name", FOLLOWED)
def test_what_the_remedies_say_to_the_letter_loads(tmp_path: Path, name: str) -> None:
    content = document(name)
    (ctid,) = content["lxc_configs"]
    told = " ".join(refusal.remedy for refusal in refusals(tmp_path, content))
    for key, value in FOLLOWED[name].items():
        pair = f"{json.dumps(key)}: {json.dumps(value)}"
        assert value is None or pair in told or key in ("storage_size_gb", "network_config", "networks"), told
        content["lxc_configs"][ctid][key] = value
    assert load_bytes(json.dumps(content).encode(), tmp_path, DEFAULTS)


def test_the_older_name_of_the_clone_is_migrated_and_then_the_clone_is_built(tmp_path: Path) -> None:
    migrated = migrate((CASES / "p1-clone-from-template-ctid.json").read_text())
    catalog = load_bytes(migrated.encode(), tmp_path, DEFAULTS)
    assert catalog[950].clone_from == 900
    assert catalog[950].os_template is None


def test_a_second_interface_is_migrated(tmp_path: Path) -> None:
    (_, refusal) = refusals(tmp_path, document("p1-secondary-network"))
    assert refusal.remedy == "Run: phoenix-lxc migrate FILE --write."
    migrated = json.loads(migrate((CASES / "p1-secondary-network.json").read_text()))
    entry = migrated["lxc_configs"]["101"]
    assert "secondary_network_config" not in entry
    entry["mac_address"] = entry["network_config"].pop("hwaddr")
    declared = load_bytes(json.dumps(migrated).encode(), tmp_path, DEFAULTS)[101]
    first, second = declared.networks
    assert (first.name, first.ip, declared.mac) == ("eth0", "dhcp", "02:00:00:00:01:01")
    assert (second.name, second.ip, second.gw, second.mac) == (
        "eth1",
        "192.0.2.10/24",
        "192.0.2.1",
        "02:00:00:00:01:02",
    )
