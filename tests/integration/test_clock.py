"""The clock of Redis is set while workers live: nobody is taken for dead, and nothing comes an hour late."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_producer.ledger.takers import QUEUES
from phoenix_worker.durable.keeper import Keeper
from phoenix_worker.durable.ledger import Bell, Ledger
from phoenix_worker.durable.run import Run
from phoenix_worker.durable.watcher import Look, Watcher

if TYPE_CHECKING:
    from collections.abc import Mapping

    from redis import Redis

    from tests.support.driven_ledger import DrivenLedger

TTL, HOUR = 5.0, 3600.0
LONGEST_PAUSE, LEASE = 2.0, 900.0


class SetClock(Ledger):
    """A ledger on a Redis whose clock is set by so many seconds."""

    ahead = 0.0
    rung: list[Bell]

    @property
    def clock(self) -> str:
        return f"{time.time() + self.ahead:.6f}"

    @clock.setter
    def clock(self, _: str) -> None:
        """As Ledger makes it."""


@pytest.fixture
def ledger(redis_client: Redis) -> SetClock:
    rung: list[Bell] = []
    made = SetClock(redis_client, rung.extend)
    made.rung = rung
    return made


class NoEvents:
    def send(self, *_: object, **__: object) -> None:
        """Nobody looks on."""


def keeper(ledger: Ledger, name: str, running: set[str]) -> Keeper:
    return Keeper(
        ledger, name, ttl=TTL, max_idle_runs=5, give_up="{}", chord_lease=6.0,
        revoked=list, running=lambda: running, queues=lambda: QUEUES, went_back=lambda: None,
        events=NoEvents(),  # type: ignore[arg-type]  # nobody looks on
    )  # fmt: skip


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_who_lives_keeps_what_it_runs(driven: DrivenLedger, ledger: SetClock, redis_client: Redis, step: float) -> None:
    run = driven.taken(101)
    workers = [keeper(ledger, name, {run.id}) for name in ("w1", "w2")]
    for one in workers * 2:
        one._tick()
    ledger.ahead = step
    for one in reversed(workers * 2):
        one._tick()
    assert redis_client.hmget(f"phoenix:t:{run.id}", "state", "by") == ["running", "w1"]
    beats = [redis_client.zscore("phoenix:workers", name) or 0.0 for name in ("w1", "w2")]
    assert [abs(at - time.time() - step) < TTL for at in beats] == [True, True]
    assert float(redis_client.get("phoenix:set") or 0) == pytest.approx(step, abs=TTL)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_what_is_due_is_due_as_long_from_now_as_before(
    driven: DrivenLedger, ledger: SetClock, redis_client: Redis, step: float
) -> None:
    run = driven.taken(101)
    one = keeper(ledger, "w1", {run.id})
    one._tick()
    driven.say("retry", run, "", 30, "busy")
    driven.say("wait", driven.taken(102), "", "upid/x", "x", json.dumps({"class": "c"}), 40)
    began = {name: float(redis_client.hget(f"phoenix:t:{run.id}", name) or 0) for name in ("since", "begun", "parked")}
    redis_client.hset(f"phoenix:job:{run.job}", "undone:source of 101", began["since"])
    ledger.ahead = step
    one._tick()
    due = float(redis_client.zscore("phoenix:due", run.id) or 0)
    assert due - float(ledger.clock) == pytest.approx(30, abs=TTL)
    look = float(redis_client.zscore("phoenix:watch", "upid/x") or 0)
    assert look - float(ledger.clock) == pytest.approx(40, abs=TTL)
    since = float(json.loads(redis_client.hget("phoenix:watched", "upid/x") or "{}")["since"])
    assert since == pytest.approx(float(ledger.clock), abs=TTL)
    moved = {name: float(redis_client.hget(f"phoenix:t:{run.id}", name) or 0) - at for name, at in began.items()}
    assert moved == {name: pytest.approx(step, abs=TTL) for name in began}
    undone = float(redis_client.hget(f"phoenix:job:{run.job}", "undone:source of 101") or 0)
    assert undone - began["since"] == pytest.approx(step, abs=TTL)
    assert float(redis_client.hget(f"phoenix:job:{run.job}", "created") or 0) == pytest.approx(
        time.time() + step, abs=TTL
    )


class SetWatcher(Watcher):
    """By the clock of its ledger."""

    def _now(self) -> float:
        return float(self._ledger.clock)


@pytest.mark.parametrize("when", ["before", "meanwhile"])
@pytest.mark.parametrize("learned", [[], ["0.4"]])
@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_what_is_looked_at_is_as_old_as_it_was_and_is_looked_at_soon(
    driven: DrivenLedger, ledger: SetClock, redis_client: Redis, step: float, learned: list[str], when: str
) -> None:
    """The clock is set a moment before the look, which no tick has seen yet, or during it."""
    one, ages = keeper(ledger, "w1", set()), list[float]()
    one._tick()
    driven.say("wait", driven.taken(101), "", "upid/x", "x", json.dumps({"class": "c"}), 0)
    for length in learned:
        redis_client.lpush("phoenix:learned:c", length)

    def probe(watch: Mapping[str, str], elapsed: float) -> Look:  # noqa: ARG001 - a prober's
        ages.append(elapsed)
        ledger.ahead = step
        one._tick()
        return Look()

    if when == "before":
        ledger.ahead = step
    SetWatcher(ledger, "w1", probe, expected=one.expected)._look_now("upid/x")
    assert ages == [pytest.approx(0, abs=TTL)]
    due = redis_client.zscore("phoenix:watch", "upid/x") or 0.0
    assert due - float(ledger.clock) <= LONGEST_PAUSE


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_nobody_loses_patience_by_a_clock_that_no_tick_has_seen_to_be_set(
    driven: DrivenLedger, ledger: SetClock, step: float
) -> None:
    run = driven.taken(101)
    one = keeper(ledger, "w1", set())
    driven.say("retry", run, "", 1, "busy")
    ledger.ahead = 1.5
    one._tick()
    ledger.ahead += step
    again = ledger.claim(run.id, 0, "w1", lambda: "")
    assert isinstance(again, Run)
    assert again.claimed_at - (again.since or 0.0) < 2 * TTL


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_nobody_gains_or_loses_patience_by_a_turn_that_comes_before_a_tick_has_seen_the_clock_set(
    driven: DrivenLedger, ledger: SetClock, step: float
) -> None:
    """A job that was to fail after half a minute was tried again for hours."""
    owner, clone = driven.taken(900), driven.taken(101)
    one = keeper(ledger, "w1", {owner.id, clone.id})
    assert driven.hold(owner, "ct/900") == "held"
    assert driven.say("retry", clone, "", 0.0, "its node is silent") == "parked"
    one._tick()
    again = driven.claim(clone.id)
    assert driven.hold(again, "ct/900") == "parked"
    one._tick()
    ledger.ahead = step
    assert ledger.call("release", owner.id, owner.number, "", RESUME_QUEUE, "ct/900")[0] == "released"
    one._tick()
    last = ledger.claim(clone.id, 0, "w1", lambda: "")
    assert isinstance(last, Run)
    assert last.claimed_at - (last.since or 0.0) == pytest.approx(0, abs=2 * TTL)


def test_trouble_that_begins_in_the_future_begins_now(driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(101)
    redis_client.hset(f"phoenix:t:{run.id}", "since", time.time() + HOUR)
    assert driven.say("retry", run, "", 0.0, "busy") == "parked"
    assert float(redis_client.hget(f"phoenix:t:{run.id}", "since") or HOUR) <= time.time()


def test_no_look_is_put_off_for_longer_than_any_takes(ledger: SetClock, redis_client: Redis) -> None:
    looks = {"upid/x": HOUR, "upid/y": LEASE}
    redis_client.zadd("phoenix:watch", {event: float(ledger.clock) + later for event, later in looks.items()})
    keeper(ledger, "w1", set())._tick()
    due = {event: (redis_client.zscore("phoenix:watch", event) or 0.0) - float(ledger.clock) for event in looks}
    assert due == {"upid/x": pytest.approx(0, abs=TTL), "upid/y": pytest.approx(LEASE, abs=TTL)}


@pytest.mark.parametrize("step", [HOUR, -HOUR, 60.0, -60.0])
def test_what_was_asked_since_the_clock_was_set_is_not_moved(
    driven: DrivenLedger, ledger: SetClock, redis_client: Redis, step: float
) -> None:
    """Between the step and the tick that notices it: its times are those of the new clock."""
    one = keeper(ledger, "w1", set())
    one._tick()
    ledger.ahead = step
    run = driven.taken(101)
    ledger.call("retry", run.id, run.number, "", 10, "busy")
    redis_client.hset(f"phoenix:job:{run.job}", "created", ledger.clock)
    one._tick()
    assert float(redis_client.get("phoenix:set") or 0) == pytest.approx(step, abs=TTL)
    due = float(redis_client.zscore("phoenix:due", run.id) or 0)
    assert due - float(ledger.clock) == pytest.approx(10, abs=TTL)
    since = float(redis_client.hget(f"phoenix:t:{run.id}", "since") or 0)
    created = float(redis_client.hget(f"phoenix:job:{run.job}", "created") or 0)
    assert [at - float(ledger.clock) for at in (since, created)] == [pytest.approx(0, abs=TTL)] * 2


def test_a_clock_set_back_while_nobody_lived_delays_nothing(
    driven: DrivenLedger, ledger: SetClock, redis_client: Redis
) -> None:
    """All workers die, the machine comes back an hour earlier, and a new worker knows no other time."""
    ledger.ahead = HOUR
    orphan, sleeper = driven.taken(101), driven.taken(102)
    dead = keeper(ledger, "w1", {orphan.id, sleeper.id})
    dead._tick()
    ledger.call("retry", sleeper.id, sleeper.number, "", 30, "busy")
    ledger.ahead = 0.0
    new = keeper(ledger, "w2", set())
    new._tick()
    due = float(redis_client.zscore("phoenix:due", sleeper.id) or 0)
    assert due - float(ledger.clock) == pytest.approx(30, abs=TTL)
    beaten = float(redis_client.zscore("phoenix:workers", "w1") or 0)
    assert beaten <= float(ledger.clock), "from now on it is missed"
    assert redis_client.hget(f"phoenix:t:{orphan.id}", "state") == "running"


def test_a_message_that_got_lost_is_sent_again_within_seconds(
    driven: DrivenLedger, ledger: SetClock, redis_client: Redis
) -> None:
    one = keeper(ledger, "w1", set())
    one._tick()
    asked = driven.asked(101)
    redis_client.delete(QUEUE)
    ledger.ahead = -HOUR
    assert one._tick() < TTL
    ledger.ahead += 3.0
    ledger.call("tick", "w9", TTL, RESUME_QUEUE, 5, "", 6.0, "")
    assert [bell.id for bell in ledger.rung] == [asked]


def test_a_request_by_a_clock_that_was_set_back_before_any_tick_is_not_late(
    driven: DrivenLedger, ledger: SetClock, redis_client: Redis
) -> None:
    """No tick saw that clock, so none can tell by how much it was set; its message got lost."""
    one = keeper(ledger, "w1", set())
    one._tick()
    asked = driven.asked(101)
    redis_client.delete(QUEUE)
    redis_client.zincrby("phoenix:due", HOUR, asked)
    assert one._tick() < TTL
    assert [bell.id for bell in ledger.rung] == [asked]
    assert float(redis_client.get("phoenix:set") or 0) == 0


def test_a_worker_that_stood_still_sets_nobody_s_clock(
    driven: DrivenLedger, ledger: SetClock, redis_client: Redis
) -> None:
    """Its own clock stood still with its machine. It was taken for dead meanwhile, which tells it so."""
    run = driven.taken(101)
    asleep, awake = keeper(ledger, "w1", {run.id}), keeper(ledger, "w2", set())
    for one in (asleep, awake):
        one._tick()
    redis_client.zadd("phoenix:workers", {"w1": time.time() - 2 * TTL})
    awake._tick()
    assert redis_client.zscore("phoenix:workers", "w1") is None
    ledger.ahead = 60.0
    redis_client.zadd("phoenix:workers", {"w2": time.time() + 60})
    asleep._tick()
    assert redis_client.get("phoenix:set") is None


def test_a_worker_in_its_first_tick_takes_nobody_for_dead(
    driven: DrivenLedger, ledger: SetClock, redis_client: Redis
) -> None:
    run = driven.taken(101)
    redis_client.zadd("phoenix:workers", {"w1": time.time() - 2 * TTL})
    new = keeper(ledger, "w2", set())
    new._tick()
    assert redis_client.hget(f"phoenix:t:{run.id}", "state") == "running"
    new._tick()
    assert redis_client.hget(f"phoenix:t:{run.id}", "state") != "running"


def test_what_a_worker_does_not_run_is_given_back_after_two_ticks(
    driven: DrivenLedger, ledger: SetClock, redis_client: Redis
) -> None:
    lost, own = driven.taken(101), driven.taken(102)
    one = keeper(ledger, "w1", {own.id})
    one._tick()
    assert redis_client.hget(f"phoenix:t:{lost.id}", "state") == "running", "its claim may just now be answered"
    one._tick()
    assert redis_client.hget(f"phoenix:t:{lost.id}", "state") == "parked"
    assert redis_client.smembers("phoenix:runs:w1") == {own.id}
    one._tick()
    assert [bell.id for bell in ledger.rung] == [lost.id]
    assert redis_client.hget(f"phoenix:t:{own.id}", "state") == "running"
