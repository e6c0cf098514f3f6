"""Small differences that somebody would miss, most of them where a configuration lacks what others have."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.catalog.declaration import Network, Role
from phoenix_worker.catalog.host_parts import BindMount
from phoenix_worker.core.differs import networks, options
from phoenix_worker.core.differs.diff import creation_config, diff, marker_for, origin_of
from phoenix_worker.core.differs.outdated import has_older_build, outdated
from phoenix_worker.core.differs.root_only import HostDirectory, applied, root_diff
from phoenix_worker.core.differs.scripts import keys_at_creation
from phoenix_worker.core.differs.tags import hangs_on_case
from phoenix_worker.core.differs.unchangeable import unchangeable
from phoenix_worker.core.differs.undeclared import undeclared
from phoenix_worker.core.model.marker import ADOPTED, Stage, write_marker
from tests.support.declared import DECLARED, FIREWALL, MARKER, MINIMAL, NET0, seen

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration

ROOT = replace(MINIMAL, clone_from=None, os_template="local:vztmpl/my image@2.tar.zst")
OTHER_BUILD = replace(MARKER, origin="900", build="b1")
LAN = "name=eth1,bridge=vmbr1,type=veth"


def test_the_name_of_an_os_template_is_written_as_a_marker_can_hold_it() -> None:
    assert origin_of(ROOT) == "my-image-2.tar.zst"


@pytest.mark.parametrize(
    ("more", "config"),
    [
        ({}, {"tags": "phoenix"}),
        ({"tags": ("Web", "web")}, {"tags": "phoenix;Web;web"}),
        ({"at_creation": (("ostype", "debian"),)}, {"ostype": "debian"}),
        ({"boot_delay": 5}, {"startup": "up=5"}),
    ],
)
def test_a_new_container_is_created_with_it(more: dict[str, object], config: dict[str, str]) -> None:
    assert creation_config(replace(ROOT, **more), MARKER).items() >= config.items()  # type: ignore[arg-type]


def test_a_clone_has_from_its_template_what_is_set_only_at_creation() -> None:
    cloned = replace(MINIMAL, at_creation=(("ostype", "debian"),))
    assert options.only_at_creation(cloned) == {}
    assert list(options.unchangeable(cloned, {})) == []
    assert keys_at_creation(DECLARED) == {}


def test_without_a_start_order_the_delay_alone_is_written() -> None:
    assert diff(replace(MINIMAL, boot_delay=5), seen(startup=None)).put["startup"] == "up=5"


def test_notes_that_were_empty_have_our_line_alone() -> None:
    adopted = replace(marker_for(MINIMAL, ADOPTED, Stage.CONFIGURED), origin="")
    assert diff(MINIMAL, seen(description=None)).put["description"] == write_marker(adopted, "")


def test_what_becomes_a_template_says_so_in_its_notes() -> None:
    assert " as=template " in diff(replace(MINIMAL, role=Role.TEMPLATE), seen()).put["description"]


def test_interfaces_are_told_in_the_order_of_their_numbers() -> None:
    assert networks.keys(dict.fromkeys(("net10", "net2", "net0"), "")) == ["net0", "net2", "net10"]


@pytest.mark.parametrize(
    ("old", "new"),
    [("", f"{LAN},mtu=9000"), (f"{LAN},mtu=1500", f"{LAN},mtu=9000"), (f"{LAN},trunks=2;3", f"{LAN},trunks=2;4")],
)
def test_what_a_running_interface_takes_later_is_named(old: str, new: str) -> None:
    assert list(networks.at_next_start({"net1": new}, {"net1": old} if old else {})) == ["net1"]
    assert not networks.same(old, new)


def test_a_firewall_is_for_an_interface_that_nobody_declares_if_it_is_the_first() -> None:
    made = write_marker(replace(MARKER, stage=Stage.MADE), "")
    put = diff(replace(MINIMAL, firewall=FIREWALL), seen(net1=LAN, description=made)).put
    assert "firewall=1" in put["net0"]
    assert "net1" not in put


def test_a_name_and_a_bridge_are_an_interface() -> None:
    put = networks.wanted(replace(MINIMAL, network=Network("vmbr0")), {}, fresh=True)
    assert put == {"net0": "name=eth0,bridge=vmbr0,type=veth"}


def test_variables_have_no_order_and_their_values_are_compared_to_the_letter() -> None:
    assert options.same("env", "A=1\0B=2", "B=2\0A=1")
    assert not options.same("env", "A=1 2", "A=1,2")


def test_of_a_copied_marker_no_build_counts_nor_without_one_to_compare() -> None:
    copied = seen(description=write_marker(replace(OTHER_BUILD, ctid=104), ""))
    assert not has_older_build(DECLARED, copied, "b2")
    own = seen(description=write_marker(OTHER_BUILD, ""))
    assert has_older_build(DECLARED, own, "b2")
    assert outdated(DECLARED, own, has_shell=True) == ()


def test_a_gpu_that_is_only_taken_away_is_a_change() -> None:
    observed = seen(dev0="/dev/nvidia0")
    changes = root_diff(replace(DECLARED, devices=()), observed)
    assert changes
    assert "dev0" not in applied(observed, changes).config


@pytest.mark.parametrize(
    ("features", "written"), [((), "keyctl=1"), (("nesting=1", "fuse=1"), "fuse=1,keyctl=1,nesting=1")]
)
def test_features_of_root_are_written_with_those_of_the_token(features: tuple[str, ...], written: str) -> None:
    declared = replace(DECLARED, features=features, root_features=("keyctl=1",))
    assert root_diff(declared, seen(features=None)).put == {"features": written}


def test_of_a_privileged_container_the_ids_are_those_of_the_node() -> None:
    mount = BindMount("/tank/media", "/srv/media", options=(("idmap", "u:0:1000:1"),))
    changes = root_diff(replace(DECLARED, bind_mounts=(mount,)), seen())
    assert changes.directories == (HostDirectory("/tank/media", 0, 0, False),)  # noqa: FBT003 - not owned


WITH_MOUNT = replace(DECLARED, unprivileged=False, bind_mounts=(BindMount("/tank/media", "/srv/media"),))


@pytest.mark.parametrize("config", [{"mp0": "/tank/media,mp=/srv/media"}, {"rootfs": None}])
def test_a_bind_mount_in_its_place_and_a_disk_that_is_not_there_are_no_objection(config: dict[str, str | None]) -> None:
    assert unchangeable(WITH_MOUNT, seen(**config)) == ()


@pytest.mark.parametrize("declaration", [MINIMAL, DECLARED])
def test_a_container_without_interfaces_and_tags_is_looked_at_all_the_same(declaration: Declaration) -> None:
    bare = seen(net0=None, tags=None)
    assert undeclared(declaration, bare) == ()
    assert not hangs_on_case(declaration, bare)
    assert diff(declaration, seen(net0=NET0)).grow == {}
