"""The ledger's scripts as calls. Keys and their meaning are in the package's docstring, the rules in the scripts."""

from __future__ import annotations

import json
import logging
import uuid
from hashlib import sha1
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple

from redis.exceptions import RedisError, ResponseError

from phoenix_producer.client.answers import answers
from phoenix_producer.client.lua_script import LuaScript
from phoenix_producer.client.record import LEDGER_LUA, PREFIX, number
from phoenix_producer.client.redis_words import words_of
from phoenix_producer.contract import RESUME_QUEUE
from phoenix_producer.ledger.takers import takers
from phoenix_worker.durable.patience import patience
from phoenix_worker.durable.run import NO_ANSWER, Answer, End, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from redis import Redis

logger = logging.getLogger(__name__)

_LUA = files(__package__).joinpath("lua")
_SOON = 1.0
_NOTE_SECONDS = 7 * 86400
EVENTS = f"{PREFIX}events"
"""The stream of what becomes of jobs."""
_REFUSED = {
    "later": "It is tried again.",
    "aside": "It is set aside until its job is cancelled.",
}
_LIBRARY = ("engine.lua", "ends.lua")
"""What every script begins with, in this order: each knows those before it."""


class Bell(NamedTuple):
    """A message that must be published now. If nobody does, `due` repeats it."""

    id: str
    queue: str
    body: str
    headers: str
    reply: str


MAX_IDLE_RUNS = 5
"""How many runs of a task may end without progress, one after the other, until it is given up."""

ASIDE = "aside"
"""The verdict on a job with a record that no script could handle: it has ended, and its requester is still to hear."""


class Counts(NamedTuple):
    """What waits just now, and who lives."""

    parked: dict[str, str]
    """Parked tasks by what they wait for."""
    workers: int
    """Workers whose heart beats."""
    takers: dict[str, int]
    """How many of them take from each queue."""
    set_aside: int
    """Records that no script can handle."""
    waiting: dict[str, int]
    """Tasks in the line of each lock that somebody has."""
    held: dict[str, float]
    """For how many seconds each of these has had its owner, or the latest of its owners."""
    queued: dict[str, int]
    """Messages in each queue."""


class Ledger:
    """All scripts on one Redis. `ring` publishes the messages that a script gave back.

    It may return what it cannot make a message of, by its id, with the reason: that is set aside.
    """

    def __init__(
        self,
        client: Redis,
        ring: Callable[[list[Bell]], Mapping[str, str] | None],
        *,
        prefix: str = PREFIX,
        clock: str = "",
    ) -> None:
        self.client = client
        self.prefix = prefix
        self.clock = clock
        self._ring = ring
        library = LEDGER_LUA + "".join(_LUA.joinpath(name).read_text(encoding="utf-8") for name in _LIBRARY)
        self._scripts = {
            file.name.removesuffix(".lua"): LuaScript(client, library + file.read_text(encoding="utf-8"))
            for file in _LUA.iterdir()
            if file.name not in _LIBRARY
        }

    def call(self, script: str, *args: str | float) -> list[Any]:
        """Run a script, for as long as it takes Redis to be there, and publish what it woke.

        Returns the script's answer, verdict first. A script whose answer was lost may run twice: all are written so
        that the second run changes nothing.
        """
        return patience.until_answered(lambda: self.attempt(script, *args))

    def attempt(self, script: str, *args: str | float) -> list[Any]:
        """Run a script now or not at all."""
        bells, *reply = self._scripts[script](self.prefix, self.clock, *args)
        unsendable = self._ring([Bell(*bell) for bell in bells]) if bells else None
        for task_id, why in (unsendable or {}).items():
            self.attempt("set_aside", task_id, why)
        return list(reply)

    def claim(
        self,
        task_id: str,
        generation: int,
        worker: str,
        foreign: Callable[[], str],
        *,
        name: str = "",
        body: str = "",
        headers: str = "{}",
    ) -> Run | str:
        """Claim a task before running it. Returns the run, or why the message is to be dropped.

        `name`, `body` and `headers` (JSON: those that decide) are what the message says; it is dropped when the ledger
        has another one under this id.
        `foreign` makes the entry of a message whose sender knows nothing of the ledger, or '' if there is none to make.
        Raises RedisError if Redis refuses that, and has no record: of one that it has, the ledger hears (`refuse`).
        """
        nonce = uuid.uuid4().hex
        is_it = (name, sha1(body.encode(), usedforsecurity=False).hexdigest(), headers)

        def ask(entry: str) -> list[Any]:
            return self.call("claim", task_id, generation, worker, nonce, entry, *is_it)

        try:
            reply = ask("")
            if reply[0] == "unknown":
                entry = foreign()
                if not entry:
                    return "not in the ledger any more"
                reply = ask(entry)
        except ResponseError as error:
            if self.refuse(task_id, nonce, error, claiming=True) == "unknown":
                raise
            return f"Redis refuses it: {words_of(str(error))}"
        if reply[0] != "run":
            return str(reply[1])
        _, run, seq, job, landed, fail, tries, since, begun, claimed_at, detached, created, now, journal, lost = reply
        return Run(
            id=task_id,
            number=str(run),
            seq=seq,
            job=job,
            landed=landed,
            fail=fail,
            tries=int(number(tries, 0.0)),
            since=number(since, 0.0) or None,
            begun=number(begun, float(now)),
            claimed_at=float(claimed_at),
            created=number(created, float(now)),
            claim_time=float(now),
            detached=detached,
            journal=dict(zip(journal[::2], journal[1::2], strict=True)),
            lost_journal=bool(lost),
        )

    def finish(self, run: Run, verdict: str, value: Any, *, shared: Answer | None = None) -> End | None:
        """End a task (`ok`, `failed` or `cancelled`) and store its answer: its locks pass on.

        Its last link, or a failure, ends the job; who shares its run is given the answer `shared`, by default its own.
        None if the run had been declared dead, or Redis has lost that it landed: then it is run again.
        """
        answer = run.answer or NO_ANSWER
        told = (answer.key, answer.text, answer.seconds, (shared or answer).text, "1" if run.landed_now else "")
        said, *end = self.call("finish", run.id, run.number, RESUME_QUEUE, verdict, json.dumps(value), *told)
        run.over = True
        if said == "unlanded":
            self.requeue(run)
        if said in {"stale", "unlanded"}:
            return None
        return End.of_job(*end) if end else End()

    def knows(self, run: Run) -> bool:
        """Return whether there still is a record of a run's task, or its job."""
        names = (self.key("t:", run.id), self.key("job:", run.job))
        return bool(patience.until_answered(lambda: self.client.exists(*names)))

    def is_anothers(self, task_id: str, job: str) -> bool:
        """Return whether an id is that of a task of another job, or of a record that cannot be read."""
        try:
            found = patience.until_answered(lambda: self.client.hget(self.key("t:", task_id), "job"))
        except ResponseError:
            return True
        return found not in (None, job)

    def answer(self, answer: Answer) -> None:
        """Store what a job ends with that has no record any more, unless it was answered before."""

        def store() -> None:
            if self.client.set(answer.key, answer.text, ex=answer.seconds or None, nx=True):
                self.client.publish(answer.key, answer.text)

        patience.until_answered(store)

    def refuse(self, task_id: str, nonce: str, error: RedisError, *, claiming: bool = False) -> str:
        """Have a task tried again, and at last set aside, of which Redis refuses a claim, or the end.

        `nonce` is that of the claim. Celery would answer such a message, or lose the run, without the ledger.
        Returns `unknown` if there is no record, `later`, `aside` or `stale`. Raises RedisError.
        """
        why = words_of(str(error))
        verdict = str(self.call("refused", task_id, nonce, "1" if claiming else "", why, MAX_IDLE_RUNS)[0])
        if verdict in _REFUSED:
            logger.warning("Redis refuses what task %s needs (%s). %s", task_id, why, _REFUSED[verdict])
        return verdict

    def requeue(self, run: Run, *blame: str | float) -> None:
        """End a run without a verdict; the task is run again. `blame`: after how many such runs not, and why."""
        self.call("requeue", run.id, run.number, _SOON, *blame)
        run.over = True

    def cancel(self, task_id: str, why: dict[str, str]) -> tuple[str, str]:
        """Stop the job of a task: `unknown`, `over`, `detached`, `cancelled` or `ASIDE`; and the job's id."""
        verdict, *job = self.call("cancel", RESUME_QUEUE, task_id, json.dumps(why))
        return str(verdict), str(job[0]) if job else ""

    def resolve(self, event: str, value: Any) -> None:
        """Say that an event happened; those who wait for it are woken."""
        self.call("resolve", RESUME_QUEUE, event, json.dumps(value))

    def note(self, name: str, value: Any) -> None:
        """Keep a fact (any JSON) for jobs to come, for as long as results are kept."""
        text = json.dumps(value)
        patience.until_answered(lambda: self.client.set(self.key("note:", name), text, ex=_NOTE_SECONDS))

    def noted(self, name: str) -> Any:
        """Return a fact that an earlier job has kept; None if there is none that can be read."""
        (text,) = patience.until_answered(lambda: self._notes([name])[1:])
        return _fact(text)

    def forget_note(self, name: str) -> None:
        """Keep a fact no longer."""
        patience.until_answered(lambda: self.client.delete(self.key("note:", name)))

    def note_made(self, subjects: Iterable[int], job: str, at: float) -> None:
        """Keep for a week which job has made these, and when: seconds since the epoch, by the clock of Redis."""
        for subject in subjects:
            self.note(f"made/{subject}", {"job": job, "at": at})

    def made_since(self, job: str, subjects: Sequence[int]) -> dict[int, str]:
        """Return which of these were made since a job was requested, each with the job that made it."""
        names = [f"made/{subject}" for subject in subjects]
        created, *notes = patience.until_answered(lambda: self._notes(names, job))
        since, found = number(created, 0.0), zip(subjects, map(_fact, notes), strict=True)
        return {subject: str(note.get("job")) for subject, note in found if note and _time_in(note) >= since}

    def _notes(self, names: Sequence[str], job: str = "") -> list[Any]:
        """Read the time at which a job was requested, then notes. What others wrote in their places is none."""
        with self.client.pipeline(transaction=False) as pipe:
            pipe.hget(self.key("job:", job), "created")
            for name in names:
                pipe.get(self.key("note:", name))
            return answers(pipe)

    def steps(self, job: str) -> list[dict[str, Any]]:
        """Return what the links of a job did so far, in their order."""
        return [json.loads(entry) for entry in self.client.lrange(self.key("job:", job, ":steps"), 0, -1)]

    def note_looked(self, run: Run, looked: int, total: int) -> str | None:
        """Note how far a run is that looks at much, for whoever waits for it. Raises RedisError.

        Returns why nobody waits any more, in JSON; None as long as somebody may.
        """
        verdict, *why = self.attempt("looked", run.id, run.number, f"{looked}/{total}")
        return str(why[0]) if verdict == "condemned" else None

    def subject(self, job: str) -> str:
        """Return the first argument of the request that a job began with; '' if it had none."""
        return str(self.client.hget(self.key("job:", job), "subject") or "")

    def open_jobs(self, name: str, subject: str) -> list[str]:
        """Return the jobs that have not ended of requests with this task's name and first argument."""
        jobs = [str(job) for job in self.client.zrange(self.key("open"), 0, -1)]
        with self.client.pipeline(transaction=False) as pipe:
            for job in jobs:
                pipe.hmget(self.key("job:", job), "name", "subject")
            found = answers(pipe)
        return [job for job, told in zip(jobs, found, strict=True) if told == [name, subject]]

    def waiters(self, lock: str) -> int:
        """Count the tasks that wait for a lock."""
        return int(self.client.zcount(self.key("lock:", lock), "(0", "+inf"))

    def locks_of(self, job: str) -> set[str]:
        """Name the locks that the unfinished tasks of a job own."""
        members = self.client.smembers(self.key("job:", job, ":members"))
        held = [self.client.hget(self.key("t:", str(one)), "holds") for one in members]
        return {name for names in held for name in str(names or "").split()}

    def counts(self, queues: Sequence[str]) -> Counts:
        """Count, in one round trip, what waits and who lives. `queues` are the names of lists of messages."""
        locks = sorted(map(str, self.client.hkeys(self.key("capacities"))))
        with self.client.pipeline(transaction=False) as pipe:
            pipe.time()
            pipe.hgetall(self.key("held"))
            pipe.hgetall(self.key("parked"))
            pipe.zrange(self.key("workers"), 0, -1)
            pipe.hgetall(self.key("queues"))
            pipe.zcard(self.key("aside"))
            for lock in locks:
                pipe.zcount(self.key("lock:", lock), "(0", "+inf")
            for queue in queues:
                pipe.llen(queue)
            (seconds, _), granted, parked, workers, told, aside, *lengths = pipe.execute()
        lines, waiting = lengths[: len(locks)], lengths[len(locks) :]
        held = {lock: max(0.0, seconds - number(granted[lock], seconds)) for lock in locks if lock in granted}
        lined_up, queued = dict(zip(locks, lines, strict=True)), dict(zip(queues, waiting, strict=True))
        return Counts(parked, len(workers), takers(workers, told), aside, lined_up, held, queued)

    def key(self, *parts: str) -> str:
        """Return a key of the ledger."""
        return self.prefix + "".join(parts)


def _fact(text: Any) -> dict[str, Any] | None:
    try:
        fact = json.loads(text)
    except (TypeError, ValueError, RecursionError):
        return None
    return fact if isinstance(fact, dict) else None


def _time_in(note: Mapping[str, Any]) -> float:
    return number(str(note.get("at")), 0.0)
