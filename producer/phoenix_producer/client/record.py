"""Record before send: what our apps publish is in the ledger before it is in a queue.

A message that is lost between the two, or on its way, is published again by the workers (`due` in the ledger). The
signal `before_task_publish` is global to the process, so the hook acts only inside `recording(...)`: what a service
publishes with its own Celery app is never touched.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from celery.signals import before_task_publish
from kombu.utils.json import dumps
from redis.exceptions import NoScriptError

from phoenix_producer.client.lua_script import LuaScript
from phoenix_producer.contract import LONGEST_REQUESTER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis
    from redis.client import Pipeline

logger = logging.getLogger(__name__)

PREFIX = "phoenix:"
"""Of all keys of the ledger on a Redis that may be shared."""

JOB_HEADER = "phoenix_job"
"""Says that a message is in the ledger, and of which job."""

LEDGER_LUA = files(__package__).joinpath("ledger.lua").read_text(encoding="utf-8")
_RECORD_LUA = files(__package__).joinpath("record.lua").read_text(encoding="utf-8")


def number(told: str | None, otherwise: float) -> float:
    """Read a number of the ledger; return `otherwise` where none is kept, or what others wrote in its place."""
    try:
        read = float(told or "")
    except ValueError:
        return otherwise
    return read if math.isfinite(read) else otherwise


_REPLICATION_MS = 500
"""How long a request waits for a replica to have it."""

_SUBJECT = 64
"""Characters of a first argument that are kept of it: a CTID has nine, a job's id 36."""


def is_name(text: str) -> bool:
    """Return whether a text can be kept as the name of who asks."""
    return len(text) <= LONGEST_REQUESTER and not any("\ud800" <= one <= "\udfff" for one in text)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One message on its way to a queue, as Celery hands it to the publish hook."""

    name: str
    id: str
    generation: int
    queue: str
    body: Any
    headers: dict[str, Any]
    properties: dict[str, Any]

    @property
    def subject(self) -> str:
        """The first argument: the CTID in all tasks of ours."""
        args = self.body[0]
        return str(args[0])[:_SUBJECT] if args else ""

    @property
    def requester(self) -> str:
        """Who asks, in its own words; '' where it does not say, or says what is no name."""
        told = self.body[1].get("requester")
        return told if isinstance(told, str) and is_name(told) else ""

    @property
    def options(self) -> str:
        """Tell its options from others, whoever asks: what has the same is the same request."""
        options = {name: value for name, value in self.body[1].items() if name != "requester"}
        return hashlib.sha256(dumps(options, sort_keys=True).encode()).hexdigest()

    def entry(self, job: str, *, seq: str = "", requester: str = "", options: str = "") -> str:
        """Return the record for the ledger, as JSON: enough to publish the very same message again.

        `requester` is who asks, by default as the message says: a worker records it where its sender has not.
        """
        self.headers[JOB_HEADER] = job
        if job != self.id:  # so that Flower finds all of a job by its id
            self.headers["kwargsrepr"] = repr({"job": job, **self.body[1]})
        return json.dumps(
            {
                "body": dumps(self.body),
                "headers": dumps(self.headers),
                "reply": self.properties.get("reply_to") or "",
                "name": self.name,
                "subject": self.subject,
                "job": job,
                "seq": seq,
                "queue": self.queue,
                "chord": bool(self.body[2].get("chord")),
                "requester": requester or self.requester,
                "options": options,
            }
        )


_recorder: ContextVar[Callable[[Outgoing], object] | None] = ContextVar("phoenix_recorder", default=None)


@contextmanager
def recording(recorder: Callable[[Outgoing], object]) -> Iterator[None]:
    """Hand every message that this thread publishes in the block to `recorder`, before it is sent."""
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        _recorder.reset(token)


def generation_of(headers: dict[str, Any]) -> int:
    """Return how often the task of this id was published again: by `retry` or by `replace`."""
    return int(headers.get("retries") or 0) + int(headers.get("replaced_task_nesting") or 0)


@before_task_publish.connect(weak=False)
def _before_publish(
    sender: str, body: Any, headers: dict[str, Any], properties: dict[str, Any], routing_key: str, **_: Any
) -> None:
    recorder = _recorder.get()
    if recorder is not None:
        recorder(Outgoing(sender, headers["id"], generation_of(headers), routing_key, body, headers, properties))


class Recorder:
    """Records requests of a producer, each of which begins a job of its own id."""

    def __init__(self, client: Redis, requester: str = "", *, replicated: bool = False) -> None:
        self._client = client
        self._script = LuaScript(client, LEDGER_LUA + _RECORD_LUA)
        self._requester = requester
        self._replicated = replicated

    def __call__(self, outgoing: Outgoing) -> bool:
        """Record one request; return whether it is new. One that is not need not be sent again.

        Raises what redis-py raises. Celery only logs that when it calls this as a signal's receiver: the message is
        sent then, without the job's header, and the workers take it for one of a sender that knows no ledger.
        """
        entry = outgoing.entry(outgoing.id, requester=self._requester, options=outgoing.options)
        try:
            return bool(self._record([PREFIX, "", outgoing.id, outgoing.generation, entry]))
        except Exception:
            del outgoing.headers[JOB_HEADER]
            raise

    def _record(self, args: list[Any]) -> Any:
        """Run the script; with Sentinels, wait until a replica has its writes: it may be the master soon."""
        if not self._replicated:
            return self._script(*args)
        made, replicas = self._replicate(lambda pipe: pipe.evalsha(self._script.digest, 0, *args))
        if isinstance(made, NoScriptError):
            made, replicas = self._replicate(lambda pipe: pipe.eval(self._script.text, 0, *args))
        if isinstance(made, Exception):
            raise made
        if isinstance(replicas, Exception) or not replicas:
            logger.warning(
                "No replica of Redis has the request yet: it is lost if the master fails in this moment (%s).", replicas
            )
        return made

    def _replicate(self, run: Callable[[Pipeline], Any]) -> list[Any]:
        with self._client.pipeline(transaction=False) as pipe:
            run(pipe)
            pipe.wait(1, _REPLICATION_MS)
            return pipe.execute(raise_on_error=False)
