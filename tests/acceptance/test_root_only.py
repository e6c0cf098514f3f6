"""What only root may set comes through the node's shell: before the first start, once, and beside what others set."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import done, failure_of
from tests.acceptance.test_converging import redeclare
from tests.support.product import container, template
from tests.support.root_node import RootNode

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.product import Product

EVERYTHING: dict[str, Any] = {
    "pct_options": ["nesting=1", "keyctl=1"],
    "lxc_options": ["lxc.cap.keep=sys_admin,net_raw", "lxc.mount.auto:sys:rw"],
    "apparmor_profile": "unconfined",
    "id_maps": ["u 0 100000 1000", "u 1000 1000 1", "g 0 100000 65536"],
    "hookscript": "local:snippets/hook.sh",
    "gpu_assignment": "0",
    "devices": [{"path": "/dev/dri/renderD128", "gid": 44, "mode": "0660"}],
    "mount_points": [
        {
            "host_path": "/tank/media",
            "container_path": "/srv/media",
            "owner_uid": 1000,
            "owner_gid": 33,
            "read_only": True,
            "mount_options": ["nosuid", "nodev"],
        },
        {"host_path": "/tank/it's; $(here)", "container_path": "/srv/a b"},
    ],
}
RAW = [
    "lxc.cap.keep: sys_admin", "lxc.cap.keep: net_raw", "lxc.mount.auto: sys:rw", "lxc.apparmor.profile: unconfined",
    "lxc.idmap: u 0 100000 1000", "lxc.idmap: u 1000 1000 1", "lxc.idmap: g 0 100000 65536",
]  # fmt: skip


@pytest.fixture
def node(product: Product, tmp_path: Path) -> Iterator[RootNode]:
    with RootNode(tmp_path / "node", product.simulator) as node:
        yield node


def raw_lines(node: RootNode, ctid: int) -> list[str]:
    return [line for line in node.conf(ctid).splitlines() if line.startswith("lxc.")]


def test_it_is_there_before_the_first_start_and_a_second_ensure_writes_nothing(
    product: Product, node: RootNode
) -> None:
    product.declare(
        {900: template(lxc_options=["lxc.autodev=1"], pct_options=["fuse=1"]), 103: container(103, **EVERYTHING)}
    )
    product.start_worker(**node.environ())
    planned = product.producer.plan(103).wait(timeout=60).lines
    assert any("dev0 unset → /dev/nvidia0" in line and "sys_admin | net_raw" in line for line in planned), planned
    result = product.ensure(103)
    assert done(result) == [
        ("create", 900), ("configure", 900), ("seal", 900), ("clone", 103), ("configure", 103), ("start", 103)
    ]  # fmt: skip
    assert (result.not_applied, result.pending_restart) == ((), ())
    config = product.config(103)
    assert config["features"] == "fuse=1,keyctl=1,nesting=1", "with the template's"
    assert [config[f"dev{number}"] for number in range(5)] == [
        "/dev/nvidia0", "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools",
        "/dev/dri/renderD128,gid=44,mode=0660",
    ]  # fmt: skip
    assert [config["mp0"], config["mp1"]] == [
        "/tank/media,mountoptions=nodev;nosuid,mp=/srv/media,ro=1",
        "/tank/it's; $(here),mp=/srv/a b",
    ]
    assert raw_lines(node, 103) == ["lxc.autodev: 1", *RAW]
    assert config["hookscript"] == "local:snippets/hook.sh"
    assert node.owners == {"/tank/media": "1000:100033", "/tank/it's; $(here)": "100000:100000"}
    assert (node.slash / "tank/it's; $(here)").is_dir()

    commands, writes = len(node.commands), len(product.writes())
    assert product.ensure(103).outcome == "unchanged"
    assert (len(node.commands), len(product.writes())) == (commands, writes)

    product.simulator.do(product.simulator.pve.ct(103).config.pop, "lxc")
    assert product.ensure(103).pending_restart == (
        "lxc.cap.keep",
        "lxc.mount.auto",
        "lxc.apparmor.profile",
        "lxc.idmap",
    )
    assert raw_lines(node, 103) == RAW

    redeclare(product, 103, gpu_assignment="none", apparmor_profile="generated", pct_options=["keyctl=0", "nesting=1"])
    changed = product.ensure(103)
    assert changed.outcome == "updated"
    assert set(changed.pending_restart) == {"features", "dev0", "dev1", "dev2", "dev3", "lxc.apparmor.profile"}
    assert {change.key: change.new for change in changed.changes}["lxc.apparmor.profile"] == "generated"
    assert not any("/status/" in path for _, path in product.writes()[writes:]), "it is not restarted unasked"
    again = product.ensure(103)
    assert (again.outcome, set(again.pending_restart)) == ("unchanged", {"features", "dev0", "dev1", "dev2", "dev3"})


def test_nobodys_change_is_lost_and_a_locked_one_is_waited_for(product: Product, node: RootNode) -> None:
    """Somebody writes a line of his own between our look and our write; then a backup holds its lock."""
    product.declare({900: template(), 103: container(103, lxc_options=["lxc.autodev=1"])})
    product.simulator.add_template(900)
    found: list[int] = []

    def meddle(ctid: int) -> None:
        found.append(ctid)
        if len(found) == 1:
            config = product.simulator.pve.ct(ctid).config
            config["lxc"] = [["lxc.environment", "BY=hand"]]

    node.read = meddle
    product.start_worker(**node.environ())
    assert product.ensure(103).outcome == "created"
    assert raw_lines(node, 103) == ["lxc.environment: BY=hand", "lxc.autodev: 1"]
    assert found[:3] == [103, 103, 103], "read, refused to write, read again"

    redeclare(product, 103, lxc_options=["lxc.autodev=0"])
    product.simulator.do(product.simulator.pve.snapshot_lock, 103, "backup")
    handle = product.producer.ensure(103)
    assert next(one for one in handle.progress(timeout=60) if "is locked (backup)" in one.detail)
    assert raw_lines(node, 103)[1] == "lxc.autodev: 1"
    product.simulator.do(product.simulator.pve.unlock, 103)
    assert handle.wait(timeout=60).outcome == "updated"
    assert raw_lines(node, 103) == ["lxc.environment: BY=hand", "lxc.autodev: 0"]


def test_all_that_the_forced_command_refuses_is_told_before_anything_is_made(product: Product, node: RootNode) -> None:
    node.door = ["--ctids", "100-899", "--directories", "/srv"]
    root: dict[str, Any] = {"lxc_options": ["lxc.autodev=1"]}
    product.declare({900: template(**root), 103: container(103, features=["base"], **EVERYTHING)})
    product.start_worker(**node.environ(PHOENIX_SCRIPTS="/opt/install_{feature}.sh"))
    for handle in (product.producer.plan(103), product.producer.ensure(103)):
        failure = failure_of(handle)
        assert failure.cause == "forced-command"
        refused = ("directory /tank/media", "directory /tank/it's; $(here)", "scripts on the node (--node-scripts)")
        assert all(what in failure.message for what in refused), failure.message
        assert "phoenix-node-door" in failure.remedy
    redeclare(product, 103, features=[])
    for handle in (product.producer.plan(103), product.producer.ensure(103)):
        message = failure_of(handle).message
        assert all(what in message for what in ("directory /tank/media (--directories)", "CTID 900 (--ctids)")), message
    assert product.writes() == []


def test_what_a_finished_template_has_is_not_set_again_and_so_not_refused(product: Product, node: RootNode) -> None:
    node.door = ["--ctids", "103", "--raw-keys", "lxc.cap.*"]
    autodev: dict[str, Any] = {"lxc_options": ["lxc.autodev=1"]}
    product.declare({900: template(**autodev), 103: container(103, **autodev), 104: container(104)})
    product.simulator.add_template(900)
    product.simulator.do(product.simulator.pve.ct(900).config.__setitem__, "lxc", [["lxc.autodev", "1"]])
    product.start_worker(**node.environ())
    for ctid in (103, 104):
        assert product.producer.plan(ctid).wait(timeout=60).lines
        assert product.ensure(ctid).outcome == "created"
        assert raw_lines(node, ctid) == ["lxc.autodev: 1"]


def test_without_the_door_it_is_refused_before_anything_is_made_or_left_out_if_that_is_accepted(
    product: Product,
) -> None:
    product.declare({900: template(gpu_assignment="1"), 103: container(103, **EVERYTHING), 104: container(104)})
    product.start_worker()
    failure = failure_of(product.producer.ensure(103))
    keys = "pct_options, hookscript, gpu_assignment, devices, mount_points, lxc_options, apparmor_profile, id_maps"
    assert (failure.cause, f"{keys} need shell access to the node" in failure.message) == ("no-shell", True)
    assert "gpu_assignment needs shell access to the node" in failure_of(product.producer.ensure(104)).message
    assert product.writes() == []
    result = product.ensure(103, accept_not_applied=True)
    assert [line.partition(":")[0] for line in result.not_applied] == keys.split(", ")
    assert [line.partition(":")[0] for line in result.templates_not_applied[900]] == ["gpu_assignment"]
    assert product.config(103)["features"] == "nesting=1"


def test_a_proxmox_that_is_too_old_for_a_key_is_refused_and_one_that_was_upgraded_is_not(
    product: Product, node: RootNode
) -> None:
    pve = product.simulator.pve
    product.simulator.set(pve, version="8.0.9")
    product.declare({900: template(), 103: container(103, devices=EVERYTHING["devices"]), 104: container(104)})
    product.start_worker(**node.environ())
    for failure in (failure_of(product.producer.ensure(103)), failure_of(product.producer.plan(103))):
        assert failure.cause == "proxmox-too-old"
        assert failure.message.endswith("devices needs Proxmox VE 8.1, and this is 8.0.9.")
    assert product.writes() == []
    product.simulator.set(pve, version="8.1.0")
    assert product.ensure(103).outcome == "created"
    asked = _times_asked(product)
    assert asked > 1, "anew before it was refused"
    product.ensure(103)
    redeclare(product, 103, devices=EVERYTHING["devices"], cores=2)
    assert product.ensure(103).outcome == "updated"
    assert _times_asked(product) == asked, "known by then"


def _times_asked(product: Product) -> int:
    return sum(path.endswith("/version") for _, path in product.calls())
