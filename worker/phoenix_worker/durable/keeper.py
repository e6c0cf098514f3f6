"""One background thread a worker: its heartbeat, and the return of what is overdue."""

from __future__ import annotations

import json
import logging
import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from phoenix_producer.client.channel import LOST_REQUEST
from phoenix_producer.contract import RESUME_QUEUE
from phoenix_producer.ledger.takers import QUEUES
from phoenix_worker.durable.acts import Act, Kind, tell
from phoenix_worker.durable.crash_points import reached
from phoenix_worker.durable.patience import patience
from phoenix_worker.durable.run import End
from phoenix_worker.durable.uptime import uptime

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from phoenix_worker.durable.events import Events
    from phoenix_worker.durable.ledger import Ledger
    from phoenix_worker.durable.run import Run

logger = logging.getLogger(__name__)

TICKS_PER_TTL = 6
_AFTER_A_LOSS = 1.0
_COMPARED_AT_ONCE = 100
_GIVEN = "coalesced with an earlier, identical request: got its answer"

REVOKED = {
    "message": "The job was revoked.",
    "cause": "cancelled",
    "remedy": "Send the request again if that was a mistake.",
}
"""What the requester of a job hears when Celery's revoke, or Flower's button, hit one of its tasks."""


LOST_STEP = LOST_REQUEST | {"message": "Redis lost a step of this job: its record was deleted, or evicted."}
"""What the requester of a job hears with which nobody can go on."""


class _Tick(NamedTuple):
    """What the ledger said of itself in a tick."""

    at: str
    """The time by the clock of Redis."""
    clock_set: str
    """By how many seconds in all that clock was set."""
    number: int
    """It counts the ticks of all workers."""
    uptime: float
    """The time by the worker's own clock."""

    def witness(self) -> tuple[str, str, str, int]:
        """Return what the next tick compares the clock of Redis, and its own number, with."""
        return self.at, f"{uptime() - self.uptime:.6f}", self.clock_set, self.number


class Keeper(threading.Thread):
    """Ticks a few times in each heartbeat TTL (seconds), and earlier when a record falls due.

    `running` names the tasks that this worker has, as Celery knows them; what the ledger says beyond that is given
    back. `queues` names the queues that it takes from.
    """

    def __init__(  # noqa: PLR0913 - the engine alone makes one
        self,
        ledger: Ledger,
        incarnation: str,
        *,
        ttl: float,
        max_idle_runs: int,
        give_up: str,
        chord_lease: float,
        revoked: Callable[[], list[str]],
        running: Callable[[], set[str]],
        queues: Callable[[], Collection[str]],
        went_back: Callable[[], None],
        events: Events,
    ) -> None:
        super().__init__(name="phoenix-keeper", daemon=True)
        self._ledger = ledger
        self._incarnation = incarnation
        self._ttl = ttl
        self._max_idle_runs = max_idle_runs
        self._give_up = give_up
        self._chord_lease = chord_lease
        self._revoked = revoked
        self._running = running
        self._queues = queues
        self._went_back = went_back
        self._events = events
        self._last: _Tick | None = None
        self._strange: set[tuple[str, str]] = set()
        """Runs of the ledger that this worker did not have at its last tick."""
        self._left: set[tuple[str, str]] = set()
        """Runs that are over, and of which Redis did not take that."""
        self._places: tuple[Any, ...] = (0, 0)
        """At which of the open jobs, and of the locks, the next comparison with their records begins."""
        self._reconciled = float("-inf")
        self._bell = threading.Event()
        self._stopping = False

    def poke(self) -> None:
        """Look at the due times again: one was added."""
        self._bell.set()

    def run(self) -> None:
        """Tick until stopped. A failed tick is repeated: without heartbeats this worker is taken for dead."""
        while not self._stopping:
            try:
                pause = self._tick()
            except Exception:
                logger.exception("The keeper thread failed in a tick and tries again.")
                pause = 1.0
            self._bell.wait(pause)
            self._bell.clear()

    def _tick(self) -> float:
        answer = patience.until_answered(self._ask)
        until_due, taken_over, sent_again, given, at, clock_set, number, mine = answer
        reached("ticked")
        self._notice(_Tick(at, clock_set, int(number), uptime()))
        self._give_back(set(zip(mine[::2], mine[1::2], strict=True)))
        for kind, count in ((Kind.TAKEN_OVER, taken_over), (Kind.SENT_AGAIN, sent_again)):
            if count:
                tell(Act(kind, value=int(count)))
        _each(self._tell_given, given)
        _each(self._cancel, self._revoked())
        longest = self._ttl / TICKS_PER_TTL
        if time.monotonic() - self._reconciled >= longest:
            self._reconcile()
        return min(longest, max(0.0, float(until_due))) if until_due else longest

    def expected(self) -> float:
        """Return Redis's time at the last tick plus the seconds since, by this worker's uptime; inf before any tick."""
        last = self._last
        return float("inf") if last is None else float(last.at) + uptime() - last.uptime

    def _ask(self) -> list[Any]:
        """Tick once. What is known of the clock is as of this attempt, however long Redis was away before it."""
        patience_args = (self._max_idle_runs, self._give_up, self._chord_lease)
        witness = self._last.witness() if self._last else ("", "", "", "")
        taken = [queue for queue in QUEUES if queue in self._queues()]
        told = (*patience_args, *witness, "" if len(taken) == len(QUEUES) else " ".join(taken))
        return self._ledger.attempt("tick", self._incarnation, self._ttl, RESUME_QUEUE, *told)

    def _notice(self, tick: _Tick) -> None:
        """Tell when the clock of Redis was set, or Redis has lost what it had answered to."""
        last, self._last = self._last, tick
        if last is None:
            return
        if tick.number <= last.number:
            tell(Act(Kind.WENT_BACK, value=1))
            self._went_back()
        elif tick.clock_set != last.clock_set:
            by = float(tick.clock_set) - float(last.clock_set)
            logger.warning("The clock of Redis was set by %+.0f s. Due times were shifted by as much.", by)

    def _give_back(self, told: set[tuple[str, str]]) -> None:
        """Have run again what the ledger says that this worker runs, and it did not have in two ticks."""
        here = self._running()
        strange = {one for one in told if one[0] not in here or one in self._left}
        _each(self._disown, strange & self._strange)
        self._strange = strange - self._strange

    def _disown(self, told: tuple[str, str]) -> None:
        task_id, number = told
        verdict = self._ledger.call("disown", task_id, number, self._incarnation, self._chord_lease)
        self._left.discard(told)
        if verdict[0] == "due":
            logger.warning("Redis lists task %s as running on this worker, and it is not. Running it again.", task_id)
            tell(Act(Kind.TAKEN_OVER, value=1))
            self.poke()

    def _reconcile(self) -> None:
        """Have some of what finds tasks compared with their records: what was deleted of it is entered again."""
        self._reconciled = time.monotonic()
        told = (RESUME_QUEUE, *self._places, _COMPARED_AT_ONCE, json.dumps(LOST_STEP))
        self._places = tuple(self._ledger.call("reconcile", *told))

    def _cancel(self, revoked: str) -> None:
        verdict, job = self._ledger.cancel(revoked, REVOKED)
        logger.info("Task %s was revoked: job %s is %s.", revoked, job, verdict)

    def _tell_given(self, given: list[Any]) -> None:
        """Tell the end of a request that was given the end of an earlier one for the same."""
        task_id, verdict, name, subject, cause, took, parked = given
        kind, value = (Kind.SUCCEEDED, None) if verdict == "ok" else (Kind(verdict), json.loads(cause))
        end = End.of_job(took, parked, (), name)
        tell(Act(kind, name, task_id, task_id, subject, detail=_GIVEN, value=value, end=end))
        if kind is Kind.SUCCEEDED:
            self._events.send("task-succeeded", task_id, result=_GIVEN, runtime=end.took)
        else:
            self._events.send("task-failed", task_id, exception=_GIVEN, runtime=end.took)

    def leave(self, run: Run) -> None:
        """Give a run back in the next ticks that is over, whatever Celery believes."""
        self._left.add((run.id, run.number))

    def lose(self, task_id: str) -> None:
        """Have a task run again whose child process died, as if this worker had died.

        Not at once: Celery has still to store that it is tried again, which must not overwrite how it ends.
        """
        patience = (self._max_idle_runs, self._give_up, self._chord_lease)
        self._ledger.call("lose", task_id, self._incarnation, *patience, _AFTER_A_LOSS)
        tell(Act(Kind.TAKEN_OVER, value=1))
        self.poke()

    def stop(self) -> None:
        """End the thread; what this worker still ran is due at once, or after the TTL if Redis is away."""
        self._stopping = True
        self.poke()
        self.join(timeout=self._ttl)
        self._ledger.attempt("farewell", self._incarnation, self._chord_lease)


def _each(act: Callable[[Any], object], items: Iterable[Any]) -> None:
    """Do something for each of many. One for which it cannot be done is logged, and keeps none behind it waiting."""
    for item in items:
        try:
            act(item)
        except Exception:
            logger.exception("The keeper thread cannot handle %r, and leaves it out.", item)


class LostRun:
    """A run whose child process died. Celery would send its message as a new generation, without its journal."""

    def __init__(self, keeper: Keeper, task_id: str) -> None:
        self._keeper = keeper
        self._id = task_id

    def apply_async(self) -> None:
        """Have the ledger run the task again."""
        self._keeper.lose(self._id)
