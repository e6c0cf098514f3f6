"""Whether shell access to the nodes works, where one is set or needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.checkup.line import error, fine, listed, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.checkup.line import Line
    from phoenix_worker.core.model.ports import Ran

PROBE = ("pct", "list")
"""Changes nothing, and only root may do it."""
FORBIDDEN_REMEDY = (
    "Add it to the arguments of phoenix-node-door in the node's authorized_keys, or remove it from the catalog: "
    "docs/proxmox-access.md."
)
_SHOWN = 200


def judge_need(catalog: Mapping[int, Declaration], *, accepted: bool) -> Iterator[Line]:
    """Say what of the catalog needs shell access, which is not set; with `accepted`, that this stays not applied."""
    needing = [ctid for ctid, declaration in catalog.items() if declaration.needs_shell]
    if not needing:
        return
    about = "Shell access"
    what = f"{listed(sorted({key for ctid in needing for key in catalog[ctid].needs_shell}))} of CT {listed(needing)}"
    if accepted:
        yield fine(about, f"none, as accepted: {what} are not applied")
        return
    yield error(
        about,
        f"is needed for {what}, and PHOENIX_SHELL is not set",
        "Set PHOENIX_SHELL=ssh, or local on the node itself; or ensure them with --accept-not-applied, and "
        "`phoenix-lxc check --accept-not-applied` says no more of it.",
    )


def judge_probe(node: str, ran: Ran) -> Line:
    """Say whether a command of root's was carried out on a node."""
    about = f"Shell access to {node}"
    if ran.exit_code == 0:
        return fine(about, f"`{' '.join(PROBE)}` runs there as root")
    said = " ".join((ran.err or ran.out).decode(errors="replace").split())[:_SHOWN] or "nothing"
    return error(
        about,
        f"`{' '.join(PROBE)}` ended with {ran.exit_code} there: {said}",
        "Set PHOENIX_SHELL_USER to root, or to a user who may run it by sudo (PHOENIX_SHELL_SUDO=true).",
    )


def judge_forbidden(node: str, reasons: Sequence[str] | None) -> Iterator[Line]:
    """Say what the forced command on a node would refuse of a catalog; None says that it is too old to be asked."""
    about = f"Forced command on {node}"
    if reasons is None:
        what = "it cannot say what it would refuse: its node_door.py is older than the workers"
        yield warning(about, what, f"Install the node_door.py of this version on {node}.")
    elif reasons:
        yield error(about, f"does not allow {'; '.join(reasons)}, which the catalog needs", FORBIDDEN_REMEDY)
