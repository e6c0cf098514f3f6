"""What a message may embed: callbacks, errbacks, the links of a chain, the body of a chord.

A worker publishes what is embedded, so it is held to what its sender may push: a public task that the sender's queue
takes, under a canonical id. Of its options nothing but the id is taken; a signature with links of its own is refused,
since dropping them would drop work without a word. So is one with a `subtask_type`: whatever task it names, Celery
makes a group, a chain or a chord of it, and publishes the tasks among its keywords.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, UUID, uuid5

from phoenix_producer.contract import UPKEEP_QUEUE, queue_of

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

LISTS = ("callbacks", "errbacks", "chain")
_NESTED = ("link", "link_error", "chord", "chain")
_KEPT = frozenset({"task", "args", "kwargs", "options", "immutable", "chord_size"})
_SHOWN = 40


def is_signature(value: Any) -> bool:
    """Return whether a value has the form in which Celery embeds a signature."""
    wanted = {"task": str, "args": list, "kwargs": dict, "options": dict}
    return isinstance(value, dict) and all(isinstance(value.get(name), kind) for name, kind in wanted.items())


def is_canonical(task_id: Any) -> bool:
    """Return whether an id is a UUID as `str(uuid4())` writes it: ids are keys, and another spelling is another key."""
    try:
        return isinstance(task_id, str) and str(UUID(task_id)) == task_id
    except ValueError:
        return False


def objection_to_queue(task: str, options: dict[str, Any], queue: str) -> str | None:
    """Say that a task with these keywords does not come by this queue; None when it may. Upkeep may ask for all."""
    wanted = queue_of(task, options)
    if queue in (wanted, UPKEEP_QUEUE):
        return None
    what = f"{task} with `adopt`" if options.get("adopt") else task
    return f"{what} is taken from the queue {wanted} alone: publish it there"


def objection_to_embedded(embed: dict[str, Any], public: Collection[str], queue: str) -> str | None:
    """Say what keeps the embedded signatures of a message from being published; None when nothing does."""
    for place, _, signature in _signatures(embed):
        if signature["task"] not in public:
            return f"`{place}` names {signature['task']}, which is not a public task; public are {listed(public)}"
        if elsewhere := objection_to_queue(signature["task"], signature["kwargs"], queue):
            return f"`{place}`: {elsewhere}"
        if kind := signature.get("subtask_type"):
            return f"a signature in `{place}` is a {str(kind)[:_SHOWN]!r} (`subtask_type`): embed only single tasks"
        options = signature["options"]
        if nested := [name for name in _NESTED if options.get(name)]:
            return f"a signature in `{place}` has `{nested[0]}` of its own: send it when the first has answered"
        if options.get("task_id") is not None and not is_canonical(options["task_id"]):
            return f"the `task_id` of a signature in `{place}` is not a UUID in lower case"
    return None


def restrict(task_id: str, embed: dict[str, Any]) -> None:
    """Reduce embedded signatures to what is taken, their options to an id and our queue.

    Derived ids make a second run's duplicates.
    """
    for place, position, signature in _signatures(embed):
        derived = str(uuid5(NAMESPACE_OID, f"{task_id}/{place}/{position}"))
        queue = queue_of(signature["task"], signature["kwargs"])
        for name in signature.keys() - _KEPT:
            del signature[name]
        signature["options"] = {"task_id": signature["options"].get("task_id") or derived, "queue": queue}


def listed(public: Collection[str]) -> str:
    """Name public tasks, for people."""
    return ", ".join(sorted(public))


def _signatures(embed: dict[str, Any]) -> Iterator[tuple[str, int, dict[str, Any]]]:
    for place in LISTS:
        for position, signature in enumerate(embed.get(place) or ()):
            yield place, position, signature
    if embed.get("chord"):
        yield "chord", 0, embed["chord"]
