"""The Celery task class with the words that tasks are written in, such as `hold`, `wait` and `once`.

A word either returns at once or raises: the run ends, its slot is free, and the stored message is published again when
what the task waits for has happened. The task then runs from its top. So a task is straight-line code that looks
before it acts.
"""

from __future__ import annotations

import json
import logging
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Never, cast

from celery.exceptions import Ignore
from celery.signals import task_postrun

from phoenix_producer.client.channel import LOST_REQUEST
from phoenix_producer.client.record import generation_of
from phoenix_producer.client.trace_context import HEADER, parse
from phoenix_producer.contract import RESUME_QUEUE
from phoenix_worker.durable.acts import Kind
from phoenix_worker.durable.crash_points import reached
from phoenix_worker.durable.keeper import LostRun
from phoenix_worker.durable.messages import entry_of_unknown, identity, name_callbacks
from phoenix_worker.durable.patience import is_of_redis
from phoenix_worker.durable.publishing import PublishingTask
from phoenix_worker.durable.run import FORGOTTEN, Dropped, GivenUpError, Parked, Run, Stale, current_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from celery import Task

    from phoenix_producer.client.trace_context import TraceContext
    from phoenix_worker.durable.results import PatientBackend

logger = logging.getLogger(__name__)

CANCELLED = "cancelled"
"""The cause of a failure that its requester wanted."""


class DurableTask(PublishingTask):
    """A task that can park, and be run again from its top by any worker."""

    abstract = True
    default_retry_delay = 0
    transient: ClassVar[tuple[type[Exception], ...]] = ()
    """What is tried again with backoff."""
    trace_begun: Callable[[str], TraceContext | None] = staticmethod(lambda _: None)
    """Begins a trace with a job whose requester has none, where somebody traces."""
    remote = "remote-task"
    """What a watched event is the end of, in one word for those who look on."""

    # --- the words

    def hold(self, name: str, capacity: int = 1, *, departing: bool = False) -> None:
        """Own a lock, or one of `capacity` places, until this task or its replacement ends. First come, first.

        `departing`: once it is held, nobody may `share` this run any more.
        """
        verdict = self._say("hold", RESUME_QUEUE, name, capacity, "1" if departing else "")
        if verdict[0] == "parked":
            self._park(f"lock {name}", on="lock")
        if verdict[1]:
            self.tell_of(self.running, Kind.HOLDS, on=name, seconds=float(verdict[1]))

    def hold_shortest(self, lines: Mapping[str, int]) -> str:
        """Own one of several locks, as `hold` does: that with the shortest line, and the same one in every run.

        `lines` has the names of the locks, each with how many are counted to be in its line besides those that are.
        Returns the name of the lock.
        """
        pairs = [part for pair in lines.items() for part in pair]
        verdict, waited, name = self._say("hold_shortest", RESUME_QUEUE, *pairs)
        if verdict == "parked":
            self._park(f"lock {name}", on="lock")
        if waited:
            self.tell_of(self.running, Kind.HOLDS, on=name, seconds=float(waited))
        return str(name)

    def release(self, name: str) -> None:
        """Give a lock back before the end."""
        self._say("release", RESUME_QUEUE, name)

    def give_back(self, name: str) -> None:
        """Give back a lock that nothing was done with, before the run backs off: what it has read does not count."""
        self.running.unread()
        self.release(name)

    def wait(self, event: str, detail: str = "", *, watch: Mapping[str, str] | None = None) -> Any:
        """Return the value of an event, as soon as it is known. `watch` is what the watcher needs to find it out."""
        first_look = self.engine.watcher.first_look(watch) if watch else 0.0
        verdict = self._say("wait", event, detail, json.dumps(watch) if watch else "", first_look)
        if verdict[0] == "known":
            return json.loads(verdict[1])
        kind = self.remote if watch else "job" if event.startswith("job/") else "event"
        return self._park(detail or event, on=kind, upid=event.partition("upid/")[2])

    def share(self, what: str) -> Any | None:
        """Return the end of the run that an earlier request for the same leads, unless it has begun to look; else None.

        Who leads holds a lock, `departing`, before it looks. Who shares and has nothing of its own to do at the end is
        not run again: it is given the leader's answer, with its own id in place of the leader's.
        """
        detail = "an earlier, identical request"
        request = self.request
        more = request.callbacks or request.errbacks or request.chain or request.chord or request.ignore_result
        verdict = self._say("join", what, "" if more else "1", detail)
        if verdict[0] == "lead":
            return None
        return json.loads(verdict[1]) if verdict[0] == "known" else self._park(detail, on="job")

    def read(self, step: str, look: Callable[[], Any]) -> Any:
        """Return what a read gave that decides (any JSON), in every later run the same. Told with the next word."""
        run = self.running
        if step not in run.journal:
            run.journal[step] = run.reads[step] = json.dumps(look())
        return json.loads(run.journal[step])

    def once(
        self,
        step: str,
        act: Callable[[], Any],
        *,
        adopt: Callable[[float], Any] | None = None,
        upid: Callable[[Any], str | None] = lambda _: None,
    ) -> Any:
        """Do a side effect once; its result (any JSON) is journalled and returned by every later run.

        When an earlier run meant to do it and did not tell the end, `adopt(when)` looks for what was done (`when` in
        seconds since the epoch) and returns its result, or None to do it now. Without `adopt` it may be done again.
        For a while after Redis may have gone back it looks where no run is known to have meant to, too: `FORGOTTEN`.
        """
        run = self.running
        if step in run.journal:
            return json.loads(run.journal[step])
        value = None
        if adopt is not None:
            verdict = self._say("intend", step)
            reached("intent-recorded", step)
            if verdict[0] == "intended":
                value = adopt(float(verdict[1]))
            elif verdict[1] or self.engine.reconnects.lately():
                value = adopt(FORGOTTEN)
        if value is None:
            value = act()
        reached("effect-done", step)
        run.journal[step], ordered = json.dumps(value), upid(value) or ""
        self._say("journal", step, run.journal[step], ordered)
        run.come_forward(step)
        if ordered:
            self.tell_of(run, Kind.ORDERED, upid=ordered)
        reached("effect-journalled", step)
        return value

    def settle(self, what: str, choice: Any, *, reserving: Any = None, made: str = "0") -> Any | None:
        """Make a choice (any JSON) for this job once, and return the one that counts: an earlier run's, if it made one.

        What it is `reserving` is written in the same script, unless others have reserved since there were `made`
        reservations: then nothing is chosen, and None is returned.
        """
        reservation = "" if reserving is None else json.dumps(reserving)
        verdict = self._say("settle", what, json.dumps(choice), reservation, made)
        if verdict[0] == "behind":
            return None
        if verdict[2] == "new":
            self.running.come_forward()
        reached("choice-settled", what)
        return json.loads(verdict[1])

    def forget(self, step: str) -> None:
        """Take a step out of the journal, so that it is done again: what it began has failed. That is no progress."""
        self._say("forget", step)
        self.running.forget(step)

    def redo(self, what: str) -> bool:
        """Return, once a generation, whether this job did what is to be done now, and it was undone: no progress."""
        verdict = self._say("redo", what)
        if again := bool(verdict[0] == "again"):
            self.running.found_undone(float(verdict[1]), int(verdict[2]))
        return again

    def sleep(self, seconds: float) -> None:
        """Go on after this many seconds, without a slot. The n-th sleep of a run is the same one in every re-run."""
        self.running.sleeps += 1
        if self._say("sleep", self.running.sleeps, seconds)[0] == "parked":
            self.engine.keeper.poke()
            self._park(f"{seconds:g} s", on="its-time")

    def signature_from_request(self, request: Any = None, *_: Any, **__: Any) -> Any:
        """Return what Celery sends when a child process died with a run of this task: the ledger keeps its journal."""
        return LostRun(self.engine.keeper, str((request or self.request).id))

    # --- the run

    @property
    def running(self) -> Run:
        """The run that this thread is in."""
        run = current_run.get()
        if run is None:
            raise RuntimeError(f"{self.name} runs outside a worker; publish it instead of calling it")
        return run

    def before_start(self, task_id: str, args: Any, kwargs: Any) -> None:
        """Claim before run."""
        generation, unknown = generation_of(vars(self.request)), partial(entry_of_unknown, self, args, kwargs)
        is_it = identity(self, args, kwargs)
        claimed = self.engine.ledger.claim(task_id, generation, self.engine.incarnation, unknown, **is_it)
        if isinstance(claimed, str):
            raise Dropped(f"duplicate: {claimed}")
        claimed.trace = parse(self.request.get(HEADER)) or self.trace_begun(claimed.job)
        current_run.set(claimed)
        reached("claimed")
        name_callbacks(self.request)
        self.tell_of(claimed, Kind.BEGINS if claimed.is_first else Kind.RUNS_AGAIN)

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        """Run the task's function. A Redis that went away where nobody waited for it costs only this run."""
        try:
            return self._run_and_judge(*args, **kwargs)
        except Ignore as over:
            # Celery describes each frame that it came through, twice: a fifth of what a task that parks costs.
            raise over.with_traceback(None) from None
        except Exception as error:
            if not is_of_redis(error):
                raise
            self.engine.ledger.requeue(self.running)
            raise Parked(f"continues when Redis is back: {error}") from error

    def _run_and_judge(self, /, *args: Any, **kwargs: Any) -> Any:
        """Sort what the function raises into the two kinds of failure."""
        run = self.running
        if run.landed:
            return json.loads(run.landed)
        try:
            run.value = self._run_unless_given_up(*args, **kwargs)
        except Ignore:
            raise
        except GivenUpError as error:
            self._say("unwind")
            self.clean_up(*args)
            raise self.failure(error) from error
        except self.transient as error:
            self.back_off(error)
            raise self.failure(error) from error
        except Exception as error:
            if is_of_redis(error):
                raise
            raise self.failure(error) from error
        reached("before-finish")
        if run.detached and run.id == run.job:
            raise self.failure(GivenUpError(run.detached))
        return run.value

    def _run_unless_given_up(self, /, *args: Any, **kwargs: Any) -> Any:
        if self.running.fail:
            raise GivenUpError(self.running.fail)
        return self.run(*args, **kwargs)

    def clean_up(self, *args: Any) -> None:
        """Remove what this task has half done, before it ends given up. It may wait, and is then run from its top."""

    def failure(self, error: Exception) -> Exception:
        """Return what the requester gets for an error that ends the task."""
        return error

    def after_return(self, status: str, retval: Any, *_: Any) -> None:
        """End the task in the ledger: its result is stored."""
        run = current_run.get()
        if run is None or run.over:
            return
        kind, value, shared = Kind.SUCCEEDED, retval if status == "SUCCESS" else run.value, None
        if status != "SUCCESS" and (value is None or not run.detached):
            value = retval.args[0] if retval.args else str(retval)
            cancelled = isinstance(value, dict) and value.get("cause") == CANCELLED
            kind = Kind.CANCELLED if cancelled else Kind.FAILED
        elif run.id == run.job and ((told := self.for_others(value, run.number)) is not value or status != "SUCCESS"):
            shared = self.answer_for_others(run, told)
        end = self.engine.ledger.finish(run, "ok" if kind is Kind.SUCCEEDED else kind, value, shared=shared)
        if end is None:
            self._answer_forgotten(run)
        else:
            self.tell_of(run, kind, value=value, end=end)
            self.show_failed(run.job, end, retval)
            if end.shared:
                self.engine.keeper.poke()

    def _say(self, script: str, *args: str | float) -> list[Any]:
        run = self.running
        reads = json.dumps(run.reads) if run.reads else ""
        verdict = self.engine.ledger.call(script, run.id, run.number, reads, *args)
        if reads:
            run.come_forward(*run.reads)
        run.reads.clear()
        if verdict[0] == "stale":
            run.over = True
            self._answer_forgotten(run)
            raise Stale("another run of this task has replaced this one, or the task has ended")
        if verdict[0] == "condemned":
            raise GivenUpError(verdict[1])
        return verdict

    def _answer_forgotten(self, run: Run) -> None:
        """Tell the requester of a job that Redis has lost: nobody else does, since its steps and locks are gone too.

        A run whose job is there was replaced by another run of its task, which answers.
        """
        if self.engine.ledger.knows(run):
            return
        backend = cast("PatientBackend", self.backend)
        answer = run.answer if run.id == run.job else None
        if answer is None:
            lost = self.failure(GivenUpError(json.dumps(LOST_REQUEST)))
            answer = backend.answer(run.job, lost, "FAILURE")
        self.engine.ledger.answer(answer)
        logger.warning("Job %s is not in Redis any more: its requester is told so.", run.job)

    def _park(self, why: str, **on: str) -> Never:
        self.running.over = True
        reached("parked")
        self.tell_of(self.running, Kind.WAITS, f"waits for {why}", **on)
        raise Parked(f"waits for {why}")

    def back_off(self, error: Exception) -> None:
        """Park and be run again a while later; return when that went on for longer than the engine's patience.

        What this run has read since its last word is read again: the trouble may be what it read.

        Raises Parked.
        """
        run = self.running
        run.unread()
        if (seconds := run.pause(self.engine.patience)) is None:
            return
        self._say("retry", seconds, str(error))
        self.engine.keeper.poke()
        run.over = True
        self.tell_of(run, Kind.TRIES_LATER, f"tries again in {seconds:.1f} s: {error}")
        raise Parked(f"tries again in {seconds:.1f} s: {error}") from error


@task_postrun.connect(weak=False)
def _after_run(sender: Task[Any, Any], **_: Any) -> None:
    """Put back a run that ended without a verdict: its result could not be stored, say."""
    run = current_run.get()
    current_run.set(None)
    if run is not None and not run.over and isinstance(sender, DurableTask):
        sender.engine.put_back(run)
