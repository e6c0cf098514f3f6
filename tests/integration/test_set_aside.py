"""Loops that serve everybody: a record or an event that cannot be handled ends and delays nothing else."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import NoPermissionError
from redis.exceptions import TimeoutError as SilentError

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_producer.ledger.entries import JobState
from phoenix_producer.ledger.takers import QUEUES
from phoenix_producer.ledger.view import LedgerView
from phoenix_worker.durable.keeper import Keeper
from phoenix_worker.durable.ledger import ASIDE, Bell, Ledger
from phoenix_worker.durable.run import Answer
from phoenix_worker.durable.watcher import Look, Watcher

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from tests.support.driven_ledger import DrivenLedger
    from tests.support.still_ledger import StillLedger

WHY = {"message": "It was cancelled.", "cause": "cancelled", "remedy": ""}


def tick(client: Redis, later: float) -> list[str]:
    """The ids that a tick sends again this many seconds from now."""
    bells: list[Bell] = []
    seconds, microseconds = client.time()
    clock = f"{seconds + microseconds / 1e6 + later:.6f}"
    Ledger(client, bells.extend, clock=clock).call("tick", "w1", 3.0, RESUME_QUEUE, 5, "", 6.0)
    return [bell.id for bell in bells]


def view(client: Redis) -> LedgerView:
    def look(questions: Any) -> list[Any]:
        with client.pipeline(transaction=False) as pipe:
            questions(pipe)
            return pipe.execute()

    return LedgerView(look)


POISON: dict[str, Callable[[Redis, str], object]] = {
    "a queue that is no list": lambda client, one: client.hset(f"phoenix:t:{one}", "queue", "phoenix:jobs"),
    "somebody else's list": lambda client, one: client.hset(f"phoenix:t:{one}", "queue", "celery"),
    "no queue": lambda client, one: client.hdel(f"phoenix:t:{one}", "queue"),
    "no generation": lambda client, one: client.hdel(f"phoenix:t:{one}", "gen"),
    "another generation": lambda client, one: client.hset(f"phoenix:t:{one}", "gen", 7),
    "another task": lambda client, one: client.hset(f"phoenix:t:{one}", "name", "phoenix.plan"),
    "another id": lambda client, one: client.hset(
        f"phoenix:t:{one}", "headers", '{"task": "phoenix.ensure", "id": "x"}'
    ),
    "no hash": lambda client, one: (client.delete(f"phoenix:t:{one}"), client.set(f"phoenix:t:{one}", "x")),
}


@pytest.mark.parametrize("poison", POISON)
def test_a_record_that_cannot_be_handled_is_set_aside_and_the_others_are_served(
    poison: str, driven: DrivenLedger, redis_client: Redis
) -> None:
    bad, good = driven.asked(101), driven.asked(102)
    POISON[poison](redis_client, bad)
    redis_client.delete(QUEUE)
    assert tick(redis_client, 5.0) == [good]
    assert redis_client.zscore("phoenix:due", bad) is None
    assert redis_client.zrange("phoenix:aside", 0, -1) == [bad]
    assert redis_client.ttl("phoenix:aside") > 0
    assert driven.ledger.counts([]).set_aside == 1


def test_it_is_listed_and_ended_by_cancel(driven: DrivenLedger, redis_client: Redis) -> None:
    bad = driven.asked(101)
    redis_client.hset(f"phoenix:t:{bad}", "queue", "phoenix:jobs")
    tick(redis_client, 5.0)
    (job,) = view(redis_client).jobs(ended=False)
    assert (job.id, job.state) == (bad, JobState.SET_ASIDE)
    assert driven.ledger.cancel(bad, WHY) == (ASIDE, bad)
    assert not redis_client.exists("phoenix:aside", "phoenix:due")
    assert redis_client.hget(f"phoenix:job:{bad}", "state") == "cancelled"
    assert redis_client.ttl(f"phoenix:job:{bad}") > 0
    assert driven.ledger.cancel(bad, WHY) == ("over", bad)


def test_what_has_ended_or_is_gone_is_shown_as_set_aside_until_it_is_cancelled(
    driven: DrivenLedger, redis_client: Redis
) -> None:
    """Something of it was found that could not be handled, after it had ended, or its record was deleted."""
    over, gone = driven.taken(101), driven.asked(102)
    driven.ended(over)
    redis_client.delete(f"phoenix:t:{gone}", f"phoenix:job:{gone}")
    for one in (over.id, gone):
        driven.ledger.call("set_aside", one, "why")
    assert driven.ledger.cancel(over.id, WHY) == ("over", over.id)
    assert driven.ledger.cancel(gone, WHY) == ("unknown", "")
    assert not redis_client.exists("phoenix:aside")


def test_a_dead_worker_s_bad_run_hinders_none_of_its_others(driven: DrivenLedger, redis_client: Redis) -> None:
    bad, good = driven.taken(101), driven.taken(102)
    redis_client.hset(f"phoenix:t:{bad.id}", "idle", "x")
    redis_client.zadd("phoenix:workers", {"w1": 1.0})
    bells: list[Bell] = []
    Ledger(redis_client, bells.extend).call("tick", "w2", 3.0, RESUME_QUEUE, 5, "", 6.0)
    assert [bell.id for bell in bells] == [good.id]
    assert redis_client.zrange("phoenix:aside", 0, -1) == [bad.id]
    assert not redis_client.exists("phoenix:runs:w1")


def test_what_is_set_aside_is_given_no_lock(still: StillLedger) -> None:
    """Those behind it are not kept waiting until somebody cancels it."""
    owner, bad, good = (still.taken(name) for name in ("owner", "bad", "good"))
    assert [still.hold(run, "lane") for run in (owner, bad, good)] == ["held", "parked", "parked"]
    still.call("set_aside", "bad", "why")
    still.finish(owner, "ok", None)
    assert (still.rung, still.field("bad", "state"), still.field("bad", "holds")) == (["good"], "aside", None)


def keeper(ledger: Ledger, *revoked: str) -> tuple[Keeper, list[str]]:
    """A keeper that was told to revoke these, and the ids of which it sends events."""
    shown: list[str] = []
    events: Any = SimpleNamespace(send=lambda _, task_id, **__: shown.append(task_id))
    one = Keeper(
        ledger, "w1", ttl=3.0, max_idle_runs=5, give_up="{}", chord_lease=6.0,
        revoked=lambda: list(revoked), running=set, queues=lambda: QUEUES, went_back=lambda: None, events=events,
    )  # fmt: skip
    return one, shown


def test_what_is_revoked_and_cannot_be_cancelled_hinders_nothing_behind_it(
    driven: DrivenLedger, redis_client: Redis
) -> None:
    """Celery's command takes anything for an id. What was behind it was forgotten, and the job went on."""
    good = driven.asked(101)
    redis_client.set("phoenix:t:none", "x")
    keeper(driven.ledger, "\ud800", "none", good)[0]._tick()
    assert redis_client.hexists(f"phoenix:job:{good}", "cancel")
    redis_client.delete("phoenix:t:none")


SPOILED_ANSWERS = [{"verdict": "?"}, {"verdict": ""}, {"value": "{"}, {"value": "[" * 5000}, {"seconds": "x"}]


@pytest.mark.parametrize("spoiled", SPOILED_ANSWERS)
def test_an_answer_that_cannot_be_given_hinders_none_behind_it(
    spoiled: dict[Any, Any], driven: DrivenLedger, redis_client: Redis
) -> None:
    """Two requests share a run each; what the first is to be given was spoiled. The second is answered, and shown."""
    sharing = []
    for ctid in (101, 102):
        leader, follower = driven.taken(ctid), driven.taken(ctid)
        for run, verdict in ((leader, "lead"), (follower, "parked")):
            assert driven.say("join", run, "", f"ensure {ctid}", "1", "shared") == verdict
        leader.answer = Answer(f"celery-task-meta-{leader.id}", "{}", 60)
        driven.ledger.finish(leader, "failed", WHY)
        sharing.append((leader.id, follower.id))
    (leader_of_bad, bad), (_, good) = sharing
    redis_client.hset(f"phoenix:job:{leader_of_bad}:answer", mapping=spoiled)
    one, shown = keeper(driven.ledger)
    one._tick()
    assert good in shown
    assert redis_client.hget(f"phoenix:job:{good}", "state") == "failed"
    state = redis_client.hget(f"phoenix:job:{bad}", "state")
    assert state in {"failed", "open"}
    assert (state == "open") == (redis_client.zrange("phoenix:aside", 0, -1) == [bad])


def watched(driven: DrivenLedger) -> str:
    """A task that waits for a remote job."""
    run = driven.taken(101)
    assert driven.say("wait", run, "", "upid/x", "x", json.dumps({"class": "c"}), 0) == "parked"
    return run.id


def has_ended(watch: Any, elapsed: float) -> Look:  # noqa: ARG001 - a prober's
    return Look("OK")


def test_what_could_not_be_seen_is_looked_at_again_soon(driven: DrivenLedger, redis_client: Redis) -> None:
    """Of a job that takes hours, two looks that failed, an hour apart, were an hour of trouble."""
    watched(driven)
    redis_client.lpush("phoenix:learned:c", *["36000"] * 3)
    redis_client.hset("phoenix:watched", "upid/x", json.dumps({"class": "c", "since": str(time.time() - 20_000)}))
    pauses = list[float]()
    for troubled in (True, False):

        def look(watch: Any, elapsed: float, troubled: bool = troubled) -> Look:  # noqa: ARG001 - a prober's
            if troubled:
                raise OSError("away")
            return Look()

        one = Watcher(driven.ledger, "w1", look)
        one._look("upid/x")
        pauses.append((redis_client.zscore("phoenix:watch", "upid/x") or 0.0) - one._now())
    assert pauses[0] <= 10
    assert pauses[1] > 60


class Refusing(Ledger):
    """It may not say for so many times that something has ended, as with a login that an operator then puts right."""

    times = 0

    def resolve(self, event: str, value: Any) -> None:
        self.times -= 1
        if self.times >= 0:
            raise NoPermissionError("this user has no permissions to run the 'evalsha' command")
        super().resolve(event, value)


@pytest.mark.parametrize(("times", "state"), [(2, "queued"), (3, "aside")])
def test_only_what_redis_keeps_refusing_sets_aside_who_waits_for_a_remote_job(
    times: int, state: str, driven: DrivenLedger, redis_client: Redis
) -> None:
    waiting, ledger = watched(driven), Refusing(redis_client, lambda _: None)
    ledger.times = times
    one = Watcher(ledger, "w1", has_ended)
    for _ in range(3):
        assert redis_client.hget(f"phoenix:t:{waiting}", "state") == "parked"
        one._look("upid/x")
    assert redis_client.hget(f"phoenix:t:{waiting}", "state") == state


class Deaf(Ledger):
    """What is to be looked at later is written, and the answer is lost."""

    def attempt(self, script: str, *args: str | float) -> list[Any]:
        answer = super().attempt(script, *args)
        if script == "look_later" and args[1]:
            raise SilentError("no answer")
        return answer


def test_a_look_that_was_not_begun_since_an_answer_was_lost_is_made_soon(
    driven: DrivenLedger, redis_client: Redis
) -> None:
    watched(driven)
    one = Watcher(Deaf(redis_client, lambda _: None), "w1", has_ended)
    with ThreadPoolExecutor(1) as looks:
        assert one._my_turn()
        with pytest.raises(SilentError):
            one._dispatch(looks)
    assert (redis_client.zscore("phoenix:watch", "upid/x") or 0) > one._now() + 60, "for as long as a look may take"
    one._compared = float("-inf")
    assert one._my_turn()
    assert (redis_client.zscore("phoenix:watch", "upid/x") or 0) <= one._now()
