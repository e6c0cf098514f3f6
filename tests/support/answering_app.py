"""A worker that answers requests without doing anything: what happens depends on the CTID.

It tells the history of a job as the ledger does: the result is stored, then the history ends. It is told to
live as long as the tests: it has no heart.
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

import redis
from celery import Celery, Task
from celery.signals import worker_ready
from kombu import Exchange, Queue

from phoenix_producer.contract import (
    CANCEL,
    CONTAINERS,
    DRAIN,
    ENSURE,
    NODES,
    PLAN,
    PLANS,
    QUEUE,
    STATUS,
    TEMPLATES,
    UNDRAIN,
    UPKEEP_QUEUE,
    Cancelled,
    EnsureFailed,
    EnsureResult,
    Failure,
    Outcome,
    Step,
)
from phoenix_producer.nodes import Drained, Node, NodeState
from phoenix_producer.standing import Exists, Lane, Standing, Template

URL = os.environ["ANSWERING_REDIS"]
REFUSED, BROKEN, SLOW, FORGOTTEN, STOPPED, OUTDATED = 404, 500, 408, 410, 499, 417
"""The CTIDs that fail, break the worker's code, wait for a push on `release`, lose their history, are cancelled, and
have commands in their remedy."""
UNDECLARED = (555, 556)
WARNED = (420, 421)
UPID = "UPID:pve:00001A2B:0004C3D2:68A1B2C3:vzclone:103:phoenix@pve!worker:"

REFUSALS = {
    REFUSED: {"message": "CTID 404 is not ours.", "cause": "not-ours", "remedy": "Use --adopt."},
    OUTDATED: {
        "message": "Template 900 is outdated.",
        "cause": "outdated",
        "remedy": "Build it again: `phoenix-lxc rebuild 900`. `phoenix-lxc plan --all` names what is outdated.",
    },
    STOPPED: {
        "message": "Job 1 was cancelled.",
        "cause": "cancelled",
        "remedy": "Send the request again if that was a mistake.",
    },
    **{
        ctid: {"message": f"CT {ctid} is not in the catalog.", "cause": "not-declared", "remedy": f"Declare {ctid}."}
        for ctid in UNDECLARED
    },
}

app = Celery("answering", broker=URL, backend=URL)
app.conf.worker_pool = "threads"
app.conf.task_queues = [Queue(name, Exchange(name), routing_key=name) for name in (QUEUE, UPKEEP_QUEUE)]
app.conf.task_default_queue = QUEUE
client = redis.Redis.from_url(URL, decode_responses=True)
_A_DAY = 86_400


@worker_ready.connect
def live(**_: Any) -> None:
    client.zadd("phoenix:workers", {"answering": time.time() + _A_DAY})


class Answering(Task):  # type: ignore[type-arg]  # generic in the stubs only
    def tell(self, kind: str, detail: str = "", upid: str = "") -> None:
        entry: dict[Any, Any] = {"at": time.time(), "kind": kind, "step": self.name, "detail": detail, "upid": upid}
        subject = self.request.args[0] if self.request.args else ""
        client.xadd(f"phoenix:job:{self.request.id}:log", {**entry, "subject": subject})

    def after_return(self, status: str, retval: Any, task_id: str, args: Any, *_: Any) -> None:
        if FORGOTTEN in args:
            client.delete(f"phoenix:job:{task_id}:log")
        else:
            ended = "cancelled" if STOPPED in args else "failed"
            kind, why = ("done", "") if status == "SUCCESS" else (ended, json.dumps(retval.args[0]))
            self.tell(kind, why)


def refuse(task: Answering, ctid: int) -> None:
    if ctid in REFUSALS:
        raise EnsureFailed.of(Failure(request_id=task.request.id, ctid=ctid, **REFUSALS[ctid]))


@app.task(name=ENSURE, base=Answering, bind=True)
def ensure(self: Answering, /, ctid: int, **options: Any) -> dict[str, Any]:
    self.tell("step-started")
    if ctid == SLOW:
        client.blpop(["release"], timeout=60)
    refuse(self, ctid)
    if ctid == BROKEN:
        raise RuntimeError("the worker's own fault")
    self.tell("remote-task", upid=UPID)
    return EnsureResult(
        request_id=self.request.id,
        ctid=ctid,
        node="pve",
        outcome=Outcome.UNCHANGED if options.get("dry_run") else Outcome.CREATED,
        dry_run=options.get("dry_run", False),
        plan=("clone from 900",) if options.get("dry_run") else (),
        steps=(Step(name="clone", ctid=ctid, started=1000.0, seconds=2.5, source=900),),
        not_applied=tuple(f"{key}: {value}" for key, value in sorted(options.items())),
        warnings=_warnings(ctid),
    ).model_dump(mode="json")


@app.task(name=PLAN, base=Answering, bind=True)
def plan(self: Answering, /, ctid: int) -> dict[str, Any]:
    self.tell("step-started")
    refuse(self, ctid)
    return planned(ctid)


@app.task(name=PLANS, base=Answering, bind=True)
def plans(self: Answering, /, ctids: tuple[int, ...] = (101, 103)) -> list[dict[str, Any]]:
    refused = {ctid: Failure(request_id=self.request.id, ctid=ctid, **why) for ctid, why in REFUSALS.items()}
    return [refused[ctid].model_dump(mode="json") if ctid in refused else planned(ctid) for ctid in ctids]


def planned(ctid: int) -> dict[str, Any]:
    if ctid != 103:
        return {"ctid": ctid, "lines": [], "not_applied": [], "warnings": _warnings(ctid)}
    clone = {"kind": "clone", "source": "900", "detail": "full"}
    return {"ctid": ctid, "node": "pve", "outcome": "created", "actions": [clone], "lines": [f"clone {ctid} from 900"]}


def _warnings(ctid: int) -> list[str]:
    return ["Mind the catalog."] if ctid in WARNED else []


@app.task(name=CONTAINERS, base=Answering)
def containers() -> list[int]:
    return [101, 103]


@app.task(name=CANCEL, base=Answering)
def cancel(job: str) -> dict[str, str]:
    over = client.exists(f"celery-task-meta-{job}")
    here = Cancelled.CANCELLED if client.exists(f"phoenix:job:{job}") else Cancelled.UNKNOWN
    return {"job": job, "verdict": Cancelled.OVER if over else here}


@app.task(name=STATUS, base=Answering, bind=True)
def status(self: Answering, /, ctids: tuple[int, ...] = (101, 103)) -> list[dict[str, Any]]:
    for ctid in ctids:
        refuse(self, ctid)
    return [
        Standing(
            ctid=ctid, name=f"ct{ctid}", role="container", state="running", node="pve", exists=Exists.ABSENT
        ).model_dump(mode="json")
        for ctid in ctids
    ]


@app.task(name=TEMPLATES, base=Answering)
def templates() -> list[dict[str, Any]]:
    copy = Lane(ctid=9155, node="pve2", exists=Exists.TEMPLATE)
    template = Template(ctid=900, name="base", node="pve", exists=Exists.TEMPLATE, copies=(copy,))
    return [template.model_dump(mode="json")]


@app.task(name=NODES, base=Answering)
def nodes() -> list[dict[str, Any]]:
    return [Node(name="pve", state=NodeState.ONLINE).model_dump(mode="json")]


@app.task(name=DRAIN, base=Answering, bind=True)
def drain(self: Answering, /, node: str, requester: str = "") -> dict[str, Any]:
    if node != "pve":
        failure = {"message": f"There is no node '{node}'.", "cause": "no-such-node", "remedy": "Its node is: pve."}
        raise EnsureFailed.of(Failure(request_id=self.request.id, **failure))
    return Drained(node=node, drained=True, changed=True, by=requester, at=1000.0).model_dump(mode="json")


@app.task(name=UNDRAIN, base=Answering)
def undrain(node: str, requester: str = "") -> dict[str, Any]:  # noqa: ARG001 - as it is sent
    return Drained(node=node, drained=False, changed=False).model_dump(mode="json")
