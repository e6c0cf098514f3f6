"""Small catalogs from the field: what Proxmox would refuse is refused when they are loaded, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from phoenix_worker.catalog.loading import load
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
    "size_fraction": "storage_size_gb 8.5 is not a whole number",
}
ACCEPTED = ("fw_icmp_zero", "gateway_outside", "template_name_blank", "template_plain_tar")


@pytest.mark.parametrize("name", REFUSED)
def test_a_case_that_would_fail_later_is_refused_at_once(tmp_path: Path, name: str) -> None:
    (refusal,) = refusals(tmp_path, (CASES / f"{name}.json").read_text())
    assert refusal.problem.startswith(REFUSED[name])
    assert refusal.remedy


@pytest.mark.parametrize("name", ACCEPTED)
def test_a_case_that_works_is_loaded(name: str) -> None:
    assert load(CASES / f"{name}.json", DEFAULTS)


SEVERAL = {
    "key_proxmox_name": ("memory is a name of", "onboot is a name of", "hostname is a name of"),
    "p2-silent-keys": tuple(
        f"{key} is a name of Proxmox's own"
        for key in (
            *(
                "ssh_public_keys",
                "password",
                "searchdomain",
                "protection",
                "hookscript",
                "cpulimit",
                "cpuunits",
                "net1",
            ),
            *("onboot", "startup", "memory", "swap", "rootfs", "hostname"),
        )
    ),
    "p2-firewall-widened": (
        'firewall.rules[0].macro "SSH" is not known here',
        'firewall.rules[1].dport "1900" is not known here',
        "firewall.rules[2].enable false is not known here",
    ),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_a_case_with_several_faults_has_each_refused(tmp_path: Path, name: str) -> None:
    told = refusals(tmp_path, (CASES / f"{name}.json").read_text())
    assert len(told) == len(SEVERAL[name])
    for refusal, words in zip(told, SEVERAL[name], strict=True):
        assert refusal.problem.startswith(words)
        assert refusal.remedy
