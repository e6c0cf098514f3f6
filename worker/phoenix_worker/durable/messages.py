"""What the messages of Celery say of a task that runs: enough to send them again, and who comes next."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid5

from celery import current_task

from phoenix_producer.client.record import JOB_HEADER, Outgoing, generation_of
from phoenix_producer.client.trace_context import HEADER, parse, span_of
from phoenix_producer.contract import QUEUE
from phoenix_worker.durable.message_form import REFUSED, written

if TYPE_CHECKING:
    from celery import Task

    from phoenix_worker.durable.run import Run

_MESSAGE_HEADERS = (
    "lang", "task", "id", "shadow", "eta", "expires", "group", "group_index", "retries", "timelimit", "root_id",
    "parent_id", "argsrepr", "kwargsrepr", "origin", "ignore_result", "replaced_task_nesting", "stamped_headers",
    "stamps",
)  # fmt: skip


_DECISIVE = ("ignore_result", "group", "group_index", "retries", "replaced_task_nesting")
"""Headers by which a run ends in another way: without a result, as another member of a chord, with other links."""


def entry_of_unknown(task: Task[Any, Any], args: Any, kwargs: Any) -> str:
    """Return the ledger's entry of a message whose sender knew no ledger; '' if it was in it before."""
    if task.request.get(JOB_HEADER):
        return ""  # it was in the ledger, which was wiped since: the requester has to ask again
    request = task.request
    headers = {name: request.get(name) for name in _MESSAGE_HEADERS} | {"task": task.name}
    if (trace := parse(request.get(HEADER))) is not None:
        headers[HEADER] = trace.header()
    embed = {name: request.get(name) for name in ("callbacks", "errbacks", "chain", "chord")}
    properties = {"correlation_id": request.correlation_id, "reply_to": request.reply_to}
    task_id = str(request.id)
    generation = generation_of(vars(request))
    body = (args, kwargs, embed)
    return Outgoing(task.name, task_id, generation, QUEUE, body, headers, properties).entry(task_id)


def identity(task: Task[Any, Any], args: Any, kwargs: Any) -> dict[str, str]:
    """Return what tells the message that a task runs from others of its id, as `Ledger.claim` takes it."""
    name, body = task.request.get(REFUSED) or (task.name, written(args, kwargs, vars(task.request)))
    return {"name": name, "body": body, "headers": json.dumps({one: task.request.get(one) for one in _DECISIVE})}


def passed_on(run: Run, *, asks: bool) -> dict[str, str]:
    """Return the header of the trace of what a run publishes: its own, or with `asks` one in which the run asks."""
    if run.trace is None or not (asks or run.trace.span):
        return {}
    if not asks:
        return {HEADER: run.trace.header()}
    asker = span_of("job", run.job) if run.id == run.job else span_of("task", run.id)
    return {HEADER: run.trace._replace(span=asker).header()}


def successor() -> str | None:
    """Return the id of the next link of the chain that the current task is part of."""
    links: Any = current_task.request.chain if current_task else None
    return links[-1]["options"].get("task_id") if links else None


def chord_body() -> str | None:
    """Return the id of the body of the chord that the current task is a member of."""
    body: Any = current_task.request.chord if current_task else None
    return body["options"].get("task_id") if body else None


def name_callbacks(request: Any) -> None:
    """Derive the ids of callbacks and errbacks, so that a run that sends them again sends duplicates."""
    for kind in ("callbacks", "errbacks"):
        for position, callback in enumerate(request.get(kind) or ()):
            derived = str(uuid5(NAMESPACE_OID, f"{request.id}/{kind}/{position}"))
            callback["options"].setdefault("task_id", derived)
