"""A real ledger, driven by its scripts as workers drive it, without any worker."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import Producer
from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_worker.durable.ledger import Ledger
from phoenix_worker.durable.run import Run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

UPID = "UPID:pve1:00001A2B:0004C3D2:68A1B2C3:vzclone:900:phoenix@pve!worker:"


class DrivenLedger:
    """Requests come from a producer; a test says in a worker's name what becomes of them."""

    def __init__(self, client: Redis, producer: Producer) -> None:
        self._producer = producer
        self.ledger = Ledger(client, lambda _: None)

    def asked(self, ctid: int) -> str:
        """A request that nobody has taken."""
        return self._producer.ensure(ctid).id

    def taken(self, ctid: int) -> Run:
        """A request that a worker runs."""
        return self.claim(self.asked(ctid))

    def claim(self, task_id: str, generation: int = 0) -> Run:
        """A worker takes a task."""
        run = self.ledger.claim(task_id, generation, "w1", lambda: "")
        assert isinstance(run, Run), run
        return run

    def say(self, script: str, run: Run, *args: str | float) -> str:
        """Say something in a run's name; returns the verdict."""
        return str(self.ledger.call(script, run.id, run.number, *args)[0])

    def hold(self, run: Run, lock: str, capacity: int = 1) -> str:
        return self.say("hold", run, "", RESUME_QUEUE, lock, capacity, "")

    def wait(self, run: Run, event: str, detail: str) -> str:
        return self.say("wait", run, "", event, detail, "", 0)

    def replaced(self, run: Run, name: str, ctid: int) -> Run:
        """The run is replaced by a chain, whose first link a worker runs."""
        child = f"{run.id[:-4]}{name[:4]}"
        self.say("replace", run, child, 0, self._entry(run, name, ctid))
        return self.claim(child)

    def landed(self, run: Run, successor: str, ctid: int, value: dict[str, Any]) -> str:
        """A link is done; returns the id of the next, which is queued."""
        following = f"{run.id[:-4]}{successor[:4]}"
        self.say("land", run, following, 0, self._entry(run, successor, ctid), json.dumps(value), "")
        self.ledger.finish(run, "ok", value)
        return following

    def ended(self, run: Run, verdict: str = "ok") -> None:
        self.ledger.finish(run, verdict, {})

    def _entry(self, run: Run, name: str, ctid: int) -> str:
        fields = {"msg": "{}", "body": "{}", "headers": "{}", "reply": "", "queue": QUEUE}
        return json.dumps({**fields, "name": f"phoenix.{name}", "subject": str(ctid), "job": run.job, "seq": run.seq})


@pytest.fixture
def driven(redis_client: Redis, redis_url: str) -> Iterator[DrivenLedger]:
    """An empty ledger."""
    with Producer(redis_url, requester="the tests") as producer:
        yield DrivenLedger(redis_client, producer)
