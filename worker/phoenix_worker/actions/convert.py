"""Have Proxmox convert a container to a template, once. A conversion has no UPID that is told: it is found in a list.

Which one is ours is told by those that were listed before it. The clock of the node may be any.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.actions import recover
from phoenix_worker.actions.forbidden import refuse_forbidden_conversion
from phoenix_worker.actions.look import look, permit, where_last_seen
from phoenix_worker.core.allowed.ownership import may_seal
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.durable.run import now
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration

_EARLIER = "conversions"


def convert(task: PhoenixTask, declaration: Declaration, *, adopted: bool) -> dict[str, Any]:
    """Convert what is none yet, and wait until it is a template. Returns its `node`, and when it was asked `at`.

    Raises PermanentError, in Proxmox's words, when it fails.
    """
    ctid = declaration.ctid

    def act() -> dict[str, Any]:
        seen, verdict = look(task, declaration, adopt=adopted)
        if not seen.is_template:
            permit(may_seal(verdict, seen), verdict, f"convert CT {ctid} to a template")
            if (begun := recover.running_conversion(task.proxmox, seen.node, ctid)) is not None:
                return begun
            refuse_forbidden_conversion(task, declaration, seen, ())
            task.proxmox.convert_to_template(seen.node, ctid)
        return {"at": now(), "node": seen.node}

    node = where_last_seen(task, declaration).node
    earlier = task.read(_EARLIER, lambda: recover.conversions(task.proxmox, node, ctid))
    begun: dict[str, Any] = task.once(
        StepName.SEAL,
        act,
        adopt=lambda when: recover.find_conversion(task.proxmox, declaration, when, earlier=earlier),
    )
    there = declaration.standing_on(begun.get("node", declaration.node))
    # One that ran already was listed before, if Redis has forgotten who asked for it.
    before = [upid for upid in earlier if upid != begun.get("upid")]
    try:
        task.wait_until_template(there, since=begun["at"], earlier=before)
    except TransientError:
        task.forget(_EARLIER)  # it is converted again, and then this one was before
        raise
    return {"at": begun["at"], "node": there.node}
