"""The scripts of the ledger against a model: whatever happens, in any order, the protocol's invariants hold.

After every step they are read from the real server.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from phoenix_producer.contract import RESUME_QUEUE
from phoenix_worker.durable.keeper import LOST_STEP
from phoenix_worker.durable.run import Run
from tests.support.ledger_read import read, writes
from tests.support.ledger_world import CAPACITY, LOCKS, QUEUE, LedgerWorld, run_key

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.ledger_read import LedgerRead


class LedgerMachine(LedgerWorld):
    """What is always true, and at the end."""

    @invariant()
    def what_is_promised_holds(self) -> None:
        """Read it once for all of them: they were most of this test's time."""
        now = read(self.client)
        self.one_owner_per_place(now)
        self.no_free_place_while_somebody_waits(now)
        self.nothing_is_forgotten(now)
        self.followers_follow_who_is_open(now)
        self.nobody_of_a_cancelled_job_is_left_waiting(now)
        self.the_parked_are_counted(now)
        self.done_is_final(now)
        self.nothing_is_lacking()

    def one_owner_per_place(self, now: LedgerRead) -> None:
        for name in LOCKS:
            owners = [one for one, score in now.scores(f"lock:{name}").items() if score == 0]
            assert len(owners) <= CAPACITY[name]
            for owner in owners:
                assert now.field(owner, "state") != "done"
                assert name in now.field(owner, "holds").split()

    def no_free_place_while_somebody_waits(self, now: LedgerRead) -> None:
        for name in LOCKS:
            scores = now.scores(f"lock:{name}").values()
            free = CAPACITY[name] - sum(score == 0 for score in scores)
            assert not (free > 0 and any(score > 0 for score in scores))

    def nothing_is_forgotten(self, now: LedgerRead) -> None:
        """Each task that has not ended is queued or sleeping and due, run by somebody, or waits for something known."""
        due_at, workers = now.scores("due"), now.scores("workers")
        for task_id in now.tasks():
            state, waits_for = now.field(task_id, "state"), now.field(task_id, "on")
            due = task_id in due_at
            if state == "queued":
                assert due
            elif state == "running":
                assert task_id in now.members(f"runs:{now.field(task_id, 'by')}")
                assert now.field(task_id, "by") in workers
            elif state == "parked":
                assert due or self.stands_in_line(now, task_id, waits_for)
            elif state == "replaced":
                assert self.heir_lives(now, task_id)
            else:
                assert state == "done"
                assert now.ttl[f"phoenix:t:{task_id}"] > 0
                assert now.field(task_id, "holds") == ""

    def stands_in_line(self, now: LedgerRead, task_id: str, waits_for: str) -> bool:
        kind, _, what = waits_for.partition(":")
        if kind == "lock":
            return task_id in now.scores(f"lock:{what}")
        return kind == "ev" and task_id in now.members(f"ev:{what}:w")

    def heir_lives(self, now: LedgerRead, task_id: str) -> bool:
        """Some child of a replaced task will still end in it."""
        return any(
            parent == task_id and (now.field(child, "state") not in {"done", ""})
            for child, parent in self.children.items()
        )

    def followers_follow_who_is_open(self, now: LedgerRead) -> None:
        for leader, followers in now.followers().items():
            assert now.hash(f"job:{leader}").get("state") == "open"
            for follower in followers:
                assert now.field(follower, "follows") == leader
                assert now.field(follower, "state") != "done"

    def nobody_of_a_cancelled_job_is_left_waiting(self, now: LedgerRead) -> None:
        for job in self.cancelled:
            for member in now.members(f"job:{job}:members"):
                state, waits_for = now.field(member, "state"), now.field(member, "on")
                unwinds = now.field(member, "unwinds")
                assert unwinds or state != "parked" or waits_for.partition(":")[0] not in {"lock", "ev"}

    def the_parked_are_counted(self, now: LedgerRead) -> None:
        counted = sum(map(int, now.hash("parked").values()))
        assert counted == [now.field(task_id, "state") for task_id in now.tasks()].count("parked")

    def done_is_final(self, now: LedgerRead) -> None:
        for task_id in self.finished:
            assert now.field(task_id, "state") == "done"

    def nothing_is_lacking(self) -> None:
        """What finds tasks is as their records say: a comparison writes nothing."""
        before = writes(self.client)
        self.ledger.call("reconcile", RESUME_QUEUE, 0, 0, 100, json.dumps(LOST_STEP))
        assert writes(self.client) == before

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
