"""One worker at a time looks at the remote jobs that tasks wait for, and resolves their events.

The turn is a key with a TTL: whoever looks renews it, and when its worker dies another takes it, with the looks that
were begun and not ended. Looks are made by a few threads, so that one slow node does not delay the others; a look has
the prober's own timeout.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, cast

from redis import RedisError

from phoenix_worker.durable import polling
from phoenix_worker.durable.learned import Learned
from phoenix_worker.durable.patience import patience

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from redis import Redis

    from phoenix_worker.durable.ledger import Ledger

logger = logging.getLogger(__name__)

TURN_TTL_MS = 1500
_IDLE_PAUSE = 0.5
_LOOKS_AT_ONCE = 4
_LEASE = 900
"""Seconds after which a look that was begun and not ended is made again, whatever became of it: longer than any."""
_CLOCK_SET = 5.0
"""From so many seconds on, a difference means that the clock was set."""
_AFTER_TROUBLE = 10.0
"""Seconds to the next look after one that failed, at most: two moments of trouble far apart are no long trouble."""
_REFUSALS = 3
"""Looks in a row that Redis may refuse before those who wait are set aside: an operator's slip is over by then."""
UNSEEN = "unseen"
"""What a prober is told besides what to watch: '' unless the last look, whoever made it, saw nothing."""
_COMPARE_SECONDS = 5.0
"""How often the looks under way are compared with those of the ledger, which may have lost its last writes."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen of a job that says something while it runs."""

    end: Any | None = None
    """As JSON; None while it runs."""
    watch: Mapping[str, str] | None = None
    """What to watch it with from now on, so that it is not heard twice."""
    said: str = ""
    pause: float = 0.0
    """Seconds until the next look, at least: a look is dear."""


class UnusableWatchError(LookupError):
    """What is recorded of a remote job lacks what is needed to look at it."""


class _Watch(dict[str, str]):
    """What to look at. Others may have written it, and a strange answer raises KeyError too: this tells them apart."""

    def __missing__(self, name: str) -> str:
        raise UnusableWatchError(name)


class Prober(Protocol):
    """What the engine does not know: how to see whether a remote job has ended."""

    def __call__(self, watch: Mapping[str, str], elapsed: float) -> Look:
        """Look once. Raises when it cannot be seen just now, and UnusableWatchError when it never can.

        `elapsed` is the seconds for which the job has been watched.
        """


class _StoppedError(Exception):
    """The worker ends; whoever takes the turn looks."""


class Watcher(threading.Thread):
    """Looks at what is in `watch`, when it is due."""

    def __init__(
        self, ledger: Ledger, incarnation: str, prober: Prober, *, expected: Callable[[], float] = lambda: float("inf")
    ) -> None:
        """`expected` is the time by the clock of Redis, had it not been set since the last tick."""
        super().__init__(name="phoenix-watcher", daemon=True)
        self._expected = expected
        self._ledger = ledger
        self._incarnation = incarnation
        self._prober = prober
        self._learned = Learned(ledger)
        self._looking: set[str] = set()
        self._compared = 0.0
        self._looks: dict[str, int] = {}
        self._last_look: dict[str, float] = {}
        """For how long a job had been watched when it was last seen running."""
        self._in_a_row: dict[str, int] = {}
        self._refused: dict[str, int] = {}
        """In how many looks in a row Redis refused what was asked of it."""
        self._unmeasured: set[str] = set()
        """Jobs whose end was seen late for other reasons than the pace: nothing is to be learned from them."""
        self._stopping = False

    @property
    def _redis(self) -> Redis:
        return self._ledger.client

    def first_look(self, watch: Mapping[str, str]) -> float:
        """Seconds until the first look at such a job, from what such jobs took before."""
        lengths = self._learned.lengths(watch)
        early = polling.early_look(lengths, 0.0)
        return polling.first_look(lengths) if early is None else early

    def run(self) -> None:
        """Look, sleep until the next look is due or a new job is told of, and again; Redis may go and come."""
        while not self._stopping:
            try:
                self._look_while_redis_is_there()
            except RedisError as error:
                logger.debug("The watcher waits for Redis: %s", error)
                time.sleep(_IDLE_PAUSE)
            except Exception:
                logger.exception("The watcher thread failed and tries again.")
                time.sleep(_IDLE_PAUSE)

    def stop(self) -> None:
        """End the thread and give up the turn."""
        self._stopping = True
        self.join(timeout=2 * _IDLE_PAUSE)
        if self._redis.get(self._turn) == self._incarnation:
            self._redis.delete(self._turn)

    def _look_while_redis_is_there(self) -> None:
        with (
            self._redis.pubsub(ignore_subscribe_messages=True) as news,  # type: ignore[no-untyped-call]  # redis-py's own
            ThreadPoolExecutor(_LOOKS_AT_ONCE, thread_name_prefix="phoenix-look") as looks,
        ):
            news.subscribe(self._ledger.key("watch"))
            while not self._stopping:
                pause = self._dispatch(looks) if self._my_turn() else _IDLE_PAUSE
                if pause > 0:
                    news.get_message(timeout=pause)

    @property
    def _turn(self) -> str:
        return self._ledger.key("watch:turn")

    def _my_turn(self) -> bool:
        if self._redis.set(self._turn, self._incarnation, nx=True, px=TURN_TTL_MS):
            self._take_over()
            return True
        if self._redis.get(self._turn) != self._incarnation:
            return False
        self._redis.pexpire(self._turn, TURN_TTL_MS)
        if time.monotonic() - self._compared > _COMPARE_SECONDS:
            self._compared = time.monotonic()
            self._look_again_at(set(cast("list[str]", self._redis.hkeys(self._under_way))) - self._looking)
        return True

    def _take_over(self) -> None:
        """Make the looks again that whoever had the turn before did not end."""
        self._look_again_at(set(cast("list[str]", self._redis.hkeys(self._under_way))))

    def _look_again_at(self, events: set[str]) -> None:
        for event in events:
            self._ledger.attempt("look_later", event, 0)
            self._unmeasured.add(event)
            self._redis.hdel(self._under_way, event)

    @property
    def _unseen(self) -> str:
        return self._ledger.key("watch:unseen")

    @property
    def _under_way(self) -> str:
        return self._ledger.key("watch:looks")

    def _dispatch(self, looks: ThreadPoolExecutor) -> float:
        """Begin the looks that are due; returns seconds until the next one, at most the idle pause."""
        jobs = self._ledger.key("watch")
        now = self._now()
        next_jobs: list[tuple[str, float]] = list(
            cast("Any", self._redis.zrange(jobs, 0, _LOOKS_AT_ONCE, withscores=True))
        )
        for event, due in next_jobs:
            if due > now:
                return min(due - now, _IDLE_PAUSE)
            if now - due > _IDLE_PAUSE:
                self._unmeasured.add(event)
            self._redis.hset(self._under_way, event, self._incarnation)
            self._redis.expire(self._under_way, _LEASE)
            self._ledger.attempt("look_later", event, _LEASE)
            # Not before: where the answer to one of these is lost, the next comparison sees that nobody looks.
            self._looking.add(event)
            looks.submit(self._look, event)
        return 0.0 if next_jobs else _IDLE_PAUSE

    def _look(self, event: str) -> None:
        """Look; if Redis goes away meanwhile, look again when it is back.

        What cannot be looked at at all is set aside with those who wait for it, and delays nothing else.
        """
        try:
            with suppress(_StoppedError):
                patience.until_answered(lambda: self._look_now(event), meanwhile=self._go_on)
            self._refused.pop(event, None)
        except Exception as error:
            if isinstance(error, RedisError) and self._is_to_be_asked_again(event):
                logger.warning("Redis refused what a look at %s needs: %s. Looking again.", event, error)
                return  # it stays under way, for the next comparison
            logger.exception(
                "Unable to watch %s: the tasks that wait for it are set aside (`phoenix-lxc jobs`).", event
            )
            why = repr(error)
            patience.until_answered(lambda: self._ledger.attempt("unwatch", event, why), meanwhile=self._go_on)
        finally:
            self._looking.discard(event)

    def _is_to_be_asked_again(self, event: str) -> bool:
        """Count a refusal; return whether it is too early to tell that it will be refused for good."""
        refused = self._refused.pop(event, 0) + 1
        if refused < _REFUSALS:
            self._refused[event] = refused
        return refused < _REFUSALS

    def _go_on(self) -> None:
        if self._stopping:
            raise _StoppedError

    def _look_now(self, event: str) -> None:
        told, unseen = self._told(event)
        if told is None:
            self._redis.hdel(self._under_way, event)
            return
        watch = json.loads(told)
        lengths = self._learned.lengths(watch)
        began, elapsed = time.monotonic(), self._elapsed(event, float(watch["since"]))
        seen, longest = self._probe(event, watch, elapsed, unseen=unseen)
        end = seen.end
        if seen.watch is not None:
            new = {name: value for name, value in seen.watch.items() if name != UNSEEN}
            self._ledger.call("report", event, watch["task"], json.dumps(new), seen.said)
        early = polling.is_early(lengths, elapsed)
        if end is None:
            if not early:
                self._looks[event] = self._looks.get(event, 0) + 1
            pause = min(self._pause(lengths, elapsed + time.monotonic() - began), longest)
            self._ledger.attempt("look_later", event, max(seen.pause, pause))
            self._redis.hdel(self._under_way, event)
            self._redis.publish(self._ledger.key("watch"), event)
            return
        self._ledger.resolve(event, end)
        self._redis.hdel(self._under_way, event)
        # Early looks count for what had ended by the second of them: it ended between two.
        looks = self._looks.pop(event, 0) + (2 if early and event in self._last_look else 1)
        pause = elapsed - self._last_look.pop(event, 0.0)
        if event in self._unmeasured or "class" not in watch:
            self._unmeasured.discard(event)
            return
        before = self._in_a_row.get(watch["class"], 0)
        self._in_a_row[watch["class"]] = before + 1 if looks == 1 else 0
        self._learned.add(watch, polling.length(elapsed, looks=looks, pause=pause, in_a_row=before))

    def _told(self, event: str) -> tuple[str | None, bool]:
        """Read what to look at, and whether the last look, whoever made it, saw nothing."""
        with self._redis.pipeline(transaction=False) as pipe:
            pipe.hget(self._ledger.key("watched"), event)
            pipe.hexists(self._unseen, event)
            told, unseen = pipe.execute()
        return told, bool(unseen)

    def _probe(self, event: str, watch: dict[str, str], elapsed: float, *, unseen: bool) -> tuple[Look, float]:
        """Look by the prober; returns what was seen, and the longest pause until the next look."""
        try:
            seen = self._prober(_Watch(watch | {UNSEEN: "1" if unseen else ""}), elapsed)
        except UnusableWatchError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever it was, the job is still to be seen
            logger.info("Unable to look at %s just now: %s", event, error)
            self._unmeasured.add(event)
            self._redis.hset(self._unseen, event, self._incarnation)
            self._redis.expire(self._unseen, _LEASE)
            return Look(), _AFTER_TROUBLE
        if unseen:
            self._redis.hdel(self._unseen, event)
        if seen.end is None:
            # Its end is still to come, however late this look or one before was.
            self._unmeasured.discard(event)
            self._last_look[event] = elapsed
        return seen, float("inf")

    def _elapsed(self, event: str, since: float) -> float:
        """Return the seconds since then.

        When the clock was set a moment ago, nobody knows whether that goes by the old one or already by the new one.
        By the one that is behind, a job may seem younger than it is for that moment, and never too old to end well.
        """
        now, expected = self._now(), self._expected()
        if now - expected > _CLOCK_SET or expected - now > _CLOCK_SET:
            self._unmeasured.add(event)
        return max(0.0, min(now, expected) - since)

    @staticmethod
    def _pause(lengths: list[float], elapsed: float) -> float:
        early = polling.early_look(lengths, elapsed)
        return polling.next_look(lengths, elapsed) if early is None else early

    def _now(self) -> float:
        """Return the clock of Redis, which all workers share."""
        seconds, microseconds = self._redis.time()
        return float(seconds) + float(microseconds) / 1e6
