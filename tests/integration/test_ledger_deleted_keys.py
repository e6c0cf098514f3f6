"""Keys that were deleted, evicted or expired: all others end, and so does what lost them, or it is shown."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.contract import RESUME_QUEUE
from phoenix_worker.durable.run import Run
from tests.integration.test_ledger_leaves_nothing import COUNTERS, DOES, WHY, child_of

if TYPE_CHECKING:
    from redis import Redis

    from tests.support.still_ledger import StillLedger

LOOKS = 8
"""Of a worker, a minute and more after each other, within which all comes to rest."""
ALWAYS = {"holds locks", "waits for a remote job", "reserves"}
"""The rest is for the long tier."""
JOBS = ("request", "waiting", "other", "owner", "leader")


def begin(still: StillLedger, does: str) -> None:
    """Ask for something with a step that does this, for something that waits for its lock, and for something else."""
    still.client.flushall()
    still.at(0.0)
    request, run = still.taken("request"), still.taken("run", job="request")
    still.hold(request, "ct/101")
    still.say("replace", request, "step", 0, child_of(request))
    still.hold(still.taken("waiting"), "ct/101")
    DOES[does](still, run)
    still.asked("other")
    still.rung.clear()


class LastWorker:
    """It lives when all others have died, and does what there is to do."""

    def __init__(self, still: StillLedger) -> None:
        self._still, self._at = still, count(70.0, 70.0)
        self._witness: tuple[str, ...] = ("",)

    def work(self) -> None:
        """Let time go on until all has come to rest."""
        still = self._still
        for _ in range(LOOKS):
            still.at(next(self._at))
            for event in ("upid/x", "template/900"):
                still.resolve(event, "OK")
            still.tick("last", *self._witness)
            self._witness = (still.clock, "70", "0")
            still.call("reconcile", RESUME_QUEUE, 0, 0, 100)
            given, still.rung = still.rung, []
            for task_id in given:
                run = still.claim(task_id, int(still.field(task_id, "gen") or 0), "last", lambda: "")
                if isinstance(run, Run):
                    self._end(run)

    def _end(self, run: Run) -> None:
        """End a task: a chain with its failure, since no other link of it comes."""
        if run.id == "waiting" and self._still.hold(run, "ct/101") != "held":
            return
        if run.fail or run.id in {"step", "child"}:
            self._still.finish(run, "failed", WHY)
        else:
            self._still.finish(run, "ok", None)


@pytest.mark.parametrize("does", [one if one in ALWAYS else pytest.param(one, marks=pytest.mark.long) for one in DOES])
def test_whatever_key_is_deleted_all_comes_to_rest(does: str, still: StillLedger, redis_client: Redis) -> None:
    begin(still, does)
    for key in sorted(still.everything()):
        begin(still, does)
        redis_client.delete(f"phoenix:{key}")
        last = LastWorker(still)
        last.work()
        ended = {job: still.client.hget(f"phoenix:job:{job}", "state") for job in JOBS}
        shown = set(map(str, redis_client.zrange("phoenix:aside", 0, -1)))
        stopped = shown | {str(redis_client.hget(f"phoenix:t:{task}", "job")) for task in shown}
        behind = {"waiting"} if "request" in stopped else set()  # what is set aside keeps its locks
        assert {job for job, state in ended.items() if state == "open"} <= stopped | behind, key
        for job in shown:
            still.cancel(job, WHY)
        last.work()
        ended = {job: still.client.hget(f"phoenix:job:{job}", "state") for job in ("waiting", "other")}
        for job, state in ended.items():
            assert state == ("cancelled" if key == f"t:{job}" else "done"), (key, job)
        unnamed = {"t:run"} if key == "job:request:members" else set()  # a step that nothing names any more
        assert still.lasting() <= COUNTERS | unnamed, key
