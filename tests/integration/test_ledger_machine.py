"""The scripts of the ledger against a model: whatever happens, in any order, the protocol's invariants hold.

After every step they are read from the real server.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from phoenix_producer.contract import RESUME_QUEUE
from phoenix_worker.durable.run import Run
from tests.support.ledger_world import CAPACITY, LOCKS, QUEUE, LedgerWorld, run_key

if TYPE_CHECKING:
    from redis import Redis


class LedgerMachine(LedgerWorld):
    """What is always true, and at the end."""

    @invariant()
    def one_owner_per_place(self) -> None:
        for name in LOCKS:
            owners = self.client.zrangebyscore(f"phoenix:lock:{name}", 0, 0)
            assert len(owners) <= CAPACITY[name]
            for owner in owners:
                assert self.field(str(owner), "state") != "done"
                assert name in self.field(str(owner), "holds").split()

    @invariant()
    def no_free_place_while_somebody_waits(self) -> None:
        for name in LOCKS:
            free = CAPACITY[name] - self.client.zcount(f"phoenix:lock:{name}", 0, 0)
            assert not (free > 0 and self.client.zcount(f"phoenix:lock:{name}", "(0", "+inf"))

    @invariant()
    def nothing_is_forgotten(self) -> None:
        """Each task that has not ended is queued or sleeping and due, run by somebody, or waits for something known."""
        for key in self.client.scan_iter("phoenix:t:*", count=1000):
            task_id = str(key).removeprefix("phoenix:t:")
            state, waits_for = self.field(task_id, "state"), self.field(task_id, "on")
            due = self.client.zscore("phoenix:due", task_id) is not None
            if state == "queued":
                assert due
            elif state == "running":
                assert self.client.sismember(f"phoenix:runs:{self.field(task_id, 'by')}", task_id)
                assert self.client.zscore("phoenix:workers", self.field(task_id, "by")) is not None
            elif state == "parked":
                assert due or self.stands_in_line(task_id, waits_for)
            elif state == "replaced":
                assert self.heir_lives(task_id)
            else:
                assert state == "done"
                assert self.client.ttl(key) > 0
                assert self.field(task_id, "holds") == ""

    def stands_in_line(self, task_id: str, waits_for: str) -> bool:
        kind, _, what = waits_for.partition(":")
        if kind == "lock":
            return self.client.zscore(f"phoenix:lock:{what}", task_id) is not None
        return kind == "ev" and bool(self.client.sismember(f"phoenix:ev:{what}:w", task_id))

    def heir_lives(self, task_id: str) -> bool:
        """Some child of a replaced task will still end in it."""
        return any(
            parent == task_id and (self.field(child, "state") not in {"done", ""})
            for child, parent in self.children.items()
        )

    @invariant()
    def followers_follow_who_is_open(self) -> None:
        for key in self.client.scan_iter("phoenix:job:*:followers", count=1000):
            leader = str(key).split(":")[2]
            assert self.client.hget(f"phoenix:job:{leader}", "state") == "open"
            for follower in self.client.smembers(str(key)):
                assert self.field(str(follower), "follows") == leader
                assert self.field(str(follower), "state") != "done"

    @invariant()
    def nobody_of_a_cancelled_job_is_left_waiting(self) -> None:
        for job in self.cancelled:
            for member in self.client.smembers(f"phoenix:job:{job}:members"):
                state, waits_for = self.field(str(member), "state"), self.field(str(member), "on")
                unwinds = self.field(str(member), "unwinds")
                assert unwinds or state != "parked" or waits_for.partition(":")[0] not in {"lock", "ev"}

    @invariant()
    def the_parked_are_counted(self) -> None:
        counted = sum(map(int, self.client.hvals("phoenix:parked")))
        states = [self.client.hget(key, "state") for key in self.client.scan_iter("phoenix:t:*", count=1000)]
        assert counted == states.count("parked")

    @invariant()
    def done_is_final(self) -> None:
        for task_id in self.finished:
            assert self.field(task_id, "state") == "done"

    def teardown(self) -> None:
        """Let everything end by itself: whatever happened, the ledger comes to rest and leaves only what has a TTL."""
        if not hasattr(self, "ledger"):
            return
        for number in (1, 2, 3):
            self.ledger.resolve(f"e{number}", number)
        for _ in range(400):
            self.clock += 130
            self.ledger.clock = str(self.clock)
            self.pass_time("last")
            self.client.delete(QUEUE, RESUME_QUEUE)
            pending, self.queue = self.queue, []
            for message in pending:
                claimed = self.ledger.claim(*message, "last", lambda: "")
                if isinstance(claimed, Run):
                    self.worker_of[run_key(claimed)] = "last"
                    if claimed.id in self.children:
                        self.land(claimed, lost=False, ends=False)
                    self.ledger.finish(claimed, "ok", None)
            if not self.client.exists("phoenix:due") and not self.queue:
                break
        lasting = {str(key) for key in self.client.scan_iter("phoenix:*") if self.client.ttl(key) == -1}
        known = {
            "phoenix:seq",
            "phoenix:ticks",
            "phoenix:ticked",
            "phoenix:claimed",
            "phoenix:workers",
            f"phoenix:pos:{QUEUE}",
        }
        assert lasting - known - {f"phoenix:pos:{RESUME_QUEUE}"} == set()


@pytest.mark.timeout(600)
@pytest.mark.parametrize("examples", [60, pytest.param(120, marks=pytest.mark.long)])
def test_the_ledger_keeps_its_promises_in_any_order(redis_client: Redis, examples: int) -> None:
    LedgerMachine.client = redis_client
    deep, often = bool(os.environ.get("PHOENIX_DEEP")), bool(os.environ.get("PHOENIX_NO_SHRINK"))
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=2000 if deep else 15 if often else examples,
            stateful_step_count=60 if deep else 40,
            deadline=None,
            phases=[Phase.generate] if often else list(Phase),
            suppress_health_check=list(HealthCheck),
        ),
    )
