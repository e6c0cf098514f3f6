"""A remedy that prints what to write is done to the letter, by a machine, until the catalog loads."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.loading import CatalogError
from tests.unit import test_foreign_keys, test_likely_keys, test_likely_values, test_old_forms, test_tool_blocks
from tests.unit.catalog_files import loaded, network, template
from tests.unit.following import followed

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.catalog.findings import Refusal

ROUNDS = 12


def ruled(**keys: Any) -> dict[str, Any]:
    return {"firewall": {"enabled": True, "rules": [{"type": "in", "action": "ACCEPT", **keys}]}}


def volume(**keys: Any) -> dict[str, Any]:
    return {"volumes": [{"pool": "tank", "size_gb": 8, "mount_point": "/data", **keys}]}


def bind(**keys: Any) -> dict[str, Any]:
    return {"mount_points": [{"host_path": "/srv", "container_path": "/srv", **keys}]}


MAPS = ["u 0 100000 65536", "g 0 100000 65536"]
NAMED = {"name": "db", "pool": "tank", "size_gb": 8, "mount_point": "/a"}
_SMALL = {"pool": "tank", "size": "512M", "mount_point": "/data"}
MEANT: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"memory_mb": "2G"}, {"memory_mb": 2048}),
    ({"memory_mb": "512"}, {"memory_mb": 512}),
    ({"memory_mb": 512.0}, {"memory_mb": 512}),
    ({"swap_mb": "512 MiB"}, {"swap_mb": 512}),
    ({"cores": "2"}, {"cores": 2}),
    ({"cpu_limit": "1.5"}, {"cpu_limit": 1.5}),
    ({"start_at_boot": 1}, {"start_at_boot": True}),
    ({"start_at_boot": "yes"}, {"start_at_boot": True}),
    ({"unprivileged": "false"}, {"unprivileged": False}),
    ({"state": "started"}, {"state": "running"}),
    ({"state": False}, {"state": "stopped"}),
    ({"arch": "x86_64"}, {"arch": "amd64"}),
    ({"os_type": "Debian"}, {"os_type": "debian"}),
    ({"name": 5}, {"name": "5"}),
    ({"description": ["a", "b"]}, {"description": "a\nb"}),
    ({"entrypoint": ["/bin/app", "--name", "a b"]}, {"entrypoint": "/bin/app --name 'a b'"}),
    ({"dependencies": "104"}, {"dependencies": ["104"]}),
    ({"lxc_options": "lxc.cap.drop="}, {"lxc_options": ["lxc.cap.drop="]}),
    ({"id_maps": ["u:0:100000:65536"]}, {"id_maps": ["u 0 100000 65536"]}),
    ({"node": "pve1, pve2"}, {"node": ["pve1", "pve2"]}),
    ({"template": "docker.io/library/alpine:3.20"}, {"template": "oci://docker.io/library/alpine:3.20"}),
    ({"network_config": [network()]}, {"network_config": network()}),
    ({"network_config": network("10.0.0.5", netmask="255.255.255.0")}, {"network_config": network("10.0.0.5/24")}),
    ({"network_config": network("10.0.0.5", prefix=24)}, {"network_config": network("10.0.0.5/24")}),
    ({"network_config": network(vlan="20", rate="5")}, {"network_config": network(vlan=20, rate=5)}),
    ({"network_config": network(ip=["10.0.0.5/24"])}, {"network_config": network()}),  # type: ignore[arg-type] # wrong
    (
        {"network_config": {"bridge": "vmbr0", "mac": "02-00-00-00-00-01"}},
        {"network_config": {"bridge": "vmbr0"}, "mac_address": "02:00:00:00:00:01"},
    ),
    ({"networks": {"net1": "name=eth1,bridge=vmbr1"}}, {"networks": [{"name": "eth1", "bridge": "vmbr1"}]}),
    ({"networks": {"net2": {"bridge": "b"}, "net1": "vmbr1"}}, {"networks": [{"bridge": "vmbr1"}, {"bridge": "b"}]}),
    (
        {"volumes": [{"storage": "tank", "size": "8", "path": "/data", "backup": 1}]},
        {"volumes": [{"pool": "tank", "size": "8G", "mount_point": "/data", "backup": True}]},
    ),
    (
        {"volumes": [{"volume": "tank", "size": "8G", "path": "/data"}]},
        {"volumes": [{"pool": "tank", "size": "8G", "mount_point": "/data"}]},
    ),
    ({"volumes": {"mp0": "tank:8,mp=/data"}}, volume()),
    (volume(idmap=["u 0 0 1", "g:0:0:1"]), volume(idmap="u:0:0:1;g:0:0:1")),
    (
        {"mount_points": {"mp0": "/srv,mp=/srv,idmap=passthrough,keepattrs=1"}},
        bind(idmap="passthrough", keepattrs=True),
    ),
    (
        {"mount_points": [{"volume": "/srv", "path": "/srv", "read_only": "true"}]},
        bind(read_only=True),
    ),
    (bind(owner_uid="1000"), bind(owner_uid=1000)),
    (ruled(action="allow"), ruled()),
    (ruled(type="IN"), ruled()),
    (ruled(proto="tcp", port=[80, 443]), ruled(proto="tcp", port="80,443")),
    (ruled(proto="tcp", dport="8000-8010"), ruled(proto="tcp", port="8000:8010")),
    (ruled(source=["10.0.0.0/8", "11.0.0.0/8"]), ruled(source="10.0.0.0/8,11.0.0.0/8")),
    (ruled(log="warn", enable="no"), ruled(log="warning", enable=False)),
    (ruled(log=True), ruled(log="info")),
    ({"firewall": {"enabled": 1, "policy_in": "drop"}}, {"firewall": {"enabled": True, "policy_in": "DROP"}}),
    ({"health_check": {"test": ["CMD", "pg_isready", "-q"]}}, {"health_check": {"command": "pg_isready -q"}}),
    ({"health_check": {"test": ["CMD-SHELL", "a || b"]}}, {"health_check": {"command": "a || b"}}),
    ({"health_check": {"command": "true", "interval": "5s"}}, {"health_check": {"command": "true", "interval": 5}}),
    ({"ha": {"max_restart": "2"}}, {"ha": {"max_restart": 2}}),
    ({"script_timeouts": {"a": "5"}}, {"script_timeouts": {"a": 5}}),
    ({"network_config": {"bridge_name": "vmbr0", "dhcp4": 1}}, {"network_config": {"bridge": "vmbr0", "ip": "dhcp"}}),
    ({"network_config": network(ip="10.0.0.5", cidr=24)}, {"network_config": network()}),
    ({"network_config": network(vlan=0, mtu=-1, rate="10mbit")}, {"network_config": network(rate=1.25)}),
    ({"network_config": network(vlan=[20], nameservers=[None])}, {"network_config": network(vlan=20, nameservers=[])}),
    ({"network_config": network(searchdomain="lan")}, {"network_config": network(), "search_domain": "lan"}),
    ({"network_config": network(hostname="x", slaac=True)}, {"network_config": network(ip6="auto")}),
    (
        {"network_config": {"bridge": "b", "ipv4": [{"address": "dhcp"}], "dns": {"servers": ["9.9.9.9"]}}},
        {"network_config": {"bridge": "b", "ip": "dhcp", "nameservers": ["9.9.9.9"]}},
    ),
    (ruled(remote="10.0.0.0/8"), ruled(source="10.0.0.0/8")),
    (ruled(type="out", remote="10.0.0.0/8"), ruled(type="out", dest="10.0.0.0/8")),
    (ruled(ipset="office"), ruled(source="+office")),
    (ruled(dest_ipset="+office", log="yes"), ruled(dest="+office", log="info")),
    (ruled(proto="tcp", from_port=1, to_port=2), ruled(proto="tcp", port="1:2")),
    ({"firewall": {"enabled": True, "input": "drop"}}, {"firewall": {"enabled": True, "policy_in": "DROP"}}),
    ({"mount_points": [{"source": "/srv", "mountpoint": "/srv", "mode": "ro"}]}, bind(read_only=True)),
    ({"mount_points": [{"host_path": "/srv", "mp": "/srv", "writable": 0}]}, bind(read_only=True)),
    ({"mount_points": {"/srv": "/srv"}}, bind()),
    ({"mount_points": [["/srv", "/srv"]]}, bind()),
    ({"mount_points": ["/srv:/srv:ro,z"]}, bind(read_only=True)),
    ({"volumes": [{"pool": "tank", "size_mb": 512, "mp": "/data"}]}, {"volumes": [_SMALL]}),
    ({"devices": ["/dev/kvm:/dev/kvm:rwm"]}, {"devices": [{"path": "/dev/kvm"}]}),
    ({"health_check": {"url": "http://localhost/x"}}, {"health_check": {"command": "curl -fsS http://localhost/x"}}),
    ({"health_check": {"command": "true", "interval": "1m30s"}}, {"health_check": {"command": "true", "interval": 90}}),
    ({"name": "my_host."}, {"name": "my-host"}),
    ({"zfs_volumes": {"db": {"pool": "tank", "size_gb": 8, "mount_point": "/a"}}}, {"zfs_volumes": [NAMED]}),
    ({"networks": {"eth1": {"bridge": "vmbr1"}}}, {"networks": [{"name": "eth1", "bridge": "vmbr1"}]}),
    ({"devices": {"tun": {"path": "/dev/net/tun"}}}, {"devices": [{"path": "/dev/net/tun"}]}),
    ({"firewall": {"enabled": True, "rules": {"ssh": ruled()["firewall"]["rules"][0]}}}, ruled()),
    ({"gpu_assignment": "NONE"}, {"gpu_assignment": "none"}),
    ({"gpu_assignment": "0,"}, {"gpu_assignment": "0"}),
    ({"apparmor_profile": "lxc.apparmor.profile = unconfined\n"}, {"apparmor_profile": "unconfined"}),
    ({"mac_address": "auto"}, {}),
    ({"os_type": "rocky", "arch": "x86-64"}, {"os_type": "centos", "arch": "amd64"}),
    ({"pct_options": ["mount=nfs,cifs", "nesting"]}, {"pct_options": ["mount=nfs;cifs", "nesting=1"]}),
    ({"features": ["nesting=1,keyctl=1"]}, {"pct_options": ["nesting=1", "keyctl=1"]}),
    ({"lxc_options": {"lxc.cap.drop": "mknod"}}, {"lxc_options": ["lxc.cap.drop=mknod"]}),
    ({"id_maps": ["uid 0 100000 65536", ["g", 0, 100000, 65536]]}, {"id_maps": MAPS}),
    ({"tags": ["a;b", 1]}, {"tags": ["a", "b", "1"]}),
    ({"dependencies": {"104": {}}}, {"dependencies": ["104"]}),
    (
        {"root_disk": {"ro": 1, "mountoptions": "noatime"}},
        {"root_disk": {"read_only": True, "mount_options": ["noatime"]}},
    ),
]


def told(folder: Path, entry: dict[str, Any]) -> tuple[Refusal, ...]:
    try:
        loaded(folder, {"103": entry})
    except CatalogError as error:
        return error.refusals
    return ()


def until_it_loads(folder: Path, entry: dict[str, Any]) -> dict[str, Any]:
    """Follow one remedy after another; fails where none prints what to write."""
    for _ in range(ROUNDS):
        refused = told(folder, entry)
        if not refused:
            return entry
        tried = (followed(entry, refusal) for refusal in refused)
        changed = next((one for one in tried if one is not None and json.dumps(one) != json.dumps(entry)), None)
        assert changed is not None, [str(refusal) for refusal in refused]
        entry = changed
    raise AssertionError(entry)


@pytest.mark.parametrize(("keys", "meant"), MEANT, ids=lambda keys: json.dumps(keys)[:60])
def test_what_other_tools_write_comes_to_what_was_meant(
    tmp_path: Path, keys: dict[str, Any], meant: dict[str, Any]
) -> None:
    assert until_it_loads(tmp_path, template(**keys)) == template(**meant)


OTHERS = [
    *(keys for keys, *_ in test_likely_keys.SAID),
    *(keys for keys, *_ in test_old_forms.FORMS),
    *test_old_forms.OF_OTHER_TOOLS,
    *test_likely_values.WHOLE_KEYS,
    *(keys for keys, _ in test_tool_blocks.OWN),
    *({key: value} for place, value, _ in test_likely_values.MEANT if (key := place) and "." not in place),
    *(keys for keys, remedy, _ in test_foreign_keys.RENAMED if remedy.startswith(('Write "', "Remove it: "))),
]


@pytest.mark.parametrize("keys", OTHERS, ids=lambda keys: json.dumps(keys)[:60])
def test_no_printed_replacement_is_refused_again_as_it_is_printed(tmp_path: Path, keys: dict[str, Any]) -> None:
    entry = template(**keys)
    for refusal in told(tmp_path, entry):
        changed = followed(entry, refusal)
        if changed is not None:
            assert str(refusal) not in [str(one) for one in told(tmp_path, changed)]


@pytest.mark.parametrize(
    ("keys", "remedy"),
    [
        ({"template": True}, 'Write "is_template": true in its place, and in template what it is created from.'),
        ({"clone": 900}, 'Write "clone_from_ctid": 900 in its place.'),
        ({"clone": "900", "clone_from_ctid": 103}, "Remove it: clone_from_ctid is there."),
        ({"state": "paused"}, 'Write "running" or "stopped".'),
        ({"state": "absent"}, "Remove it. What deletes a container and its disks is: phoenix-lxc destroy CTID"),
        (volume(size="8G"), "Remove one of them."),
        (
            volume(volume="/srv"),
            "Write it in mount_points, with host_path and container_path: it is a directory of the",
        ),
        (
            bind(volume="local-lvm"),
            "Write it in volumes, with pool, size and mount_point: it is not a directory of the",
        ),
        (ruled(tracking="new"), "Write what it says with one of group,"),
        (bind(host_path="/dev/sdb1"), "Write it in devices; or mount its file system on the node"),
        ({"networks": 5}, "Write it in [ ]."),
        ({"devices": [{"path": "/dev/dri"}]}, "Write that of one device, as on the node, such as /dev/dri/renderD128,"),
        ({"description": {"a": 1}}, "Write one text, in quotes."),
        ({"cpu_limit": "half"}, "Write one without quotes, such as 1.5."),
        ({"script_timeouts": 5}, "Write it in { }."),
    ],
)
def test_what_is_not_sure_is_told_in_words(tmp_path: Path, keys: dict[str, Any], remedy: str) -> None:
    assert any(refusal.remedy.startswith(remedy) for refusal in told(tmp_path, template(**keys)))


@pytest.mark.parametrize(
    "key", ["dependencies", "description", "cores", "tags", "entrypoint", "node", "id_maps", "name"]
)
def test_no_remedy_is_longer_than_some_lines(tmp_path: Path, key: str) -> None:
    for value in ("a" * 70_000, ["a" * 70_000, "b"], ["a"] * 300, "1," * 70_000):
        for refusal in told(tmp_path, template(**{key: value})):
            assert len(str(refusal)) < 2000
