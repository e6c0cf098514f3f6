"""What forbids to destroy or to convert a container: each with what to do about it, seen before it is stopped."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from phoenix_worker.core.allowed.forbidden import (
    refuse_forbidden,
    refuse_replicated,
    refuse_snapshots,
    refuse_unconvertible,
)
from phoenix_worker.core.allowed.ownership import Purpose
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.ports import Storage
from tests.support.declared import MINIMAL
from tests.support.refusing import Refusal, refusal_of

HERE = Observation(103, "pve2", Presence.HERE, {"hostname": "x"})
OFF = Refusal(
    "Unable to destroy CT 103 on pve2: it is protected.",
    "protected",
    "Switch its protection off on pve2: `pct set 103 --protection 0`.",
)


@pytest.mark.parametrize(
    ("declared", "seen", "refused"),
    [
        (
            {"options": (("protection", "1"),)},
            {},
            Refusal(
                "Unable to destroy CT 103 on pve2: the catalog declares its protection.",
                "protected",
                'Declare "protection": false for 103, then: `phoenix-lxc ensure 103`.',
            ),
        ),
        ({}, {"config": {"protection": "1"}}, OFF),
        ({}, {"config": {"protection": "1", "lock": "backup"}, "ha_managed": True}, OFF),
        (
            {},
            {"ha_managed": True},
            Refusal(
                "Unable to destroy CT 103 on pve2: it is an HA resource.",
                "ha-managed",
                "Take it out of the HA resources first: `ha-manager remove ct:103`.",
            ),
        ),
        (
            {},
            {"config": {"lock": "backup"}},
            Refusal(
                "Unable to destroy CT 103 on pve2: it is locked (backup).",
                "locked",
                "If no task is running on it, run on pve2: `pct unlock 103`.",
                passes=True,
            ),
        ),
    ],
)
def test_it_is_refused_with_its_remedy(declared: dict[str, Any], seen: dict[str, Any], refused: Refusal) -> None:
    there = replace(HERE, **seen)
    assert refusal_of(lambda: refuse_forbidden(replace(MINIMAL, **declared), there, Purpose.DESTROY)) == refused
    refuse_forbidden(replace(MINIMAL, **declared), replace(there, presence=Presence.ABSENT), Purpose.DESTROY)


def test_what_the_catalog_protects_is_converted_and_what_somebody_protected_is_not() -> None:
    declared = replace(MINIMAL, options=(("protection", "1"),))
    there = replace(HERE, config={"protection": "1"})
    refuse_forbidden(declared, there, Purpose.SEAL)
    told = refusal_of(lambda: refuse_forbidden(MINIMAL, there, Purpose.SEAL))
    assert told.message == "Unable to convert CT 103 on pve2 to a template: it is protected."


@pytest.mark.parametrize("config", [{}, {"protection": "0"}, {"lock": ""}])
def test_nothing_else_forbids_it(config: dict[str, str]) -> None:
    refuse_forbidden(MINIMAL, replace(HERE, config=config), Purpose.REBUILD)


def test_a_mount_that_no_template_has_is_named_with_the_command_that_removes_or_moves_it() -> None:
    storages = {"thick": Storage("thick", "lvm"), "thin": Storage("thin", "lvmthin")}
    volumes = {"rootfs": "thin:vm-103-disk-0,size=4G", "mp3": "elsewhere:vm-103-disk-1,mp=/b", "net0": "/"}
    for known in (storages, {}, None):
        refuse_unconvertible(replace(HERE, config=volumes), known)
    bound = volumes | {"mp1": "/srv/media,mp=/media", "mp0": "/dev/sdb1,mp=/disk"}
    running = refusal_of(lambda: refuse_unconvertible(replace(HERE, config=bound, running=True), storages))
    assert running.remedy.startswith("Run on pve2: `pct shutdown 103`, then `pct set 103 --delete mp0,mp1`.")
    assert refusal_of(lambda: refuse_unconvertible(replace(HERE, config=bound), storages)) == Refusal(
        "Unable to convert CT 103 on pve2 to a template: it has directories or devices of the node (mp0, mp1), and "
        "a template has volumes only.",
        "bind-mount",
        "Run on pve2: `pct set 103 --delete mp0,mp1`. Clones that need them declare them as `mount_points`.",
    )
    thick = volumes | {"mp0": "thick:vm-103-disk-1,mp=/data"}
    assert refusal_of(lambda: refuse_unconvertible(replace(HERE, config=thick), storages)) == Refusal(
        "Unable to convert CT 103 on pve2 to a template: storage thick is of the type lvm, which has no templates.",
        "template-unavailable",
        "Move what lies there to another storage. On pve2: `pct move-volume 103 mp0 STORAGE`.",
    )
    thick |= {"rootfs": "thick:vm-103-disk-0,size=4G"}
    both = refusal_of(lambda: refuse_unconvertible(replace(HERE, config=thick, running=True), storages))
    assert both.remedy.endswith(
        "On pve2: `pct shutdown 103`, then `pct move-volume 103 mp0 STORAGE`, `pct move-volume 103 rootfs STORAGE`."
    )


def test_snapshots_are_named_with_the_commands_that_delete_them() -> None:
    refuse_snapshots(HERE, [])
    assert refusal_of(lambda: refuse_snapshots(HERE, iter(("before", "b")))) == Refusal(
        "Unable to convert CT 103 on pve2 to a template: it has snapshots: before, b.",
        "has-snapshots",
        "If nobody needs them, run on pve2: `pct delsnapshot 103 before`, `pct delsnapshot 103 b`; then send the "
        "request again.",
    )


def test_replication_jobs_are_removed_first_each_by_its_command() -> None:
    refuse_replicated(HERE, [], Purpose.REBUILD)
    assert refusal_of(lambda: refuse_replicated(HERE, ["103-0", "103-1"], Purpose.REBUILD)) == Refusal(
        "Unable to rebuild CT 103 on pve2: it has replication jobs: 103-0, 103-1.",
        "replicated",
        "Remove them on pve2: `pvesr delete 103-0`, `pvesr delete 103-1`. Proxmox takes a minute or two for that; then "
        "send the request again.",
    )
