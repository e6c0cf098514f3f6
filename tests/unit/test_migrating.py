"""What cannot be migrated is refused before Proxmox is asked, with the reason."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import Declaration, Role
from phoenix_worker.core.allowed.migrating import (
    leaving_snapshots,
    refuse_snapshots,
    refuse_target,
    refuse_unmovable,
)
from phoenix_worker.core.allowed.ownership import Action, Purpose, judge, may_migrate
from phoenix_worker.core.model.cluster import NodeState
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.ports import Storage
from tests.support.refusing import Refusal, refusal_of, told

DECLARED = Declaration(103, "ct103", Role.CONTAINER, "pve1", clone_from=900)
LINKED = replace(DECLARED, full_clone=False)
STORAGES = {
    "zfs": Storage("zfs", "zfspool"),
    "thin": Storage("thin", "lvmthin"),
    "ceph": Storage("ceph", "rbd", shared=True),
    "here": Storage("here", "dir", nodes=frozenset({"pve1"})),
}
NODES = {name: NodeState(name, online=name != "pve3") for name in ("pve1", "pve2", "pve3")}


def seen(rootfs: str = "thin:vm-103-disk-0,size=8G", *, running: bool = False, **config: str) -> Observation:
    return Observation(103, "pve1", Presence.HERE, {"rootfs": rootfs, **config}, "digest", running)


def refused(declared: Declaration, there: Observation, *, restart: bool = False) -> PermanentError:
    with pytest.raises(PermanentError) as refusal:
        refuse_unmovable(declared, there, STORAGES, "pve2", restart=restart)
    assert refusal.value.message.startswith("Unable to migrate CT 103 from pve1 to pve2: ")
    return refusal.value


@pytest.mark.parametrize(
    ("declared", "there"),
    [
        (DECLARED, seen()),
        (DECLARED, seen(mp0="/srv/models,mp=/models,shared=1", mp1="thin:vm-103-disk-1,mp=/data")),
        (LINKED, seen("ceph:base-900-disk-0/vm-103-disk-0")),
        (replace(LINKED, clone_from=None), seen()),
    ],
)
def test_what_proxmox_migrates_is_not_refused(declared: Declaration, there: Observation) -> None:
    refuse_unmovable(declared, there, STORAGES, "pve2", restart=False)


@pytest.mark.parametrize(
    ("declared", "rootfs", "template"),
    [
        (DECLARED, "zfs:basevol-901-disk-0/subvol-103-disk-0,size=8G", "901"),
        (LINKED, "zfs:basevol-900-disk-0/subvol-103-disk-0", "900"),
        (LINKED, "thin:vm-103-disk-0,size=8G", "900"),
    ],
)
def test_a_linked_clone_on_local_storage_stays_where_its_template_is(
    declared: Declaration, rootfs: str, template: str
) -> None:
    error = refused(declared, seen(rootfs))
    assert error.cause == "linked-clone-local"
    assert f"which the nodes do not share, is made of that of template {template}" in error.message


@pytest.mark.parametrize(
    ("there", "why", "cause", "remedy"),
    [
        (
            seen(mp1="/srv/models,mp=/models", mp2="/srv/more,mp=/more"),
            "mp1, mp2 is a bind mount, which stays on the node that it is on.",
            "bind-mount",
            'If the directory is on every node, declare the mount `"shared": true` and ensure; else remove it.',
        ),
        (
            seen(mp0="here:vm-103-disk-1,mp=/data", mp1="unknown:vm-103-disk-2,mp=/x"),
            "the storage here is not on pve2.",
            "storage-offline",
            "If it is there: `pvesm set here --nodes pve1,pve2`. Or choose a node that has it.",
        ),
        (
            seen(mp0="ceph:vm-103-disk-0", mp1="zfs:basevol-900-disk-0/subvol-103-disk-0,mp=/x"),
            (
                "it is a linked clone. Its disk on zfs, which the nodes do not share, is made of that of template 900, "
                "and stays where that is."
            ),
            "linked-clone-local",
            'Declare `"clone": "full"`, and make it again: `phoenix-lxc destroy 103`, then an ensure.',
        ),
        (
            replace(seen(running=True), ha_managed=True, ha_failed=True),
            "Proxmox's HA has given CT 103 up (state error), and does nothing with it until it is disabled there.",
            "ha-error",
            (
                "Mend what keeps it from starting, then `ha-manager set ct:103 --state disabled` on a node, and send "
                "the request again."
            ),
        ),
        (
            seen(running=True),
            "it is running, and Proxmox migrates no running container without stopping it.",
            "is-running",
            "Send it with `restart` (`--restart`): it is stopped, migrated and started again. Or stop it first.",
        ),
    ],
)
def test_what_proxmox_would_not_migrate_is_refused(there: Observation, why: str, cause: str, remedy: str) -> None:
    error = refused(DECLARED, there)
    assert told(error) == Refusal(f"Unable to migrate CT 103 from pve1 to pve2: {why}", cause, remedy)


@pytest.mark.parametrize(
    ("there", "storage"),
    [
        (seen(), "thin"),
        (seen("zfs:subvol-103-disk-0"), ""),
        (seen("ceph:vm-103-disk-0", mp0="/srv,mp=/srv,shared=1"), ""),
        (seen("ceph:vm-103-disk-0", mp0="here:vm-103-disk-1,mp=/data"), "here"),
        (seen("unknown:vm-103-disk-0"), ""),
    ],
)
def test_snapshots_stay_on_most_local_storages(there: Observation, storage: str) -> None:
    assert leaving_snapshots(there, STORAGES) == storage
    refuse_snapshots(there, storage, [], "pve2")
    if storage:
        assert refusal_of(lambda: refuse_snapshots(there, storage, ["before", "after"], "pve2")) == Refusal(
            "Unable to migrate CT 103 from pve1 to pve2: it has snapshots (before, after), which Proxmox does not "
            f"migrate from {storage}.",
            "has-snapshots",
            "If nobody needs them, run on pve1: `pct delsnapshot 103 before`, `pct delsnapshot 103 after`; then send "
            "the request again.",
        )
    else:
        refuse_snapshots(there, storage, ["before"], "pve2")


def test_what_may_be_stopped_is_migrated_though_it_runs() -> None:
    refuse_unmovable(DECLARED, seen(running=True), STORAGES, "pve2", restart=True)


def test_a_storage_of_the_target_alone_will_do() -> None:
    there = {"far": Storage("far", "dir", nodes=frozenset({"pve2"}))}
    refuse_unmovable(DECLARED, seen("far:vm-103-disk-0"), there, "pve2", restart=False)


def test_a_target_must_be_in_the_cluster_and_online() -> None:
    refuse_target("pve2", NODES, "migrate CT 103 to pve2")
    for target, why, cause, remedy in (
        ("pev2", "the cluster has no node 'pev2'.", "no-such-node", "Did you mean 'pve2'?"),
        ("pve3", "node pve3 is not online.", "node-offline", "Start it, or choose another. Online are: pve1, pve2."),
    ):
        with pytest.raises(PermanentError) as refusal:
            refuse_target(target, NODES, "migrate CT 103")
        assert refusal.value.message.startswith(f"Unable to migrate CT 103: {why}")
        assert (refusal.value.cause, remedy in refusal.value.remedy) == (cause, True)


def test_only_what_carries_our_marker_is_migrated() -> None:
    notes = "phoenix-lxc: ctid={} id=0123456789 as=template stage=configured hash=0ld"
    ours = judge(DECLARED, seen(description=notes.format(103)), purpose=Purpose.MIGRATE)
    assert may_migrate(ours), "whatever it is declared as now"
    for there in (seen(), seen(description=notes.format(104))):
        verdict = judge(DECLARED, there, purpose=Purpose.MIGRATE)
        assert (verdict.action, verdict.cause, may_migrate(verdict)) == (Action.REFUSE, "not-ours", False)
        assert verdict.message.startswith("Unable to migrate CT 103 on pve1: ")
