"""What somebody reads whose CTID is refused or waited for: each text of the ownership table, whole."""

from __future__ import annotations

import pytest

from phoenix_worker.catalog.declaration import Declaration
from phoenix_worker.core.allowed.ownership import Action, Creating, Purpose, judge, refuse_linked
from tests.support.refusing import Refusal, refusal_of, told
from tests.unit.ownership_table import CONTAINER, ELSEWHERE, OURS, PLAIN, SEALED, TABLE, TEMPLATE, here, marked
from tests.unit.test_ownership import SERVICE

ENSURE, DESTROY, REBUILD, SCRATCH, ADOPT = (
    Purpose.ENSURE,
    Purpose.DESTROY,
    Purpose.REBUILD,
    Purpose.SCRATCH,
    Purpose.ADOPT,
)
OTHER = "Choose another CTID in the catalog"
STOPPED = "CT 103 on pve1 is a stopped container named 'somebody'"
SEALED_ONE = "CT 103 on pve1 is a template named 'somebody'"
NO_MARKER = "without a marker of phoenix-lxc"
HALF = "CT 103 on pve1 is half-made, and the Proxmox task that was creating it is gone"
BY_HAND = (
    "If no task is running on it, run on pve1: `pct unlock 103`, then "
    "`pct destroy 103 --destroy-unreferenced-disks 1`; then send the request again."
)
BY_NAME = (
    f"{OTHER} for the template. To convert this container all the same (it is stopped, loses its snapshots and never "
    "starts again): `phoenix-lxc adopt 103 --seal 103`."
)
SCRATCH_CTIDS = "Set PHOENIX_SCRATCH_CTIDS to CTIDs that nothing else uses."
ROWS = [
    # (row of the table, asked for, what is said, the remedy)
    (
        "marker with another CTID, someone cloned ours by hand → not ours",
        ENSURE,
        (
            "CT 103 on pve1 is a stopped container named 'Step-CA' with the marker of CT 900 (a copy that phoenix-lxc "
            "did not make)"
        ),
        f"{OTHER}, or take this one over with `--adopt`.",
    ),
    (
        "… but never a template",
        ENSURE,
        f"CT 103 on pve1 is a stopped container named 'Step-CA' {NO_MARKER}, and the catalog declares a template",
        f"{OTHER}, or take this one over: `phoenix-lxc adopt 103`.",
    ),
    (
        "… a template of somebody",
        ENSURE,
        f"{SEALED_ONE} {NO_MARKER}",
        f"{OTHER}, or take this one over: `phoenix-lxc adopt 103`.",
    ),
    ("… a template of somebody", ADOPT, "", ""),
    (
        "… or the reverse → refused",
        ENSURE,
        f"{SEALED_ONE} with a marker of phoenix-lxc (role: template), and the catalog now declares a container",
        (
            'To keep it a template that nothing clones, add `"is_template": true` to 103 in the catalog. If a '
            "container is meant: choose another CTID for it, or destroy this one first."
        ),
    ),
    (
        "… our container sealed by somebody → refused",
        ENSURE,
        f"{SEALED_ONE} with a marker of phoenix-lxc (role: container), and the catalog now declares a container",
        f"{OTHER} for the container, or destroy this one first.",
    ),
    (
        "template flag without base volume, not ours → error",
        ENSURE,
        (
            f"{SEALED_ONE} {NO_MARKER}, and it has a template's flag, and its root disk is not a base volume, as "
            "after an interrupted conversion"
        ),
        "Run `pct set 103 --delete template` on pve1, or choose another CTID in the catalog.",
    ),
    (
        "or the reverse, not ours → error",
        ENSURE,
        (
            f"{STOPPED} {NO_MARKER}, and its root disk is a base volume, and it has no template's flag, as "
            "after an interrupted conversion"
        ),
        "Run `pct set 103 --template 1` on pve1, or choose another CTID in the catalog.",
    ),
    ("lock: create, our marker, no task active → unlock, destroy, start again", ENSURE, HALF, BY_HAND),
    ("our marker, no lock, no root disk → destroy, start again", ENSURE, f"{HALF}: it has no root disk", BY_HAND),
    ("lock: create, our marker, not looked yet → wait", ENSURE, "CT 103 on pve1 is being created", BY_HAND),
    (
        "lock: create, no marker, no task → never destroy for want of evidence",
        ENSURE,
        f"{HALF}; nothing proves that phoenix-lxc created it",
        BY_HAND,
    ),
    ("being destroyed → wait", ENSURE, "CT 103 on pve1 is being destroyed", BY_HAND),
    ("a VM has the id → error", ENSURE, "a VM named 'windows' on pve1 has the id 103", f"{OTHER}."),
    ("a VM has the id → error", SCRATCH, "a VM named 'windows' on pve1 has the id 103", SCRATCH_CTIDS),
    (
        "another node's guest has the id → error",
        ENSURE,
        f"CT 103 on pve2 is a stopped container named 'somebody' {NO_MARKER}",
        "Set `node` to 'pve2', migrate the container, or choose another CTID in the catalog.",
    ),
    (
        "no marker, else → error",
        DESTROY,
        f"{STOPPED} {NO_MARKER}",
        "Remove it by hand in Proxmox if it is not needed, or take this one over: `phoenix-lxc adopt 103`.",
    ),
    (
        "template flag without base volume, not ours → error",
        DESTROY,
        f"{SEALED_ONE} {NO_MARKER}",
        "Remove it by hand in Proxmox if it is not needed.",
    ),
    ("no marker, else → error", SCRATCH, f"{STOPPED} {NO_MARKER}", SCRATCH_CTIDS),
    (
        "marker says container, catalog now says template → refused",
        ADOPT,
        (
            "CT 103 on pve1 is a running container named 'somebody' with a marker of phoenix-lxc (role: container), "
            "and the catalog now declares a template"
        ),
        BY_NAME,
    ),
]


@pytest.mark.parametrize(("row", "purpose", "why", "remedy"), ROWS)
def test_what_is_said_of_what_stands_there(row: str, purpose: Purpose, why: str, remedy: str) -> None:
    declared, seen, creating, _, _ = TABLE[row]
    verdict = judge(declared, seen, creating=creating, purpose=purpose)
    assert verdict.message == (why and f"Unable to {purpose} CT 103 on pve1: {why}.")
    assert verdict.remedy == remedy
    for error in (verdict.refusal(), verdict.delay()):
        assert told(error)[:3] == (verdict.message, verdict.cause, verdict.remedy)


@pytest.mark.parametrize(
    ("declared", "config", "signs"),
    [
        (TEMPLATE, {"onboot": "1"}, "it starts at boot"),
        (SERVICE, {}, "it has ports"),
        (SERVICE, {"onboot": "1"}, "it starts at boot and it has ports"),
    ],
)
def test_what_may_be_in_use_is_converted_only_by_name(
    declared: Declaration, config: dict[str, str], signs: str
) -> None:
    verdict = judge(declared, here(PLAIN | config), purpose=ADOPT)
    words = f"{STOPPED} {NO_MARKER}, the catalog declares a template, and it may be in use: {signs}."
    assert (verdict.message, verdict.remedy) == (f"Unable to adopt CT 103 on pve1: {words}", BY_NAME)


def test_the_command_that_takes_over_a_service_names_it_twice() -> None:
    verdict = judge(SERVICE, here(PLAIN), purpose=DESTROY)
    assert verdict.remedy.endswith(", or take this one over: `phoenix-lxc adopt 103 --seal 103`.")
    refused = judge(CONTAINER, here(SEALED), purpose=ADOPT)
    assert refused.remedy == f"{OTHER}.", "it is being taken over"


def test_what_a_create_unpacked_is_unmounted_before_it_is_destroyed() -> None:
    made = Declaration(103, "Step-CA", CONTAINER.role, "pve1", os_template="local:vztmpl/x")
    verdict = judge(made, here(OURS | {"lock": "create"}), creating=Creating.NOBODY)
    unmount = "`umount /var/lib/lxc/103/rootfs` (an error if it is not mounted)"
    assert verdict.action is Action.REMOVE_HALF_MADE
    assert verdict.remedy == BY_HAND.replace("`pct unlock 103`, ", f"`pct unlock 103`, {unmount}, ")


@pytest.mark.parametrize("purpose", [REBUILD, SCRATCH])
def test_only_what_is_of_the_same_kind_is_destroyed_for_a_rebuild(purpose: Purpose) -> None:
    assert judge(TEMPLATE, here(marked(SEALED, TEMPLATE.role)), purpose=purpose).action is Action.DESTROY
    assert judge(TEMPLATE, here(OURS), purpose=purpose).action is Action.REFUSE
    assert judge(TEMPLATE, ELSEWHERE, purpose=REBUILD).cause == "other-node"


def test_what_linked_clones_hang_on_is_refused_with_the_command_for_them() -> None:
    assert refusal_of(lambda: refuse_linked(here(SEALED), (801, 802), Purpose.REBUILD)) == Refusal(
        "Unable to rebuild CT 103 on pve1: it has linked clones: CT 801, CT 802.",
        "has-linked-clones",
        "Destroy them first, or make them full clones: `phoenix-lxc destroy 801 802`.",
    )
