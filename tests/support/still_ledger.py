"""A real ledger whose clock stands still, so that what its scripts write can be told to the second."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_worker.durable.ledger import Bell, Ledger
from phoenix_worker.durable.run import Run

if TYPE_CHECKING:
    from redis import Redis

AT = 1_000_000.0
"""What the clock says at first."""


class StillLedger(Ledger):
    """Scripts that are called as workers call them, in the name of `w1`; `rung` are the ids of what they sent."""

    def __init__(self, client: Redis) -> None:
        super().__init__(client, self._note, clock=f"{AT:.6f}")
        self.rung: list[str] = []
        self.queues: dict[str, str] = {}

    def _note(self, bells: list[Bell]) -> None:
        self.rung += [bell.id for bell in bells]
        self.queues |= {bell.id: bell.queue for bell in bells}

    def at(self, later: float) -> None:
        """Set the clock to so many seconds after the first moment."""
        self.clock = f"{AT + later:.6f}"

    def asked(self, task_id: str, *, job: str = "", queue: str = QUEUE, generation: int = 0, **more: Any) -> str:
        """A message is recorded: a request, or a task of this job."""
        told = {"name": "phoenix.ensure", "subject": "101", "job": job or task_id, "queue": queue, **more}
        entry = {"body": "b", "headers": "{}", "reply": "", "requester": "me", **told}
        self.call("record", task_id, generation, json.dumps(entry))
        return task_id

    def taken(self, task_id: str, *, worker: str = "w1", **more: Any) -> Run:
        """A worker runs it."""
        return self.again(self.asked(task_id, **more), worker)

    def again(self, task_id: str, worker: str = "w1") -> Run:
        """A worker runs what is queued."""
        generation = int(self.field(task_id, "gen") or 0)
        run = self.claim(task_id, generation, worker, lambda: "")
        assert isinstance(run, Run), run
        return run

    def say(self, script: str, run: Run, *args: str | float) -> str:
        """Say something in a run's name; returns the verdict."""
        return str(self.call(script, run.id, run.number, *args)[0])

    def hold(self, run: Run, lock: str, capacity: int = 1) -> str:
        return self.say("hold", run, "", RESUME_QUEUE, lock, capacity, "")

    def wait(self, run: Run, event: str, watched: str = "", first_look: float = 0) -> str:
        return self.say("wait", run, "", event, "", watched, first_look)

    def tick(self, worker: str = "w1", *witness: str | float, ttl: float = 60.0) -> list[Any]:
        return self.call("tick", worker, ttl, RESUME_QUEUE, 5, '"given up"', 6.0, *witness)

    def field(self, task_id: str, name: str) -> str | None:
        """What a record has."""
        return self.client.hget(self.key("t:", task_id), name)  # type: ignore[return-value]  # text, by its client

    def due_in(self, task_id: str) -> float | None:
        """Seconds until a task is looked at, from the first moment on."""
        return self.score("due", task_id)

    def score(self, name: str, member: str) -> float | None:
        """When something is, in seconds from the first moment on."""
        at = self.client.zscore(self.key(name), member)
        return None if at is None else round(float(at) - AT, 6)

    def told(self, job: str) -> list[tuple[str, str]]:
        """The history of a job: kinds, and of which task."""
        entries: Any = self.client.xrange(self.key("job:", job, ":log"))
        return [(entry["kind"], entry["detail"]) for _, entry in entries]

    def places(self, task_id: str) -> set[str]:
        """The keys in which a task is named, but for its record and for what is told of it."""
        named = {key: {one for pair in value for one in pair} for key, value in self.everything().items()}
        return {key for key, names in named.items() if not key.startswith("t:") and task_id in names}

    def everything(self) -> dict[str, list[tuple[Any, ...]]]:
        """All that Redis has of the ledger: pairs of a hash or sorted set, members, a text."""
        keys = [str(key) for key in self.client.scan_iter(f"{self.prefix}*")]
        return {key.removeprefix(self.prefix): self._content(key) for key in keys}

    def _content(self, key: str) -> list[tuple[Any, ...]]:
        client: Any = self.client
        match client.type(key):
            case "zset":
                return list(client.zrange(key, 0, -1, withscores=True))
            case "set":
                return [(one,) for one in sorted(client.smembers(key))]
            case "hash":
                return sorted(client.hgetall(key).items())
            case "string":
                return [(client.get(key),)]
            case "list":
                return [(one,) for one in client.lrange(key, 0, -1)]
        return [(client.xlen(key),)]

    def lasting(self) -> set[str]:
        """The keys that stay until somebody deletes them."""
        keys = [str(key) for key in self.client.scan_iter(f"{self.prefix}*")]
        return {key.removeprefix(self.prefix) for key in keys if self.client.ttl(key) == -1}


def lasting(seconds: int) -> Any:
    """Match a TTL of so many seconds that was given in this test: Redis counts it down by a clock that goes on."""
    return seconds if seconds < 0 else pytest.approx(seconds, abs=60)


@pytest.fixture
def still(redis_client: Redis) -> StillLedger:
    """An empty ledger at the first moment."""
    return StillLedger(redis_client)
