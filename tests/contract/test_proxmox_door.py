"""The API door against a Proxmox that answers as real nodes do, over HTTPS."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.differs.mount_order import normal_path
from phoenix_worker.core.differs.raw_lines import present
from phoenix_worker.core.differs.volumes import disk_sizes, mounted
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.marker import Marker, Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.ports import CloneOrder, CreateOrder, Proxmox
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.translate import Request
from tests.support.migrating_pve import Turn
from tests.support.node_typing import type_on_node
from tests.support.proxmox import NODE, Simulator

OS_TEMPLATE = "local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst"
MARKER = Marker(103, "c1", Role.CONTAINER, Stage.MADE, "abc")
CLONE = CloneOrder(NODE, 900, 103, "Step-CA", write_marker(MARKER, "of two lines\nand ours"), full=True)
CREATE = CreateOrder(NODE, 900, OS_TEMPLATE, unprivileged=True, config={"hostname": "base", "rootfs": "local-lvm:8"})


def calls_of(simulator: Simulator, ctid: int = 103) -> list[tuple[str, str]]:
    base = f"/nodes/{NODE}/lxc/{ctid}"
    return [(method, path.removeprefix(base)) for method, path in simulator.calls()]


# Looking


def test_what_is_there_is_seen_in_two_calls(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103, name="Step-CA", status="running", config={"memory": 1024})
    seen = door.observe(NODE, 103)
    assert calls_of(simulator) == [("GET", "/config"), ("GET", "/status/current")]
    assert (seen.presence, seen.running, seen.config["memory"]) == (Presence.HERE, True, "1024")
    assert seen.digest
    assert "digest" not in seen.config


def test_status_lock_and_template_flag_are_live_although_the_resources_lag(simulator: Simulator, door: Proxmox) -> None:
    container = simulator.do(simulator.pve.add_ct, 103, status="stopped")
    simulator.do(simulator.pve.refresh_resources)
    simulator.set(container, status="running")
    simulator.do(container.config.update, {"lock": "backup", "template": 1})
    seen = door.observe(NODE, 103)
    assert (seen.running, seen.lock, seen.template_flag) == (True, "backup", True)
    assert door.running(103) is True


def test_a_line_of_the_resources_does_not_make_a_missing_container_present(simulator: Simulator, door: Proxmox) -> None:
    stale = {"id": "lxc/103", "type": "lxc", "node": NODE, "vmid": 103, "status": "running", "name": "gone"}
    simulator.do(simulator.pve.stale_rows.append, stale)
    assert door.observe(NODE, 103).presence is Presence.ABSENT
    assert door.running(103) is None


def test_absent_is_seen_in_two_calls(simulator: Simulator, door: Proxmox) -> None:
    assert door.observe(NODE, 103) == Observation(103, NODE, Presence.ABSENT)
    assert simulator.calls() == [("GET", f"/nodes/{NODE}/lxc/103/config"), ("GET", "/cluster/resources")]


def test_a_vm_with_the_id_is_seen_with_its_name_and_node(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_vm, 103, "windows", node=NODE, status="running")
    seen = door.observe(NODE, 103)
    assert (seen.presence, seen.node, seen.config) == (Presence.VM, NODE, {"hostname": "windows"})
    assert door.running(103) is True


def test_a_container_of_another_node_is_seen_there(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103, node="pve2")
    seen = door.observe(NODE, 103)
    assert (seen.presence, seen.node) == (Presence.OTHER_NODE, "pve2")


def test_notes_come_back_with_a_newline_that_changes_nothing(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103, config={"description": CLONE.notes})
    seen = door.observe(NODE, 103)
    assert seen.config["description"] == CLONE.notes + "\n"
    assert seen.marker == MARKER


def test_what_waits_for_the_next_start_is_asked_for_running_containers_only(
    simulator: Simulator, door: Proxmox
) -> None:
    container = simulator.do(simulator.pve.add_ct, 103, status="running", config={"mp0": "local-lvm:vm-103-disk-1"})
    door.configure(NODE, 103, changes={"features": "nesting=1", "memory": "64"}, delete=["mp0"], digest=None)
    assert door.observe(NODE, 103, pending=True).pending == ("features", "mp0")
    simulator.set(container, status="stopped")
    assert door.observe(NODE, 103, pending=True).pending == ()
    assert [path for _, path in calls_of(simulator)].count("/pending") == 1


def test_what_is_deleted_between_two_looks_is_absent(simulator: Simulator, door: Proxmox) -> None:
    pve, do = simulator.pve, simulator.do
    deleted = Turn(1, lambda path: path.endswith("/103/config"), lambda: pve._drop(pve.ct(103)))
    do(pve.add_ct, 103)
    do(pve.turns.append, deleted)
    assert door.observe(NODE, 103).presence is Presence.ABSENT
    assert pve.turns == []
    do(pve.add_ct, 103)
    do(pve.fail, "GET", "/status/current", 500, "Configuration file 'nodes/pve1/lxc/103.conf' does not exist")
    assert door.running(103) is None


# Cloning and creating


def test_what_is_made_joins_its_pool(simulator: Simulator, door: Proxmox) -> None:
    simulator.add_template(901)
    simulator.do(simulator.pve.pools.update, {"web": set()})
    simulator.end_of(door, door.clone(replace(CLONE, source=901, pool="web")))
    simulator.end_of(door, door.create(replace(CREATE, pool="web")))
    assert simulator.pve.pools["web"] == {103, 900}


def test_a_guest_moves_to_its_pool_and_is_found_there(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.pools.update, {"web": set(), "old": set()})
    seen = [door.pool_of(103, "web")]
    for pool in ("old", "web"):
        door.join_pool(103, pool)
        seen.append(door.pool_of(103, "web"))
    assert seen == ["", "old", "web"]
    assert simulator.pve.pools == {"web": {103}, "old": set()}
    assert [path for _, path in simulator.calls()].count("/cluster/resources") == 2, "only where it is not as expected"
    for ask in (door.pool_of, door.join_pool):
        with pytest.raises(PermanentError, match="pool 'none' does not exist") as refused:
            ask(103, "none")
        assert refused.value.cause == "pool-missing"


def test_a_clone_carries_our_marker_and_the_lock_from_its_first_moment(simulator: Simulator, door: Proxmox) -> None:
    simulator.add_template(900, net0="name=eth0,bridge=vmbr0,hwaddr=AA:AA:AA:AA:AA:AA,ip=10.0.0.9/24", tags="base")
    simulator.do(simulator.pve.ct_secs.update, {"clone": 600})
    upid = door.clone(CLONE)
    seen, source = door.observe(NODE, 103), door.observe_template(NODE, 900)
    assert (seen.marker, seen.lock, source.lock) == (MARKER, "create", "disk")
    assert seen.config["hostname"] == "Step-CA"
    assert seen.config["tags"] == "base"
    assert "ip=10.0.0.9/24" in seen.config["net0"]
    assert "AA:AA:AA" not in seen.config["net0"]
    assert door.task_end(upid) is None


def test_the_source_of_a_clone_is_locked_for_others_until_it_ends(simulator: Simulator, door: Proxmox) -> None:
    simulator.add_template(900)
    simulator.do(simulator.pve.ct_secs.update, {"clone": 0.1})
    first = door.clone(CLONE)
    with pytest.raises(TransientError, match=r"to CT 104 on pve1: CT is locked \(disk\)\.$") as refused:
        door.clone(replace(CLONE, ctid=104))
    assert refused.value.cause == "locked"
    assert simulator.end_of(door, first).succeeded
    assert simulator.end_of(door, door.clone(replace(CLONE, ctid=104))).succeeded
    one, two = simulator.intervals("vzclone")
    assert one.end is not None
    assert one.end <= two.start


def test_full_is_always_said_and_the_storage_only_for_full_clones(simulator: Simulator, door: Proxmox) -> None:
    simulator.add_template(900)
    simulator.end_of(door, door.clone(replace(CLONE, storage="local-dir")))
    simulator.end_of(door, door.clone(replace(CLONE, ctid=104, full=False, storage="local-dir")))
    assert door.observe(NODE, 103).config["rootfs"].startswith("local-dir:")
    bodies = [body.decode() for method, path, body in simulator.pve.requests if path.endswith("/clone")]
    assert ["full=1" in bodies[0], "full=0" in bodies[1]] == [True, True]
    assert ["storage" in body for body in bodies] == [True, False]


def test_a_clone_sent_before_the_template_flag_shows_is_a_full_one(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 900)
    assert simulator.end_of(door, door.clone(replace(CLONE, full=False))).succeeded
    assert "base-" not in door.observe(NODE, 103).config["rootfs"]


def test_unprivileged_is_always_said_at_a_create(simulator: Simulator, door: Proxmox) -> None:
    assert simulator.end_of(door, door.create(CREATE)).succeeded
    assert simulator.pve.creates[0]["unprivileged"] == 1
    seen = door.observe(NODE, 900)
    assert (seen.config["hostname"], seen.config["unprivileged"]) == ("base", "1")


def test_a_create_that_does_not_say_it_is_refused_by_the_simulator(door: ProxmoxApi) -> None:
    with pytest.raises(PermanentError, match="unprivileged"):
        door.call(Request("POST", f"nodes/{NODE}/lxc", "create CT 900"), vmid=900, ostemplate=OS_TEMPLATE)


def test_a_create_has_no_marker_until_it_ends(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.ct_secs.update, {"create": 600})
    order = replace(CREATE, config={**CREATE.config, "description": CLONE.notes})
    upid = door.create(order)
    seen = door.observe(NODE, 900)
    assert (seen.lock, seen.marker) == ("create", None)
    simulator.do(simulator.pve.hurry)
    simulator.end_of(door, upid)
    assert door.observe(NODE, 900).marker == MARKER


def test_an_aborted_clone_leaves_nothing(simulator: Simulator, door: Proxmox) -> None:
    simulator.add_template(900)
    simulator.do(simulator.pve.ct_secs.update, {"clone": 600})
    upid = door.clone(CLONE)
    simulator.do(simulator.pve.abort, upid)
    end = simulator.end_of(door, upid)
    assert end.exit_status == "clone failed: interrupted by signal"
    assert door.task_failure("clone", end).cause == "aborted"
    assert (door.observe(NODE, 103).presence, door.observe(NODE, 900).lock) == (Presence.ABSENT, None)


def test_a_killed_proxmox_worker_leaves_both_locks(simulator: Simulator, door: Proxmox) -> None:
    simulator.add_template(900)
    simulator.do(simulator.pve.ct_secs.update, {"clone": 600})
    upid = door.clone(CLONE)
    simulator.do(simulator.pve.kill_worker, upid)
    end = simulator.end_of(door, upid)
    assert not end.succeeded
    failure = door.task_failure("clone template 900 to CT 103", end)
    assert (type(failure), failure.cause) == (TransientError, "proxmox-worker-died")
    assert [door.observe(NODE, ctid).lock for ctid in (103, 900)] == ["create", "disk"]
    with pytest.raises(TransientError, match=r"destroy CT 103 on pve1: CT is locked \(create\)"):
        door.destroy(NODE, 103)


def test_every_call_is_heard_of(simulator: Simulator) -> None:
    heard: list[str] = []
    door = ProxmoxApi(simulator.access, on_call=lambda request: heard.append(request.method))
    door.observe(NODE, 103)
    assert heard == ["GET", "GET"]


# Configuring


def test_a_change_is_one_request_with_the_digest(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103, config={"tags": "old", "swap": 1})
    digest = door.observe(NODE, 103).digest
    door.configure(NODE, 103, changes={"memory": "1024", "description": CLONE.notes}, delete=["tags"], digest=digest)
    config = door.observe(NODE, 103).config
    assert (config["memory"], "tags" in config, config["description"].rstrip()) == ("1024", False, CLONE.notes)
    assert [method for method, _ in simulator.calls()].count("PUT") == 1


def test_nothing_to_change_is_no_request(simulator: Simulator, door: Proxmox) -> None:
    door.configure(NODE, 103, changes={}, delete=[], digest="x")
    assert simulator.calls() == []


def test_a_stale_digest_is_looked_at_again(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    digest = door.observe(NODE, 103).digest
    door.configure(NODE, 103, changes={"memory": "1024"}, delete=[], digest=digest)
    with pytest.raises(TransientError) as refused:
        door.configure(NODE, 103, changes={"memory": "64"}, delete=[], digest=digest)
    assert refused.value.cause == "stale-digest"


def test_the_template_flag_can_be_put_right(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 900, template=True)
    door.configure(NODE, 900, changes={}, delete=["template"], digest=None)
    assert not door.observe(NODE, 900).template_flag
    door.configure(NODE, 900, changes={"template": "1"}, delete=[], digest=None)
    assert door.observe(NODE, 900).template_flag


def test_a_disk_grows_and_never_shrinks(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    assert simulator.end_of(door, door.resize(NODE, 103, disk="rootfs", size_gb=32)).succeeded
    assert door.observe(NODE, 103).config["rootfs"].endswith("size=32G")
    with pytest.raises(TransientError) as same:
        door.resize(NODE, 103, disk="rootfs", size_gb=32)
    with pytest.raises(PermanentError) as smaller:
        door.resize(NODE, 103, disk="rootfs", size_gb=16)
    assert (same.value.cause, smaller.value.cause) == ("stale-size", "shrink")


@pytest.mark.parametrize("text", ["/日本", "/ü日", "/plain", "Ã"])
def test_what_stands_in_utf8_in_the_file_is_read_as_it_was_written(
    simulator: Simulator, door: Proxmox, text: str
) -> None:
    """Proxmox shows the bytes of the file, each as a character; the notes are told as they are."""
    simulator.do(simulator.pve.add_ct, 103)
    raw = [["lxc.environment", f"NAME={text}"]]
    config = {"mp0": f"local-lvm:vm-103-disk-1,mp={text},size=1G", "description": "Ã¼ and 日本", "lxc": raw}
    simulator.do(simulator.pve.ct(103).config.update, config)
    seen = door.observe(NODE, 103).config
    assert [*mounted(seen)] == [normal_path(text)]
    assert seen["description"] == "Ã¼ and 日本\n"
    assert present(seen) == (("lxc.environment", f"NAME={text}"),)


def test_a_disk_that_was_grown_by_hand_is_shown_after_what_is_said_to_do(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.grown_by_hand.__setitem__, 103, 32)
    for size, cause in ((16, "shrink"), (32, "stale-size")):
        with pytest.raises((PermanentError, TransientError)) as refused:
            door.resize(NODE, 103, disk="rootfs", size_gb=size)
        error = refused.value
        assert isinstance(error, PermanentError | TransientError)
        assert (error.cause, "`pct rescan --vmid 103`" in error.remedy) == (cause, True)
        remedy = error.remedy
    type_on_node(simulator, remedy)
    assert disk_sizes(door.observe(NODE, 103).config) == {"rootfs": 32}
