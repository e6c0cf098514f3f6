"""Any entry of a catalog, and anything that Proxmox may show of its container: what properties are tried with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from phoenix_worker.catalog.declaration import Declaration, Role
from phoenix_worker.catalog.loading import load_bytes
from phoenix_worker.core.model.firewall import FirewallState
from phoenix_worker.core.model.ha import HaState
from phoenix_worker.core.model.marker import Marker, Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from tests.unit.catalog_files import DEFAULTS, OS_TEMPLATE

CTID = 103
IMAGE = "local:vztmpl/app.tar"
MACS = st.sampled_from(["52:54:00:aa:bb:01", "52:54:00:AA:BB:02"])
NAMES = st.sampled_from(["web", "Web-1", "db.example.lan"])
PATHS = st.sampled_from(["/srv/data", "/srv//data/", "/var/log", "/srv"])
STORAGES = st.sampled_from(["local-lvm", "tank"])
NOTES = st.text(st.characters(exclude_categories=("Cs", "Cc"), include_characters="\n"), max_size=30).filter(
    lambda text: "phoenix-lxc:" not in text
)


def some(**keys: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Any of these keys, in any order."""
    chosen = st.fixed_dictionaries({}, optional=keys)
    return chosen.flatmap(
        lambda made: st.permutations(sorted(made)).map(lambda order: {key: made[key] for key in order})
    )


def _fitting(entry: dict[str, Any]) -> dict[str, Any]:
    """A template is no HA resource."""
    return {key: value for key, value in entry.items() if key != "ha" or not entry.get("is_template")}


PARTS: dict[str, st.SearchStrategy[Any]] = {
    "trunks": st.lists(st.integers(1, 12), max_size=3),
    "mtu": st.sampled_from([1400, 9000]),
    "rate": st.sampled_from([5, 12.5, 0.25]),
    "firewall": st.booleans(),
    "link_down": st.booleans(),
    "host_managed": st.booleans(),
}


NETWORKS = st.fixed_dictionaries(
    {"bridge": st.sampled_from(["vmbr0", "vmbr1"])},
    optional={
        "name": st.sampled_from(["eth0", "lan"]),
        "ip": st.sampled_from(["dhcp", "10.0.0.10/24", "10.0.0.11/24"]),
        "gw": st.just("10.0.0.1"),
        "ip6": st.sampled_from(["dhcp", "auto", "fd00::0a/64"]),
        "vlan": st.integers(1, 3),
        "nameservers": st.sampled_from(["", "10.0.0.1", "10.0.0.1, 9.9.9.9", ["9.9.9.9", "10.0.0.1"]]),
        **PARTS,
    },
)
FURTHER = st.lists(
    st.fixed_dictionaries(
        {"bridge": st.sampled_from(["vmbr0", "vmbr1"])},
        optional={
            "ip": st.sampled_from(["dhcp", "10.0.1.10/24"]),
            "ip6": st.just("auto"),
            "mac_address": st.just("52:54:00:aa:bb:09"),
            "name": st.just("wan"),
            **PARTS,
        },
    ),
    max_size=2,
    unique_by=(
        lambda one: one.get("ip", id(one)),
        lambda one: one.get("name", id(one)),
        lambda one: "mac_address" in one,
    ),
)
DECLARED_RULES = st.fixed_dictionaries(
    {"type": st.sampled_from(["in", "out"]), "action": st.sampled_from(["ACCEPT", "DROP"])},
    optional={
        "proto": st.sampled_from(["tcp", "UDP"]),
        "port": st.sampled_from([80, "80,443", "80, 443", "8000:8010"]),
        "source": st.just("10.0.0.0/24"),
        "comment": st.sampled_from(["", "web ", "ssh"]),
        "iface": st.sampled_from(["net0", "net1"]),
        "enable": st.booleans(),
        "source_port": st.just("1024:65535"),
    },
).filter(lambda rule: "proto" in rule or not {"port", "source_port"} & rule.keys())
POLICIES = st.sampled_from(["ACCEPT", "DROP", "REJECT"])
MACRO_RULES = st.sampled_from(["SSH", "ping"]).map(lambda macro: {"type": "in", "action": "ACCEPT", "macro": macro})
MOUNT_OPTIONS = {
    "read_only": st.booleans(),
    "backup": st.booleans(),
    "acl": st.booleans(),
    "replicate": st.booleans(),
    "mount_options": st.sampled_from([[], ["noatime"], ["nodev", "noatime"]]),
    "keepattrs": st.booleans(),
    "idmap": st.sampled_from(["passthrough", "u:0:7:1;g:0:7:1"]),
}
SIZED = st.one_of(
    st.fixed_dictionaries({"size_gb": st.integers(1, 3)}),
    st.fixed_dictionaries({"size": st.sampled_from(["512M", "1.5G", "2G", "2097152K"])}),
)
VOLUMES = st.lists(
    st.tuples(st.fixed_dictionaries({"pool": STORAGES, "mount_point": PATHS}, optional=MOUNT_OPTIONS), SIZED).map(
        lambda parts: parts[0] | parts[1]
    ),
    max_size=3,
    unique_by=lambda volume: re.sub("/+", "/", str(volume["mount_point"])).rstrip("/"),
)
ENTRIES = some(
    name=NAMES,
    memory_mb=st.sampled_from([64, 512]),
    swap_mb=st.sampled_from([0, 512]),
    cores=st.integers(1, 2),
    storage_pool=STORAGES,
    storage_size_gb=st.integers(1, 9),
    network_config=NETWORKS,
    networks=FURTHER,
    mac_address=MACS,
    start_at_boot=st.booleans(),
    boot_order=st.integers(0, 2),
    boot_delay=st.integers(0, 2),
    boot_down_delay=st.integers(0, 2),
    protection=st.booleans(),
    search_domain=st.sampled_from(["lan", "lan, example.lan", ["example.lan", "lan"]]),
    timezone=st.sampled_from(["host", "Europe/Berlin"]),
    console=st.booleans(),
    tty=st.integers(0, 3),
    cmode=st.sampled_from(["tty", "shell"]),
    cpu_limit=st.sampled_from([0, 1, 1.5]),
    cpu_units=st.sampled_from([50, 100]),
    hookscript=st.just("local:snippets/hook.sh"),
    entrypoint=st.sampled_from(["/sbin/init", "/bin/app --serve"]),
    environment=st.dictionaries(st.sampled_from("ABC"), st.sampled_from(["", "1", "x=y z"])),
    pct_options=st.sampled_from([[], ["nesting=1"], ["nesting=0"], ["nesting=1", "keyctl=1"], ["fuse=1", "nesting=0"]]),
    volumes=VOLUMES,
    root_disk=st.fixed_dictionaries(
        {}, optional={name: one for name, one in MOUNT_OPTIONS.items() if name not in {"backup", "keepattrs"}}
    ),
    ha=st.booleans() | some(max_restart=st.integers(0, 2), max_relocate=st.integers(0, 2)),
    firewall=st.fixed_dictionaries(
        {},
        optional={
            "enabled": st.booleans(),
            "rules": st.lists(DECLARED_RULES | MACRO_RULES, max_size=3),
            "policy_in": POLICIES,
            "policy_out": POLICIES,
        },
    ),
    tags=st.lists(st.sampled_from(["Web", "web", "infra", "x"]), max_size=3),
    description=NOTES,
    pool=st.sampled_from(["web", "db"]),
    is_template=st.just(value=True),
    clone_from_ctid=st.sampled_from(["900", 901]),
).map(lambda entry: {"name": "web", "template": OS_TEMPLATE if "environment" not in entry else IMAGE} | _fitting(entry))

NET0 = st.fixed_dictionaries(
    {"name": st.sampled_from(["eth0", "lan"]), "bridge": st.just("vmbr0"), "hwaddr": MACS.map(str.upper)},
    optional={
        "ip": st.sampled_from(["dhcp", "manual", "10.0.0.10/24", "10.0.0.99/24"]),
        "gw": st.just("10.0.0.1"),
        "ip6": st.sampled_from(["auto", "fd00::a/64"]),
        "gw6": st.just("fd00::1"),
        "tag": st.sampled_from(["1", "2"]),
        "firewall": st.sampled_from("01"),
        "link_down": st.sampled_from("01"),
        "host-managed": st.sampled_from("01"),
        "trunks": st.sampled_from(["10;2", "2;10"]),
        "rate": st.sampled_from(["5", "5.0", "12.50"]),
        "mtu": st.just("1400"),
        "type": st.just("veth"),
    },
).map(lambda parts: ",".join(f"{name}={value}" for name, value in parts.items()))
SIZES = st.sampled_from(["1G", "512M", "2048M", "3G", "8G", "1T"])
OPTIONS = st.sampled_from(
    [
        "",
        "ro=1,",
        "ro=0,",
        "backup=1,ro=1,",
        "mountoptions=noatime;nodev,",
        "acl=1,replicate=0,",
        "idmap=g:0:7:1;u:0:7:1,keepattrs=1,",
    ]
)
MOUNTS = st.tuples(STORAGES, PATHS, SIZES, OPTIONS).map(
    lambda one: f"{one[0]}:vm-103-disk-9,{one[3]}mp={one[1]},size={one[2]}"
)
NEVER_MADE = st.tuples(STORAGES, PATHS).map(lambda one: f"{one[0]}:2,mp={one[1]}")
RULES = st.lists(
    st.fixed_dictionaries(
        {"type": st.just("in"), "action": st.sampled_from(["ACCEPT", "DROP"]), "enable": st.sampled_from("01")},
        optional={
            "proto": st.just("tcp"),
            "dport": st.just("80,443"),
            "log": st.just("info"),
            "comment": st.just("web"),
            "macro": st.just("SSH"),
            "iface": st.just("net1"),
        },
    ),
    max_size=3,
)
SHOWN_POLICIES = st.fixed_dictionaries({}, optional={"policy_in": POLICIES, "policy_out": POLICIES})
FIREWALLS = st.builds(
    FirewallState,
    enabled=st.sampled_from([None, True, False]),
    rules=RULES.map(tuple),
    policies=SHOWN_POLICIES,
)
MARKERS = st.builds(
    Marker,
    ctid=st.sampled_from([CTID, 900]),
    creation=st.just("c1"),
    role=st.just(Role.CONTAINER),
    stage=st.sampled_from(Stage),
    declaration=st.just("old"),
    origin=st.sampled_from(["", "900", "901,linked"]),
)


def _place(mount: str) -> str:
    """Where it is mounted: nothing is mounted twice at one place."""
    return re.sub(r"/+", "/", mount.partition("mp=")[2].partition(",")[0]).rstrip("/") or mount


CONFIGS = st.fixed_dictionaries(
    {"rootfs": st.tuples(STORAGES, SIZES).map(lambda one: f"{one[0]}:vm-103-disk-0,size={one[1]}")},
    optional={
        "hostname": NAMES,
        "memory": st.sampled_from(["64", "512"]),
        "swap": st.sampled_from(["0", "64"]),
        "cores": st.sampled_from("12"),
        "net0": NET0,
        "net1": NET0,
        "net10": NET0,
        "nameserver": st.sampled_from(["10.0.0.1", "9.9.9.9 10.0.0.1"]),
        "onboot": st.sampled_from("01"),
        "startup": st.sampled_from(["order=1", "1,up=2", "down=9,order=0"]),
        "features": st.sampled_from(["nesting=1", "nesting=0", "fuse=1,nesting=1", "keyctl=1"]),
        "tags": st.sampled_from(["Infra;x", "phoenix", "web,phoenix"]),
        "template": st.just("1"),
        "mp0": MOUNTS,
        "mp3": MOUNTS | NEVER_MADE,
        "mp9": st.just("/mnt/host,mp=/mnt/host"),
        "unprivileged": st.just("1"),
        "searchdomain": st.sampled_from(["lan", "lan example.lan"]),
        "protection": st.sampled_from("01"),
        "timezone": st.just("UTC"),
        "console": st.sampled_from("01"),
        "tty": st.just("1"),
        "cmode": st.just("console"),
        "cpulimit": st.sampled_from(["0", "1.0", "1.50"]),
        "cpuunits": st.just("1024"),
        "ostype": st.just("debian"),
        "entrypoint": st.just("/bin/sh"),
        "env": st.sampled_from(["A=1", "B=2\0A=1", "PATH=/bin"]),
        "hookscript": st.sampled_from(["local:snippets/hook.sh", "local:snippets/other.sh"]),
    },
).filter(lambda config: _place(config.get("mp0", "a")) != _place(config.get("mp3", "b")))
OBSERVED = st.builds(
    lambda config, marker, notes, firewall, pool, ha: Observation(
        CTID,
        "pve",
        Presence.HERE,
        config | {"description": write_marker(marker, notes) if marker else f"{notes}\n"},
        firewall=firewall,
        pool=pool,
        ha=ha,
    ),
    CONFIGS,
    st.none() | MARKERS,
    NOTES,
    st.none() | FIREWALLS,
    st.sampled_from([None, "", "web", "old"]),
    st.sampled_from([None, HaState(), HaState(managed=True), HaState(managed=True, max_restart=0)]),
)


def declared(entry: dict[str, Any]) -> Declaration:
    """The entry as the catalog reads it, beside the templates that it may be a clone of."""
    template = {"name": "base", "template": entry["template"], "is_template": True}
    document = {"lxc_configs": {"900": template, "901": template | {"name": "other"}, str(CTID): entry}}
    return load_bytes(json.dumps(document).encode(), Path(), DEFAULTS)[CTID]


def is_possible(entry: dict[str, Any]) -> bool:
    """Whether the catalog takes the entry: a clone that inherits no size, an address that fits its gateway."""
    network = entry.get("network_config", {})
    if "mac_address" in entry and not network and entry.get("networks"):
        return False
    if any(one.get("host_managed") and one.get("ip6") == "auto" for one in (network, *entry.get("networks", ()))):
        return False
    return network.get("gw") is None or "/" in network.get("ip", "")


POSSIBLE = ENTRIES.filter(is_possible)
