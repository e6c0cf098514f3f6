"""Look at a CTID and judge, by the ownership table, what may be done about it."""

from __future__ import annotations

from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.firewall_and_pool import with_surroundings
from phoenix_worker.actions.makers import ORDERED
from phoenix_worker.actions.repair import can_clear, clear, is_clearing, makers_of
from phoenix_worker.base import lane
from phoenix_worker.core.allowed.ownership import BEING_DESTROYED, Action, Creating, Purpose, Verdict, judge, may_write
from phoenix_worker.core.differs.options import PENDING
from phoenix_worker.core.differs.undeclared import undeclared
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.home import at_home, strangers_apart
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.model.records import from_json, to_json
from phoenix_worker.proxmox.error_table import MISSING
from phoenix_worker.proxmox.passing_rows import LASTS
from phoenix_worker.step_names import MAKING, StepName

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

T = TypeVar("T")

TEMPLATE = "template-seen"
"""The journal's name of the look at a template."""
_MOMENT = 2.0
"""Seconds for which a look at a new clone holds for its start."""
_BETWEEN_LOOKS = 2.0
"""Seconds between two looks for a task that Proxmox lists a moment after it set the lock."""


def survey(
    task: PhoenixTask, declaration: Declaration, *, adopt: bool = False, purpose: Purpose = Purpose.ENSURE
) -> tuple[Observation, Verdict]:
    """Look once for this task, under the CTID's lock, and judge. Whoever makes or removes it is waited for first.

    What a dead Proxmox worker left of it is removed first, if this worker can; once for a task.

    Raises TransientError when somebody is at work on the CTID in another way. It ends: each turn more follows another
    task of Proxmox, or the one removal.
    """
    followed, cleared = set[str](), False
    for turn in count():
        entry = task.read(f"survey-{declaration.ctid}-{turn}", lambda: _survey(task, declaration, adopt, purpose))
        if not entry["upid"]:
            seen = from_json(entry["seen"])
            there = at_home(declaration, seen)
            verdict = judge(there, seen, adopt=adopt, creating=Creating(entry["creating"]), purpose=purpose)
            if not can_clear(task, seen, verdict):
                return seen, verdict
            if cleared:
                raise verdict.refusal()
            task.once(f"cleared-{declaration.ctid}", partial(clear, task, there))
            cleared = True
            continue
        verb, cause = ("destroy", BEING_DESTROYED) if ":vzdestroy:" in entry["upid"] else ("make", "being-created")
        doing = f"{verb} CT {declaration.ctid} on {declaration.where}"
        if entry["upid"] in followed:
            told = f"Unable to {doing}: Proxmox lists the task {entry['upid']} as running, which has ended."
            raise TransientError(told, cause=cause, remedy=LASTS)
        followed.add(entry["upid"])
        end = task.wait_for_task(entry["upid"], doing, kind="adopted")
        if "error" in end and end["error"]["cause"] != "task-forgotten":
            raise TransientError(**end["error"])
    raise AssertionError("it is looked at again until it can be judged")


def survey_first(task: PhoenixTask, declaration: Declaration, *, adopt: bool) -> tuple[Observation, Verdict]:
    """Survey a CTID whose lock this task has for nothing else yet, and gives back when it meets trouble.

    Clones that wait for a template would else wait for the patience of who ensures it.
    """
    try:
        return survey(task, declaration, adopt=adopt)
    except TransientError:
        if not is_clearing(task, declaration):
            task.give_back(lane(declaration.ctid))
        raise


def wherever(task: PhoenixTask, declaration: Declaration, act: Callable[[str], T]) -> T:
    """Act on the node where a container of ours was last seen; if it has moved, look, and act where it stands."""
    try:
        return act(declaration.node)
    except PermanentError as error:
        if error.cause != MISSING:
            raise
        seen = task.proxmox.observe_template(declaration.node, declaration.ctid)
        if not (seen.presence is Presence.HERE and seen.is_ours) or seen.node == declaration.node:
            raise
    return act(seen.node)


def where_last_seen(task: PhoenixTask, declaration: Declaration) -> Declaration:
    """Return a declaration as that of the node where the last step of this job that looked has seen the container."""
    own = (step for step in reversed(task.steps_done()) if step["ctid"] == declaration.ctid and step.get("node"))
    last = next(own, None)
    return declaration if last is None else declaration.standing_on(last["node"])


def takes_effect_later(declaration: Declaration) -> bool:
    """Return whether something is declared that a running container takes only at its next start."""
    by_root = declaration.root_features or declaration.devices is not None or declaration.bind_mounts
    by_api = declaration.features or PENDING & dict(declaration.options).keys()
    return bool(
        by_api or by_root or declaration.device_nodes or (declaration.network and declaration.network.nameservers)
    )


def look(
    task: PhoenixTask,
    declaration: Declaration,
    *,
    adopt: bool = False,
    power: bool = True,
    pending: bool = False,
    purpose: Purpose = Purpose.ENSURE,
) -> tuple[Observation, Verdict]:
    """Look now, just before a write, and judge. Raises TransientError when somebody else is at work on the CTID.

    Without `power` a container that cannot be running yet is not asked whether it is; what waits for the restart of a
    running one is asked for when it is `pending`.
    """
    observe = partial(task.proxmox.observe, pending=pending) if power else task.proxmox.observe_template
    seen = strangers_apart(declaration, observe(declaration.node, declaration.ctid))
    verdict = judge(at_home(declaration, seen), seen, adopt=adopt, purpose=purpose)
    if verdict.action is Action.WAIT:
        raise verdict.delay()
    return seen, verdict


def looked_just_now(steps: Sequence[Mapping[str, Any]], ctid: int, now: float) -> bool:
    """Return whether the step before configured what this job had made, and looked at it only a moment ago.

    Nothing but that look, and a change that Proxmox refuses when anything else was changed since, lies between the
    new container and its start; a look more would be the ninth call for a new container: `docs/adr/0008-…`.
    """
    if not is_new(steps, ctid) or (steps[-1]["name"], steps[-1]["ctid"]) != (StepName.CONFIGURE, ctid):
        return False
    return abs(now - float(steps[-1]["started"])) <= _MOMENT


def is_new(steps: Sequence[Mapping[str, Any]], ctid: int) -> bool:
    """Return whether this job has made it."""
    return any(step["ctid"] == ctid and step["name"] in MAKING for step in steps)


def template_there(task: PhoenixTask, template: Declaration) -> tuple[Observation, tuple[str, ...]]:
    """Look once at a template: finished, it is cloned from, whoever made it. With what is to be told of it."""

    def look_at_it() -> dict[str, Any]:
        seen = task.proxmox.observe_template(template.node, template.ctid)
        return {"seen": to_json(seen), "warnings": about_template(task, template, seen, "was cloned")}

    there = task.read(TEMPLATE, look_at_it)
    return from_json(there["seen"]), tuple(there["warnings"])


def about_template(task: PhoenixTask, template: Declaration, seen: Observation, what: str) -> tuple[str, ...]:
    """Tell what to know of a template that is cloned as it is, or would be."""
    if not seen.is_ours:
        return (not_made_by_us(template.ctid, what),)
    return tuple(f"The template {what} as it is. {why}" for why in Builds(task).outdated(template, seen))


def what_stays(task: PhoenixTask, declaration: Declaration, seen: Observation) -> tuple[str, ...]:
    """Tell what a container has that is not declared, neither for it nor for what it is cloned from."""
    return undeclared(declaration, seen, task.catalog.current().above(declaration))


def not_made_by_us(template: int, what: str) -> str:
    """Warn of a template without our marker: what the catalog declares of it was not applied."""
    return f"Template {template} has no marker of phoenix-lxc: it {what} as it is, not as declared."


def what_took_it(task: PhoenixTask, declaration: Declaration, *, adopted: bool) -> tuple[Observation, Verdict] | None:
    """Look for a CTID that is to be made in the whole cluster: ours, or None when nothing has it.

    Raises PermanentError when it is somebody else's.
    """
    seen, verdict = look(task, declaration, adopt=adopted)
    if verdict.action is Action.CREATE:
        return None
    permit(seen.is_ours and may_write(verdict), verdict, f"clone to CT {declaration.ctid} on {declaration.node}")
    return seen, verdict


def permit(allowed: bool, verdict: Verdict, doing: str) -> None:  # noqa: FBT001 - the answer of a may_… function
    """Raise PermanentError unless the ownership table allows it."""
    if allowed:
        return
    if verdict.action in {Action.REFUSE, Action.REMOVE_HALF_MADE}:
        raise verdict.refusal()
    raise PermanentError(
        f"Unable to {doing}: it was changed since this job read it.",
        cause="changed-meanwhile",
        remedy="Look at it in Proxmox, then send the request again.",
    )


def observe_declared(task: PhoenixTask, declaration: Declaration, *, elsewhere: bool = True) -> Observation:
    """Look at a CTID with all that its declaration speaks of: what waits for a restart, its firewall, its pool.

    With `elsewhere`, whether a VM or another node has an id that is absent here is always looked up.
    """
    pending = takes_effect_later(declaration)
    seen = task.proxmox.observe(declaration.node, declaration.ctid, pending=pending, elsewhere=elsewhere)
    seen = strangers_apart(declaration, seen)
    return with_surroundings(task.proxmox, declaration, seen)


def assess(task: PhoenixTask, declaration: Declaration, *, adopt: bool = False) -> tuple[Observation, Verdict]:
    """Look at a declared CTID and judge. Nothing is waited for, and no lock is needed."""
    seen = observe_declared(task, declaration)
    return seen, judge(at_home(declaration, seen), seen, adopt=adopt)


def _survey(task: PhoenixTask, declaration: Declaration, adopt: bool, purpose: Purpose) -> dict[str, Any]:  # noqa: FBT001 - as the caller names it
    # Whether a VM or another node has the id is looked up where a template would be built first; else Proxmox says so.
    elsewhere = declaration.clone_from is None or purpose is not Purpose.ENSURE
    seen = observe_declared(task, declaration, elsewhere=elsewhere)
    there = at_home(declaration, seen)
    creating, upid = _maker(task, there, seen) if seen.lock == "create" else (Creating.NOT_LOOKED, "")
    if seen.lock == "destroyed":
        upid = _remover(task, seen)
    verdict = judge(there, seen, adopt=adopt, creating=creating, purpose=purpose)
    if verdict.action is Action.WAIT and not upid:
        raise verdict.delay()
    return {"seen": to_json(seen), "creating": creating, "upid": upid}


def _remover(task: PhoenixTask, seen: Observation) -> str:
    """Find the task that removes a CTID with `lock: destroyed`, whoever asked for it."""
    tasks = task.proxmox.recent_tasks(seen.node, seen.ctid)
    return next((one.upid for one in tasks if one.running and one.kind == "vzdestroy"), "")


def _maker(task: PhoenixTask, declaration: Declaration, seen: Observation) -> tuple[Creating, str]:
    """Find the task that makes a CTID with `lock: create`. Without our marker a creation is not proved to be ours."""
    declaration = at_home(declaration, seen)
    for attempt in ("first", "second"):
        makers = makers_of(task, declaration, seen)
        if makers:
            break
        if attempt == "first":
            task.sleep(_BETWEEN_LOOKS)
    else:
        return Creating.NOBODY, ""
    marker = seen.marker
    me = task.proxmox.whoami()
    ours = [maker.upid for maker in makers if maker.user == me and maker.kind in ORDERED]
    if ours and marker is not None and marker.ctid == seen.ctid:
        return Creating.OURS, ours[0]
    return Creating.ANOTHER, makers[0].upid
