from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_producer.contract import Change
from phoenix_worker.catalog.declaration import Declaration, Network
from phoenix_worker.core.differs.diff import Changes, creation_config, diff, marker_for
from phoenix_worker.core.model.marker import ADOPTED, Marker, Stage, read_marker, without_marker, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from tests.support.declared import DECLARED, MAC, MARKER, MINIMAL, NET0, NETWORK, seen

INHERITED = "name=eth0,bridge=vmbr0,gw=10.0.0.9,hwaddr=BC:24:11:00:00:01,ip=10.0.0.200/24,tag=7,type=veth"


def fresh_clone(**config: str) -> Observation:
    notes = write_marker(replace(MARKER, stage=Stage.MADE))
    return Observation(103, "pve1", Presence.HERE, {"hostname": "Step-CA", "description": notes} | config)


def changed(declared: Declaration, observation: Observation) -> dict[str, str]:
    put = diff(declared, observation).put
    return {key: value for key, value in put.items() if key != "description"}


def test_what_is_as_declared_needs_nothing() -> None:
    changes = diff(DECLARED, seen())
    assert changes == Changes({})
    assert not changes


@pytest.mark.parametrize(
    ("key", "spelt"),
    [
        ("tags", "infra,phoenix ca"),
        ("tags", "CA;Infra;phoenix"),
        ("startup", "1,up=5"),
        ("startup", "order=1,up=5,down=60"),
        ("features", "keyctl=1,nesting=1"),
        ("net0", f"bridge=vmbr0,name=eth0,type=veth,ip=10.0.0.10/24,gw=10.0.0.1,hwaddr={MAC},firewall=1,mtu=1400"),
        ("nameserver", "10.0.0.1  9.9.9.9"),
    ],
)
def test_another_spelling_and_more_than_is_declared_is_left_alone(key: str, spelt: str) -> None:
    assert not diff(DECLARED, seen(**{key: spelt}))


@pytest.mark.parametrize(
    ("key", "present", "wanted"),
    [
        ("hostname", "old", "Step-CA"),
        ("memory", "512", "1024"),
        ("swap", "0", "512"),
        ("cores", "4", "1"),
        ("cores", None, "1"),
        ("nameserver", "9.9.9.9 10.0.0.1", "10.0.0.1 9.9.9.9"),
        ("nameserver", None, "10.0.0.1 9.9.9.9"),
        ("onboot", "0", "1"),
        ("onboot", None, "1"),
        ("startup", "order=2,up=5,down=60", "order=1,down=60,up=5"),
        ("startup", None, "order=1,up=5"),
        ("features", "keyctl=1,nesting=0", "keyctl=1,nesting=1"),
        ("features", None, "nesting=1"),
        ("tags", "ca;infra", "ca;infra;phoenix"),
        ("tags", "ca;by-hand;phoenix", "ca;Infra;phoenix"),
        ("tags", "CA;by-hand;phoenix", "CA;Infra;phoenix"),
        ("net0", NET0.replace("vmbr0", "vmbr1") + ",firewall=1", NET0.replace(",gw", ",firewall=1,gw")),
        ("net0", NET0.replace(MAC, "AA:BB:CC:DD:EE:FF"), NET0),
        ("net0", NET0.replace("10.0.0.10/24", "10.0.0.11/24"), NET0),
        ("net0", NET0.replace("gw=10.0.0.1,", ""), NET0),
        ("net0", None, NET0),
    ],
)
def test_a_difference_is_one_change(key: str, present: str | None, wanted: str) -> None:
    changes = diff(DECLARED, seen(**{key: present}))
    assert changes == Changes({key: wanted}, changes=(Change(key=key, old=present, new=wanted),))


def test_what_is_not_declared_stays_as_it_is() -> None:
    by_hand = seen(
        memory="64", cores="7", net0=NET0, nameserver="1.1.1.1", onboot="1", startup="order=9", features="fuse=1",
        tags="mine;phoenix", description=write_marker(MARKER, "Ask Ann."), rootfs="local-lvm:vm-103-disk-0,size=1G",
    )  # fmt: skip
    assert not diff(MINIMAL, by_hand)


def test_a_fresh_clone_keeps_what_its_template_has_but_the_addresses() -> None:
    clone = fresh_clone(memory="64", onboot="1", startup="order=9", net0=INHERITED + ",ip6=fd00::9/64,gw6=fd00::1")
    assert changed(MINIMAL, clone) == {
        "net0": "name=eth0,bridge=vmbr0,hwaddr=BC:24:11:00:00:01,tag=7,type=veth",
        "tags": "phoenix",
    }


def test_a_configured_one_keeps_an_address_given_by_hand() -> None:
    assert "net0" not in diff(MINIMAL, seen(net0=INHERITED)).put


@pytest.mark.parametrize("ip", ["dhcp", "manual"])
def test_a_fresh_clone_keeps_dhcp(ip: str) -> None:
    clone = fresh_clone(net0=f"name=eth0,bridge=vmbr0,ip={ip},ip6=auto,type=veth", tags="phoenix")
    assert changed(MINIMAL, clone) == {}


@pytest.mark.parametrize(
    ("network", "net0"),
    [
        (Network("vmbr0", ip="dhcp"), "name=eth0,bridge=vmbr0,hwaddr={mac},ip=dhcp,tag=7,type=veth"),
        (Network("vmbr0", ip="10.0.0.10/24"), "name=eth0,bridge=vmbr0,hwaddr={mac},ip=10.0.0.10/24,tag=7,type=veth"),
        (
            Network("vmbr0", vlan=30, ip6="fd00::5/64", gw6="fd00::1"),
            "name=eth0,bridge=vmbr0,gw6=fd00::1,hwaddr={mac},ip6=fd00::5/64,tag=30,type=veth",
        ),
        (
            Network("vmbr1", name="lan0", ip="10.0.0.200/24", gw="10.0.0.1", ip6="auto"),
            "name=lan0,bridge=vmbr1,gw=10.0.0.1,hwaddr={mac},ip=10.0.0.200/24,ip6=auto,tag=7,type=veth",
        ),
    ],
)
def test_an_inherited_gateway_goes_with_its_address(network: Network, net0: str) -> None:
    declared = replace(MINIMAL, network=network)
    clone = fresh_clone(net0=INHERITED, tags="phoenix")
    assert changed(declared, clone) == {"net0": net0.format(mac="BC:24:11:00:00:01")}


def test_going_over_to_dhcp_drops_the_gateway() -> None:
    declared = replace(DECLARED, network=replace(NETWORK, ip="dhcp", gw=None))
    assert "gw=" not in diff(declared, seen()).put["net0"]


def test_a_mac_alone_is_put_into_the_interface_that_is_there() -> None:
    declared = replace(MINIMAL, mac=MAC.lower())
    assert diff(declared, seen(net0=INHERITED)).put["net0"] == INHERITED.replace("BC:24:11:00:00:01", MAC)
    assert "net0" not in diff(declared, seen(net0=None)).put


def test_not_starting_at_boot_is_said_only_to_one_that_does() -> None:
    declared = replace(DECLARED, start_at_boot=False)
    assert not diff(declared, seen(onboot=None))
    assert diff(declared, seen()).put == {"onboot": "0"}


def test_no_swap_is_said_although_it_is_zero() -> None:
    assert diff(replace(DECLARED, swap_mb=0), seen(swap=None)).put == {"swap": "0"}


def test_a_feature_is_switched_off() -> None:
    assert diff(replace(DECLARED, features=("nesting=0",)), seen()).put == {"features": "nesting=0"}


def test_a_feature_that_is_off_and_absent_is_no_difference() -> None:
    assert not diff(replace(DECLARED, features=("nesting=0",)), seen(features=None))


# The root disk


@pytest.mark.parametrize(
    ("rootfs", "grows_to"),
    [
        ("local-lvm:vm-103-disk-0,size=8G", 16),
        ("local-lvm:vm-103-disk-0,size=8192M", 16),
        ("local-lvm:vm-103-disk-0,mountoptions=noatime,size=15.5G", 16),
        ("local-lvm:vm-103-disk-0,size=16G", None),
        ("local-lvm:vm-103-disk-0,size=16777216K", None),
        ("local-lvm:vm-103-disk-0,size=1T", None),
        ("local-lvm:vm-103-disk-0", None),
        ("local-lvm:base-103-disk-0,size=8G", None),
    ],
)
def test_a_disk_only_grows(rootfs: str, grows_to: int | None) -> None:
    assert diff(DECLARED, seen(rootfs=rootfs)).grow == ({"rootfs": grows_to} if grows_to else {})


def test_growth_is_told_in_proxmox_own_spelling() -> None:
    changes = diff(DECLARED, seen(rootfs="local-lvm:vm-103-disk-0,size=8G"))
    assert changes
    assert (changes.put, changes.changes) == ({}, (Change(key="rootfs", old="8G", new="16G"),))


# The notes


def notes_after(declared: Declaration, observation: Observation) -> tuple[Marker | None, str]:
    written = diff(declared, observation).put["description"]
    return read_marker(written), without_marker(written)


def test_the_marker_keeps_its_creation_and_takes_the_new_hash() -> None:
    changes = diff(replace(DECLARED, hash="h2"), seen())
    assert read_marker(changes.put["description"]) == replace(MARKER, declaration="h2")
    assert changes
    assert changes.changes == ()


def test_what_it_was_made_from_stays_in_the_notes_whatever_is_declared_now() -> None:
    for origin in ("900", ""):
        notes = write_marker(replace(MARKER, origin=origin), "The CA.")
        assert not diff(DECLARED, seen(description=notes)), "nothing is written only to add it"
        changes = diff(replace(DECLARED, clone_from=901, hash="h2"), seen(description=notes))
        assert read_marker(changes.put["description"]) == replace(MARKER, declaration="h2", origin=origin)


@pytest.mark.parametrize(
    ("declared", "origin"),
    [
        (DECLARED, "900"),
        (replace(DECLARED, full_clone=False), "900,linked"),
        (replace(DECLARED, clone_from=None, os_template="local:vztmpl/deb_1.tar.zst"), "deb_1.tar.zst"),
    ],
)
def test_a_new_container_says_what_it_is_made_from(declared: Declaration, origin: str) -> None:
    assert marker_for(declared, "c1", Stage.MADE).origin == origin


@pytest.mark.parametrize(("pool", "old"), [("db", "db"), ("", None)])
def test_a_container_joins_its_pool(pool: str, old: str | None) -> None:
    declared = replace(DECLARED, pool="web")
    changes = diff(declared, replace(seen(), pool=pool))
    assert changes
    assert (changes.pool, changes.changes) == ("web", (Change(key="pool", old=old, new="web"),))
    for there in ("web", None):
        assert not diff(declared, replace(seen(), pool=there))
    assert not diff(DECLARED, replace(seen(), pool=None))


def test_a_fresh_clone_is_marked_as_configured() -> None:
    assert notes_after(MINIMAL, fresh_clone()) == (MARKER, "")


def test_the_owners_own_notes_are_kept_when_none_are_declared() -> None:
    declared = replace(DECLARED, description=None, hash="h2")
    marker, owners = notes_after(declared, seen(description=write_marker(MARKER, "Ask Ann.\n\nBackup: daily")))
    assert (marker, owners) == (replace(MARKER, declaration="h2"), "Ask Ann.\n\nBackup: daily")


def test_declared_notes_replace_others_and_that_is_told() -> None:
    changes = diff(DECLARED, seen(description=write_marker(MARKER, "old")))
    assert changes.put["description"] == write_marker(MARKER, "The CA.")
    assert [change.key for change in changes.changes] == ["description"]


def test_where_our_line_stands_in_the_notes_does_not_matter() -> None:
    assert not diff(DECLARED, seen(description=f"{write_marker(MARKER)}\nThe CA.\n"))


def test_a_hand_made_clone_that_is_adopted_keeps_its_address() -> None:
    notes = write_marker(replace(MARKER, ctid=900, stage=Stage.MADE))
    assert "net0" not in diff(MINIMAL, seen(net0=INHERITED, description=notes)).put


@pytest.mark.parametrize(("before", "old"), [(None, None), ("By hand.\n", "By hand.")])
def test_notes_are_told_without_the_newline_that_proxmox_adds(before: str | None, old: str | None) -> None:
    (change,) = diff(replace(DECLARED, description=None), seen(description=before)).changes
    assert change.old == old


@pytest.mark.parametrize("before", ["By hand.", write_marker(replace(MARKER, ctid=900), "By hand.")])
def test_what_is_adopted_gets_a_marker_and_that_is_told(before: str) -> None:
    declared = replace(DECLARED, description=None)
    changes = diff(declared, seen(description=before))
    assert notes_after(declared, seen(description=before)) == (replace(MARKER, creation=ADOPTED), "By hand.")
    assert [change.key for change in changes.changes] == ["description"]


def test_a_marker_in_declared_notes_is_not_taken_for_ours() -> None:
    declared = replace(DECLARED, description=write_marker(replace(MARKER, ctid=900), "Copied."))
    written = creation_config(declared, MARKER)["description"]
    assert (read_marker(written), without_marker(written)) == (MARKER, "Copied.")
    assert not diff(declared, seen(description=written))
