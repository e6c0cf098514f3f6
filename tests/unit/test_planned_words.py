"""What is told of what cannot work, and of what will be done: whole sentences."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import pytest

from phoenix_producer.contract import DesiredState, EnsureRequest
from phoenix_worker.catalog.declaration import Declaration, Network, Role, Volume
from phoenix_worker.core.allowed.ownership import Action, Verdict
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.model.ports import Storage
from phoenix_worker.core.planned.adopting import Adoption, adoption
from phoenix_worker.core.planned.feasibility import Offer, Origin, cannot_work
from phoenix_worker.core.planned.notes import too_long
from phoenix_worker.core.planned.rebuilding import copied, rebuild, refuse_rebuild, refuse_unbuilt
from phoenix_worker.core.planned.requested import as_requested
from tests.support.declared import MINIMAL
from tests.support.refusing import Refusal, refusal_of, told
from tests.unit.test_feasibility import FULL, HERE, LINKED, OFFER, ROOT, STORAGES, THERE
from tests.unit.test_rebuilding import BUILT, OLD, SCRATCH, TEMPLATE, absent

ENSURE = "Unable to ensure CT 103 on pve1: "
BUILD = "Unable to build template 900 on pve1: "
STORAGES_THERE = "pve1 has: ceph, dir, odd, zfs."
OFF = {name: replace(one, enabled=name != "zfs") for name, one in STORAGES.items()}


@pytest.mark.parametrize(
    ("declared", "origin", "offer", "refused"),
    [
        (
            replace(FULL, storage="nvme"),
            HERE,
            OFFER,
            Refusal(
                f"{ENSURE}there is no storage nvme for it, or the API token may not see it.",
                "storage-missing",
                f"Declare another `storage_pool`; {STORAGES_THERE}",
            ),
        ),
        (
            replace(FULL, storage="nvme"),
            HERE,
            Offer({}),
            Refusal(
                f"{ENSURE}there is no storage nvme for it, or the API token may not see it.",
                "storage-missing",
                "Declare another `storage_pool`; pve1 has no storage for containers.",
            ),
        ),
        (
            FULL,
            HERE,
            Offer(OFF),
            Refusal(
                f"{ENSURE}storage zfs is disabled.",
                "storage-offline",
                "Enable it: `pvesm set zfs --disable 0`; or declare another `storage_pool`; pve1 has: ceph, dir, odd.",
            ),
        ),
        (
            replace(FULL, storage="dir"),
            HERE,
            Offer(OFF),
            Refusal(f"{ENSURE}storage zfs is disabled.", "storage-offline", "Enable it: `pvesm set zfs --disable 0`."),
        ),
        (
            replace(ROOT, os_template="zfs:vztmpl/x.tar.zst:y", storage="dir"),
            None,
            Offer(OFF),
            Refusal(f"{BUILD}storage zfs is disabled.", "storage-offline", "Enable it: `pvesm set zfs --disable 0`."),
        ),
        (
            replace(ROOT, os_template="zfs:vztmpl/x.tar.zst:y", storage="dir"),
            None,
            Offer(STORAGES | {"zfs": replace(STORAGES["zfs"], content=frozenset({"iso", "images"}))}),
            Refusal(
                f"{BUILD}storage zfs takes no OS templates.",
                "storage-content",
                "Allow them: `pvesm set zfs --content images,iso,vztmpl`; or name another storage in `template`.",
            ),
        ),
        (
            replace(FULL, volumes=(Volume("iso", 4, "/data"),)),
            HERE,
            OFFER,
            Refusal(
                f"{ENSURE}storage iso takes no containers.",
                "storage-content",
                f"Declare another `pool` for its volume /data, or allow containers (`rootdir`) on it; {STORAGES_THERE}",
            ),
        ),
        (
            replace(FULL, network=Network("vmbr9")),
            HERE,
            OFFER,
            Refusal(
                f"{ENSURE}there is no bridge vmbr9, or the API token may not use it.",
                "bridge-missing",
                "Create it, or declare another `bridge` in network_config; pve1 has: vmbr0, vmbr1.",
            ),
        ),
        (
            replace(FULL, more_networks=(Network("vmbr9", "eth1"),), source={"networks": [{}, {}]}),
            HERE,
            OFFER,
            Refusal(
                f"{ENSURE}there is no bridge vmbr9, or the API token may not use it.",
                "bridge-missing",
                "Create it, or declare another `bridge` in networks; pve1 has: vmbr0, vmbr1.",
            ),
        ),
        (
            LINKED,
            Origin(900, "pve1", ("zfs", "dir")),
            OFFER,
            Refusal(
                f"{ENSURE}its template 900 lies on dir, and storage of the type dir has no linked clones.",
                "linked-clone-unavailable",
                'Declare "clone": "full", or put template 900 on storage of the type btrfs, lvmthin, rbd or zfspool.',
            ),
        ),
        (
            FULL,
            THERE,
            OFFER,
            Refusal(
                f"{ENSURE}its template 900 lies on pve2, and zfs is not shared by the two nodes.",
                "storage-not-shared",
                "Set PHOENIX_COPY_CTIDS of the workers to have template 900 copied to each node, set `storage_pool` "
                "to a shared storage, set `node` to pve2, or clone from a template on pve1.",
            ),
        ),
    ],
)
def test_why_it_cannot_be_made(declared: Declaration, origin: Origin | None, offer: Offer, refused: Refusal) -> None:
    assert told(cannot_work(declared, origin, offer)) == refused


@pytest.mark.parametrize("kind", ["cephfs", "cifs", "dir", "glusterfs", "lvm", "nfs"])
def test_these_have_no_linked_clones(kind: str) -> None:
    here = {"x": Storage("x", kind, frozenset({"rootdir"})), "zfs": STORAGES["zfs"]}
    assert told(cannot_work(LINKED, Origin(900, "pve1", ("x",)), Offer(here))).cause == "linked-clone-unavailable"


def test_what_is_not_known_is_no_reason() -> None:
    unknown = {"zfs": Storage("zfs", "zfspool", frozenset({""}))}
    for offer in (Offer(), Offer(None, frozenset()), Offer(unknown), Offer(unknown, frozenset())):
        assert cannot_work(FULL, HERE, offer) is None
    assert cannot_work(FULL, Origin(900, "pve1", ("unseen",)), OFFER) is None


# Notes


@pytest.mark.parametrize(
    ("description", "old", "what"),
    [
        ("x" * 8192, "", "Shorten its `description` in the catalog, or the names of its `features`,"),
        (None, "x" * 8192, "Shorten its notes in Proxmox"),
        (None, "", "Shorten the names of its `features`"),
    ],
)
def test_notes_that_are_too_long_are_told_with_what_to_shorten(description: str | None, old: str, what: str) -> None:
    declared = replace(MINIMAL, description=description, hash="h" * (1 if description or old else 9000))
    refused = told(too_long(declared, Observation(103, "pve1", Presence.HERE, {"description": old})))
    length = int(refused.message.split("would have ")[1].split(" ")[0])
    assert length > 8192
    assert refused == Refusal(
        f"Unable to write the notes of CT 103 on pve1: with our line they would have {length} characters, and Proxmox "
        "takes 8192.",
        "notes-too-long",
        f"{what} by {length - 8192} characters.",
    )
    if description is not None:
        shorter = replace(declared, description="x" * (8192 - (length - 8192)))
        assert too_long(shorter) is None
        assert too_long(replace(shorter, description=f"{shorter.description}x")) is not None


# What a request asks for


def test_an_address_of_what_never_runs_is_not_waited_for() -> None:
    asked = EnsureRequest(ctid=103, wait_for_address=60)
    for declared, why in (
        (replace(MINIMAL, role=Role.TEMPLATE), "a template never runs"),
        (replace(MINIMAL, state=DesiredState.STOPPED), "it is left stopped"),
    ):
        assert refusal_of(partial(as_requested, declared, asked)) == Refusal(
            f"Unable to wait for an address of CT 103 on pve1: {why}.",
            "wait-while-stopped",
            "Leave out wait_for_address, or ask for the state `running`.",
        )
    stopped = replace(MINIMAL, state=DesiredState.STOPPED)
    started = as_requested(stopped, EnsureRequest(ctid=103, wait_for_address=60, state=DesiredState.RUNNING))
    assert (started.state, started.wait_for_address) == (DesiredState.RUNNING, 60)


# Adoption

MARK, CONVERGE = Verdict(Action.MARK), Verdict(Action.CONVERGE)
TO_BE = replace(MINIMAL, role=Role.TEMPLATE)
STANDS = Observation(103, "pve1", Presence.HERE, {"rootfs": "zfs:subvol-103-disk-0"}, running=True)
SEALED = replace(STANDS, config={"rootfs": "zfs:basevol-103-disk-0", "template": "1"}, running=False)


@pytest.mark.parametrize(
    ("declared", "seen", "verdict", "todo"),
    [
        (MINIMAL, STANDS, MARK, {"mark": True}),
        (MINIMAL, STANDS, CONVERGE, {}),
        (TO_BE, STANDS, MARK, {"mark": True, "stop": True, "snapshots": ("a", "b"), "seal": True}),
        (TO_BE, replace(STANDS, running=False), CONVERGE, {"snapshots": ("a", "b"), "seal": True}),
        (TO_BE, SEALED, MARK, {"mark": True}),
        (TO_BE, STANDS, Verdict(Action.NOTHING), {}),
        (TO_BE, STANDS, Verdict(Action.REPAIR_SEAL), {}),
    ],
)
def test_what_is_left_of_an_adoption(
    declared: Declaration, seen: Observation, verdict: Verdict, todo: dict[str, Any]
) -> None:
    found = adoption(declared, seen, verdict, ["a", "b"])
    assert found == Adoption(declared, **todo)
    assert bool(found) is bool(todo)


def test_an_adoption_is_told_step_by_step() -> None:
    assert list(adoption(TO_BE, STANDS, MARK, ["a", "b"]).lines()) == [
        "add the marker of phoenix-lxc (role: template) to the notes of CT 103 on pve1",
        "stop CT 103 on pve1: before it becomes a template",
        "delete the snapshots of CT 103 on pve1: a, b",
        "convert CT 103 on pve1 to a template",
    ]
    assert list(adoption(MINIMAL, STANDS, CONVERGE, []).lines()) == []


# Rebuilds


def test_a_rebuild_is_told_step_by_step() -> None:
    lines = list(rebuild(TEMPLATE, replace(OLD, node="pve2"), SCRATCH, BUILT).lines())
    assert lines[0] == "destroy CT 9001 on pve1, which an earlier rebuild left"
    assert lines[1].startswith("clone template 900 to CT 9001 on pve1")
    assert lines[-5:] == [
        "destroy CT 901 on pve2, with its disks",
        "clone template 9001 to CT 901 on pve1 (full)",
        "configure CT 901 on pve1: as declared",
        "convert CT 901 on pve1 to a template",
        "destroy CT 9001 on pve1, with its disks",
    ]
    assert len(list(rebuild(TEMPLATE, absent(901), SCRATCH, BUILT).lines())) == 4


def test_what_was_built_elsewhere_is_cloned_in_full() -> None:
    linked = replace(TEMPLATE, full_clone=False, template_node="pve3", storage="zfs", os_template=None)
    copy = replace(TEMPLATE, clone_from=9001, full_clone=True, template_node=None, storage=None)
    assert copied(linked, 9001) == copy


def test_why_a_rebuild_is_refused() -> None:
    assert refusal_of(lambda: refuse_unbuilt(TEMPLATE, SCRATCH, absent(9001))) == Refusal(
        "Unable to rebuild CT 901 on pve1: CT 9001, where it was built, is no longer the finished template that this "
        "job built.",
        "changed-meanwhile",
        "Send the request again: CT 901 was not changed.",
    )
    assert refusal_of(lambda: refuse_rebuild(replace(TEMPLATE, role=Role.CONTAINER), SCRATCH)) == Refusal(
        "Unable to rebuild CT 901 on pve1: it is declared as a container, and only templates are rebuilt.",
        "not-a-template",
        "To create the container again: `phoenix-lxc destroy 901`, which deletes its disks, then `phoenix-lxc ensure "
        "901`.",
    )
    assert refusal_of(lambda: refuse_rebuild(TEMPLATE, None)) == Refusal(
        "Unable to rebuild CT 901 on pve1: the workers have no CTIDs at which they may build it.",
        "no-scratch",
        "Set PHOENIX_SCRATCH_CTIDS of the workers to CTIDs that nothing else uses, such as 9000-9099.",
    )
    long = replace(TEMPLATE, description="x" * 9000)
    assert refusal_of(lambda: refuse_rebuild(long, SCRATCH)).cause == "notes-too-long"
