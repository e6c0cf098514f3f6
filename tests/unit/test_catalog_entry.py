from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from pydantic_core import PydanticCustomError

from phoenix_worker.actions.orders import clone_order
from phoenix_worker.catalog.fields import parse_lxc_option
from tests.unit.catalog_files import clone, loaded, network, refusals, template, warnings

if TYPE_CHECKING:
    from pathlib import Path

VOLUME = {"name": "v", "pool": "tank", "size_gb": 1, "mount_point": "/v"}

WRONG: list[tuple[str, Any]] = [
    ("name", "under_score"),
    ("name", "-dash"),
    ("name", "line\n"),
    ("name", "a" * 64),
    ("name", f"{'a' * 60}.{'b' * 4}"),
    ("name", 5),
    ("clone_from_ctid", "nine hundred"),
    ("clone_from_ctid", 99),
    ("clone_from_ctid", True),
    ("template", "debian-12"),
    ("template", "local:iso/x.iso"),
    ("template", "local:vztmpl/a/b.tar.gz"),
    ("template", "local:vztmpl/.tar"),
    ("template", "local:vztmpl/x.tar.lz4"),
    ("template", "local-:vztmpl/x.tar.zst"),
    ("entrypoint", "/usr/bin/tür"),
    ("network_config", f"name=eth0,bridge=vmbr0,tag={'9' * 5000}"),
    ("network_config", f"name=eth0,bridge=vmbr0,trunks=1;{'9' * 5000}"),
    ("mount_points", [{"host_path": "/srv/Müller", "container_path": "/a"}]),
    ("mount_points", [{"host_path": "/srv/a", "container_path": "/日本"}]),
    ("volumes", [{"pool": "tank", "size_gb": 1, "mount_point": "/ü"}]),
    ("template", "l:vztmpl/x.tar.zst"),
    ("template", "local:vztmpl/x.tar.gz "),
    ("template", "local:vztmpl/x\n.tar.gz"),
    ("template", "https://example.org/"),
    ("template", "https://example.org/x.zip"),
    ("template", "https://me:secret@example.org/x.tar.gz"),
    ("template", "ftp://example.org/x.tar.gz"),
    ("template", "http://example.org/x.tar.gz"),
    ("template", "oci://docker.io/library/alpine"),
    ("template", "oci://docker.io/library/alpine@sha256:00"),
    ("template", "oci://Docker.io/Library:1"),
    ("checksum", "sha256:00"),
    ("checksum", "crc32:00000000"),
    ("checksum", f"sha256:{'0' * 64}"),
    ("entrypoint", ["sh"]),
    ("entrypoint", "a\nb"),
    ("template", "local:backup/x.tar.gz"),
    ("storage_pool", "9lives"),
    ("storage_size_gb", 0),
    ("storage_size_gb", "16"),
    ("memory_mb", 15),
    ("memory_mb", 512.5),
    ("memory_mb", "512"),
    ("swap_mb", -1),
    ("wait_for_address", 0),
    ("wait_for_address", 3601),
    ("wait_for_address", "30"),
    ("wait_for_address", True),
    ("cores", 0),
    ("cores", 8193),
    ("network_config", "10.0.0.5/24,10.0.0.1"),
    ("network_config", {"ip": "10.0.0.5/24"}),
    ("network_config", network("10.0.0.5")),
    ("network_config", network("10.0.0.5/33")),
    ("network_config", network("10.0.0.5/255.255.255.0")),
    ("network_config", network("10.0.0.0/24")),
    ("network_config", network("10.0.0.255/24")),
    ("network_config", network("fd00::5/64")),
    ("network_config", network(gw="10.0.1.1")),
    ("network_config", network(gw="10.0.0.5")),
    ("network_config", network(gw="10.0.0.1/24")),
    ("network_config", network(gw="fd00::1")),
    ("network_config", network(ip6="fd00::5/64", gw6="fd01::1")),
    ("network_config", network(ip6="fd00::5/127", gw6="fd00::9")),
    ("network_config", network("10.0.0.5/32", gw="10.0.0.5")),
    ("network_config", network("10.0.0.5/31", gw="10.0.0.9")),
    ("network_config", network(ip6="fe80::5%eth0/64")),
    ("network_config", network(ip6="fd00::5/64", gw6="fe80::1%eth0")),
    ("network_config", network(nameservers=["fe80::1%2"])),
    ("network_config", network(vlan=4095)),
    ("network_config", network(bridge="no bridge")),
    ("network_config", network(nameservers="dns.example.org")),
    ("network_config", network(nameservers=["1.1.1.1", 9])),
    ("mac_address", "52-54-00-AA-BB-CC"),
    ("mac_address", "01:23:45:67:89:A1"),
    ("unprivileged", "yes"),
    ("start_at_boot", 1),
    ("boot_order", -1),
    ("boot_delay", "5"),
    ("boot_down_delay", -1),
    ("protection", 1),
    ("search_domain", "under_score.lan"),
    ("search_domain", ["lan", 9]),
    ("timezone", "CEST"),
    ("timezone", "Etc/UTC"),
    ("timezone", "Europe/../etc"),
    ("console", "yes"),
    ("tty", 7),
    ("cmode", "serial"),
    ("cpu_limit", -0.5),
    ("cpu_limit", "2"),
    ("cpu_limit", True),
    ("cpu_limit", 8193),
    ("cpu_units", 500001),
    ("os_type", "windows"),
    ("arch", "x86"),
    ("hookscript", "/var/lib/vz/snippets/hook.sh"),
    ("hookscript", "local:snippets/a b"),
    ("hookscript", "local:snippets/.."),
    ("pct_options", "nesting=1"),
    ("pct_options", ["nested=1"]),
    ("pct_options", ["nesting=yes"]),
    ("lxc_options", ["apparmor.profile=unconfined"]),
    ("lxc_options", ["lxc.cap.keep="]),
    ("lxc_options", ["lxc.a=b\nlxc.c=d"]),
    ("apparmor_profile", "two words"),
    ("apparmor_profile", "lxc.apparmor.profile=unconfined"),
    ("apparmor_manages_nesting", "true"),
    ("id_maps", ["x 0 100000 65536"]),
    ("gpu_assignment", "all"),
    ("gpu_assignment", 0),
    ("devices", [{"path": "/srv/x"}]),
    ("devices", [{"path": "/dev/../etc/passwd"}]),
    ("devices", [{"path": "/dev/dri/"}]),
    ("devices", [{"path": "/dev/a,mode=0777"}]),
    ("devices", [{"gid": 44}]),
    ("devices", [{"path": "/dev/kvm", "mode": "660"}]),
    ("devices", [{"path": "/dev/kvm", "mode": 660}]),
    ("devices", [{"path": "/dev/kvm", "uid": -1}]),
    ("devices", ["/dev/kvm"]),
    ("mount_points", [{"host_path": "relative", "container_path": "/srv"}]),
    ("mount_points", [{"host_path": "/srv"}]),
    ("mount_points", [{"host_path": "/srv/a=b", "container_path": "/srv"}]),
    ("mount_points", [{"host_path": "/size=8G", "container_path": "/srv"}]),
    ("mount_points", [{"host_path": "/srv", "container_path": "/srv", "owner_uid": -1}]),
    ("mount_points", [{"host_path": "/srv", "container_path": "/srv", "owner_gid": -1}]),
    ("zfs_volumes", [{**VOLUME, "size_gb": 0}]),
    ("volumes", [{"pool": "tank", "mount_point": "/srv"}]),
    ("volumes", [{**VOLUME, "size": "2G"}]),
    ("volumes", [{"pool": "tank", "mount_point": "/srv", "size": "8"}]),
    ("volumes", [{"pool": "tank", "mount_point": "/srv", "size": "8GB"}]),
    ("volumes", [{"pool": "tank", "mount_point": "/srv", "size": "0G"}]),
    ("volumes", [{"pool": "tank", "mount_point": "/srv", "size": "1000K"}]),
    ("volumes", [{**VOLUME, "read_only": 1}]),
    ("volumes", [{**VOLUME, "mount_options": "noatime"}]),
    ("volumes", [{**VOLUME, "mount_options": ["relatime"]}]),
    ("mount_points", [{"host_path": "/srv", "container_path": "/srv", "read_only": "yes"}]),
    ("volumes", [{**VOLUME, "mount_point": "v,ro=1"}]),
    ("volumes", [{**VOLUME, "mount_point": "/"}]),
    ("mount_points", [{"host_path": "/srv", "container_path": "/"}]),
    ("mount_points", [{"host_path": "/srv", "container_path": "//"}]),
    ("volumes", [{**VOLUME, "mount_point": "/srv/../etc"}]),
    ("firewall", {"enabled": "yes"}),
    ("firewall", {"rules": [{"type": "sideways", "action": "ACCEPT"}]}),
    ("firewall", {"rules": [{"type": "in", "action": "ALLOW"}]}),
    ("firewall", {"rules": [{"type": "in", "action": "DROP", "source": "10.0.0.300"}]}),
    ("firewall", {"rules": [{"type": "in", "action": "DROP", "port": "70000"}]}),
    ("firewall", {"rules": [{"type": "in", "action": "DROP", "port": "http:"}]}),
    ("firewall", {"rules": [{"type": "in", "action": "DROP", "proto": "t c p"}]}),
    ("firewall", {"rules": [{"type": "in", "action": "DROP", "port": 443}]}),
    ("firewall", {"rules": [{"type": "in", "action": "DROP", "proto": "esp", "port": 443}]}),
    ("features", "nesting=1"),
    ("features", ["../escape"]),
    ("application_script", ["a.sh"]),
    ("application_script", "a\0.sh"),
    ("health_check", {"retries": 5}),
    ("health_check", {"command": "true", "retries": 0}),
    ("health_check", {"command": "true", "interval": -1}),
    ("dependencies", "103"),
    ("dependencies", ["step-ca"]),
    ("enable_lifecycle_snapshots", 1),
    ("node", "pve_1"),
    ("clone", "fast"),
    ("is_template", "yes"),
    ("state", "paused"),
    ("tags", ["two words"]),
    ("tags", "web;db"),
    ("description", "x" * 8001),
    ("description", "notes\nphoenix-lxc: ctid=1 id=x"),
    ("pool", "a b"),
]


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_a_wrong_value_is_refused_with_its_key_and_a_remedy(tmp_path: Path, key: str, value: Any) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(**{key: value})}})
    assert refusal.ctid == 103
    assert refusal.problem.startswith(key)
    assert refusal.remedy


RIGHT: list[tuple[str, Any]] = [
    ("wait_for_address", 3600),
    ("name", "Copy-Cuda12.8"),
    ("name", f"{'a' * 60}.{'b' * 3}"),
    ("storage_pool", "quickOS-lxc-disks"),
    ("network_config", network("dhcp")),
    ("network_config", network("dhcp", ip6="auto")),
    ("network_config", network("10.0.0.5/31", gw="10.0.0.4")),
    ("network_config", network("10.0.0.5/32")),
    ("network_config", network("203.0.113.7/32", gw="198.51.100.1")),
    ("network_config", network(ip6="2001:db8::7/128", gw6="2001:db8:1::1")),
    ("network_config", network("dhcp", ip6="fd00::/16")),
    ("network_config", network("dhcp", gw="10.0.0.1")),
    ("network_config", {"bridge": "vmbr0", "gw": "10.0.0.1"}),
    ("network_config", {"bridge": "vmbr0"}),
    ("pct_options", ["keyctl=1", "nesting=1", "mknod=1", "mount=nfs;cifs"]),
    ("lxc_options", ["lxc.mount.auto:sys:rw", "lxc.mount.auto: sys:rw", "lxc.apparmor.profile=unconfined"]),
    ("firewall", {"enabled": True}),
    ("firewall", {"rules": [{"type": "out", "action": "REJECT", "proto": "icmp", "source": "10.0.0.0/24,10.1.0.1"}]}),
    ("firewall", {"rules": [{"type": "in", "action": "DROP", "dest": "10.0.0.1-10.0.0.9"}]}),
    ("firewall", {"rules": [{"type": "in", "action": "DROP", "dest": "dc/alias"}]}),
    ("firewall", {"rules": [{"type": "in", "action": "DROP", "proto": "TCP", "port": "https,80"}]}),
    ("firewall", {"rules": [{"type": "in", "action": "DROP", "proto": "17", "port": 443}]}),
    ("firewall", {"rules": [{"type": "in", "action": "ACCEPT", "proto": "icmp", "port": "echo-request"}]}),
    ("template", "local:vztmpl/my image.tar.gz"),
    ("template", "local:vztmpl/Größe (1), a&b: neu.TAR.XZ"),
    ("template", "local:vztmpl/plain_1.0_amd64.tar"),
    ("template", "/var/lib/vz/template/cache/my image.tar"),
    ("mount_points", [{"host_path": "/mnt/a b", "container_path": "/mnt/x=y"}]),
    ("mount_points", [{"host_path": "/mnt/a", "container_path": "/b", "owner_uid": 0, "owner_gid": 33}]),
    ("vllm_args", ["--anything", {"goes": None}]),
]


@pytest.mark.parametrize(("key", "value"), RIGHT)
def test_what_users_write_today_is_accepted(tmp_path: Path, key: str, value: Any) -> None:
    assert loaded(tmp_path, {"103": template(**{key: value})})[103].source[key] == value


def test_an_entry_that_is_no_object_is_refused(tmp_path: Path) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": ["name"]}})
    assert str(refusal) == 'CT 103: The entry is ["name"], not an object. Write {"name": …}.'


def test_a_missing_name_is_refused(tmp_path: Path) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": {"template": "x.tar.gz"}}})
    assert str(refusal) == "CT 103: name is missing. Declare name."


@pytest.mark.parametrize(("value", "told"), [(-0.5, "-0.5 is below 0. Write at least 0."), (9e3, "at most 8192.")])
def test_a_limit_is_told_without_a_fraction_that_it_has_not(tmp_path: Path, value: float, told: str) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(cpu_limit=value)}})
    assert str(refusal).endswith(told)


def test_all_of_an_entrys_refusals_come_at_once(tmp_path: Path) -> None:
    entry = clone(999, name="a_b", cores=0, memory_mb="1", network_config=network("x", vlan=0))
    problems = [refusal.problem for refusal in refusals(tmp_path, {"lxc_configs": {"103": entry}})]
    assert problems == [
        'name "a_b" is not a DNS name.',
        'memory_mb "1" is not a whole number.',
        "cores 0 is below 1.",
        'network_config.ip "x" is not an address in CIDR form.',
        "network_config.vlan 0 is below 1.",
        "clone_from_ctid 999 is not in the catalog.",
    ]


def test_what_is_right_of_a_wrong_key_is_looked_at_in_the_same_round(tmp_path: Path) -> None:
    wrong_volumes = [{**VOLUME, "size_gb": 0, "pool": "9"}, {"name": "w"}, VOLUME, {**VOLUME, "name": "again"}]
    configs = {
        "900": template(network_config=network(), cores=0),
        "103": clone(network_config={"ip": "10.0.0.5/24", "gw": "10.9.0.1", "vlan": "7"}, volumes=wrong_volumes),
        "104": clone(network_config=network(bridge="no bridge"), dependencies=["x", 900]),
    }
    told = [str(refusal) for refusal in refusals(tmp_path, {"lxc_configs": configs})]
    assert [line.rpartition(". ")[0] for line in told] == [
        "CT 900: cores 0 is below 1",
        "CT 103: network_config.bridge is missing",
        'CT 103: network_config.vlan "7" is not a whole number',
        'CT 103: volumes[0].pool "9" is not the id of a storage',
        "CT 103: volumes[0].size_gb 0 is below 1",
        "CT 103: volumes[1].pool is missing",
        "CT 103: volumes[1].size_gb is missing",
        "CT 103: volumes[1].mount_point is missing",
        "CT 103: network_config has the gateway 10.9.0.1, which is outside its network 10.0.0.0/24",
        'CT 104: network_config.bridge "no bridge" is not the name of an interface',
        'CT 104: dependencies[0] "x" is not a CTID',
        "CT 104: It depends on 900, which is a template and never runs",
        "CT 103: The address 10.0.0.5 is also that of 900",
        "CT 104: The address 10.0.0.5 is also that of 900",
        'CT 103: Two mounts share the path "/v"',
    ]


@pytest.mark.parametrize("value", ["one", "1.5", 0.5, 2048.5, True, "9" * 400])
def test_what_is_no_whole_number_is_told_in_words_that_fit(tmp_path: Path, value: Any) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(memory_mb=value)}})
    assert refusal.remedy == "Write one without quotes or a fraction, such as 4."


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lxc.cap.keep=a,b", ("lxc.cap.keep", "a,b")),
        ("lxc.mount.auto: sys:rw", ("lxc.mount.auto", "sys:rw")),
        ("lxc.mount.auto:sys:rw", ("lxc.mount.auto", "sys:rw")),
        ("lxc.environment = A=B", ("lxc.environment", "A=B")),
    ],
)
def test_raw_lines_are_read_in_all_spellings(line: str, expected: tuple[str, str]) -> None:
    assert parse_lxc_option(line) == expected


def test_another_line_is_no_raw_line() -> None:
    with pytest.raises(PydanticCustomError):
        parse_lxc_option("lxc.nothing")


def test_a_key_that_is_nearly_known_is_a_warning_with_the_likely_one(tmp_path: Path) -> None:
    (advice,) = warnings(tmp_path, {"103": template(memroy_mb=512, vllm_port=8000, _comment="x")})
    assert str(advice) == 'CT 103: "memroy_mb" has no effect. memory_mb was probably meant.'


def test_volumes_stay_where_the_templates_are_unless_the_root_disk_goes_elsewhere(tmp_path: Path) -> None:
    data = {"name": "data", "pool": "tank", "size_gb": 8, "mount_point": "/srv/data"}
    configs = {
        "900": template(storage_pool="zfs", volumes=[data]),
        "901": clone(),
        "102": clone("901", storage_pool="zfs"),
        "103": clone("901", storage_pool="ceph"),
        "104": clone("901", clone="linked"),
    }
    catalog = loaded(tmp_path, configs)
    storages = {ctid: clone_order(catalog[ctid], "c1").storage for ctid in (901, 102, 103, 104)}
    assert storages == {901: None, 102: None, 103: "ceph", 104: None}
    (advice,) = catalog.warnings
    assert (advice.ctid, "also those of the template's volumes" in advice.problem) == (103, True)


def test_a_linked_clone_on_another_storage_is_warned_of(tmp_path: Path) -> None:
    configs = {"900": template(storage_pool="zfs"), "103": clone(clone="linked", storage_pool="ceph")}
    (advice,) = warnings(tmp_path, configs)
    assert "stays on zfs" in advice.problem
    configs["103"]["clone"] = "full"
    assert warnings(tmp_path, configs) == ()
