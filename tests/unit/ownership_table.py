"""What may stand at a CTID, and what is to be done about it: the table of `core/allowed/ownership.py`."""

from __future__ import annotations

from dataclasses import replace

from phoenix_worker.catalog.declaration import Declaration, Network, Role
from phoenix_worker.core.allowed.ownership import (
    Action,
    Creating,
)
from phoenix_worker.core.model.marker import Marker, Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence

MAC = "52:54:00:67:89:B3"
CONTAINER = Declaration(103, "Step-CA", Role.CONTAINER, "pve1", clone_from=900, network=Network("vmbr0"), mac=MAC)
TEMPLATE = replace(CONTAINER, role=Role.TEMPLATE)

PLAIN = {"hostname": "somebody", "rootfs": "local-lvm:vm-103-disk-0,size=8G"}
SEALED = {"hostname": "somebody", "rootfs": "local-lvm:base-103-disk-0,size=8G", "template": "1"}
FLAG_ONLY = PLAIN | {"template": "1"}
BASE_ONLY = {"hostname": "somebody", "rootfs": "local-lvm:base-103-disk-0,size=8G"}
AS_DECLARED = PLAIN | {"hostname": "Step-CA", "net0": f"name=eth0,bridge=vmbr0,hwaddr={MAC.lower()},type=veth"}


def marked(config: dict[str, str], role: Role = Role.CONTAINER, ctid: int = 103) -> dict[str, str]:
    return config | {"description": write_marker(Marker(ctid, "c1", role, Stage.MADE, "h")) + "\n"}


def here(config: dict[str, str], *, running: bool = False) -> Observation:
    return Observation(103, "pve1", Presence.HERE, config, "digest", running)


ABSENT = Observation(103, "pve1", Presence.ABSENT)
VM = Observation(103, "pve1", Presence.VM, {"hostname": "windows"})
ELSEWHERE = Observation(103, "pve2", Presence.OTHER_NODE, {"hostname": "somebody"})
HALF = {"lock": "create"}
OURS = marked(PLAIN)
OUR_TEMPLATE = marked(PLAIN, Role.TEMPLATE)

TABLE: dict[str, tuple[Declaration, Observation, Creating, Action, str]] = {
    # what Proxmox shows, and → then, cause
    "absent → create or clone": (CONTAINER, ABSENT, Creating.NOT_LOOKED, Action.CREATE, ""),
    "marker with this CTID → ours: converge": (CONTAINER, here(OURS), Creating.NOT_LOOKED, Action.CONVERGE, ""),
    "… a template of ours": (
        TEMPLATE,
        here(marked(SEALED, Role.TEMPLATE)),
        Creating.NOT_LOOKED,
        Action.CONVERGE,
        "",
    ),
    "… a half-way template of ours": (TEMPLATE, here(OUR_TEMPLATE), Creating.NOT_LOOKED, Action.CONVERGE, ""),
    "… whatever its hostname": (CONTAINER, here(marked(AS_DECLARED)), Creating.NOT_LOOKED, Action.CONVERGE, ""),
    "marker with another CTID, someone cloned ours by hand → not ours": (
        CONTAINER,
        here(marked(AS_DECLARED, ctid=900)),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "not-ours",
    ),
    "no marker, hostname and MAC as declared → configuration is converged, nothing else": (
        CONTAINER,
        here(AS_DECLARED, running=True),
        Creating.NOT_LOOKED,
        Action.CONVERGE_CONFIG_ONLY,
        "",
    ),
    "… but never a template": (
        TEMPLATE,
        here(AS_DECLARED),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "not-ours",
    ),
    "… and a sealed one is not a container": (
        TEMPLATE,
        here(AS_DECLARED | {"rootfs": SEALED["rootfs"], "template": "1"}),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "not-ours",
    ),
    "no marker, the hostname alone → error": (
        CONTAINER,
        here(PLAIN | {"hostname": "Step-CA"}),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "not-ours",
    ),
    "no marker, the MAC alone → error": (
        CONTAINER,
        here(AS_DECLARED | {"hostname": "x"}),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "not-ours",
    ),
    "no marker, no MAC declared → error": (
        replace(CONTAINER, mac=None),
        here(AS_DECLARED),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "not-ours",
    ),
    "no marker, else → error": (CONTAINER, here(PLAIN), Creating.NOT_LOOKED, Action.REFUSE, "not-ours"),
    "… a template of somebody": (TEMPLATE, here(SEALED), Creating.NOT_LOOKED, Action.REFUSE, "not-ours"),
    "marker says container, catalog now says template → refused": (
        TEMPLATE,
        here(OURS, running=True),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "role-changed",
    ),
    "… or the reverse → refused": (
        CONTAINER,
        here(marked(SEALED, Role.TEMPLATE)),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "role-changed",
    ),
    "… our container sealed by somebody → refused": (
        CONTAINER,
        here(marked(SEALED)),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "role-changed",
    ),
    "template flag without base volume, ours → repaired": (
        TEMPLATE,
        here(marked(FLAG_ONLY, Role.TEMPLATE)),
        Creating.NOT_LOOKED,
        Action.REPAIR_SEAL,
        "",
    ),
    "… on a container of ours": (CONTAINER, here(marked(FLAG_ONLY)), Creating.NOT_LOOKED, Action.REPAIR_SEAL, ""),
    "or the reverse, ours → repaired": (
        TEMPLATE,
        here(marked(BASE_ONLY, Role.TEMPLATE)),
        Creating.NOT_LOOKED,
        Action.REPAIR_SEAL,
        "",
    ),
    "template flag without base volume, not ours → error": (
        TEMPLATE,
        here(FLAG_ONLY),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "broken-seal",
    ),
    "or the reverse, not ours → error": (
        TEMPLATE,
        here(BASE_ONLY),
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "broken-seal",
    ),
    "lock: create, our marker, its task runs → adopt the UPID": (
        CONTAINER,
        here(OURS | HALF),
        Creating.OURS,
        Action.ADOPT_TASK,
        "",
    ),
    "no lock any more, whatever ran → ours: converge": (CONTAINER, here(OURS), Creating.OURS, Action.CONVERGE, ""),
    "lock: create, our marker, no task active → unlock, destroy, start again": (
        CONTAINER,
        here(OURS | HALF),
        Creating.NOBODY,
        Action.REMOVE_HALF_MADE,
        "half-made",
    ),
    "our marker, no lock, no root disk → destroy, start again": (
        CONTAINER,
        here(marked({"hostname": "somebody"})),
        Creating.NOT_LOOKED,
        Action.REMOVE_HALF_MADE,
        "half-made",
    ),
    "lock: create, our marker, not looked yet → wait": (
        CONTAINER,
        here(OURS | HALF),
        Creating.NOT_LOOKED,
        Action.WAIT,
        "being-created",
    ),
    "lock: create, no marker yet, a vzcreate of our own → adopt it": (
        CONTAINER,
        here(HALF),
        Creating.OURS,
        Action.ADOPT_TASK,
        "",
    ),
    "lock: create, no marker yet, anything else → wait": (
        CONTAINER,
        here(HALF),
        Creating.ANOTHER,
        Action.WAIT,
        "being-created",
    ),
    "lock: create, marker of another CTID → wait": (
        CONTAINER,
        here(marked(HALF, ctid=900)),
        Creating.ANOTHER,
        Action.WAIT,
        "being-created",
    ),
    "lock: create, no marker, no task → never destroy for want of evidence": (
        CONTAINER,
        here(HALF),
        Creating.NOBODY,
        Action.REFUSE,
        "half-made",
    ),
    "being destroyed → wait": (
        CONTAINER,
        here({"lock": "destroyed"}),
        Creating.NOT_LOOKED,
        Action.WAIT,
        "being-destroyed",
    ),
    "a VM has the id → error": (CONTAINER, VM, Creating.NOT_LOOKED, Action.REFUSE, "vm-has-id"),
    "another node's guest has the id → error": (
        CONTAINER,
        ELSEWHERE,
        Creating.NOT_LOOKED,
        Action.REFUSE,
        "other-node",
    ),
}
