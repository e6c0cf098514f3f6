"""The requests of a round: asked, asked again when Redis has lost them or they failed, and heard to their ends."""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass, field
from math import inf
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from redis import RedisError

from phoenix_producer import EnsureFailed, Unreachable
from tests.chaos.administrator import NEEDED_FOR, Administrator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from redis import Redis

    from phoenix_producer import EnsureResult, Failure, Handle, Producer
    from tests.chaos.numbers import Numbers

LONGEST_END = 240.0
"""Seconds until the next job has ended, once all trouble is over; a machine may be busy."""
LONGEST_ENDS = 4 * LONGEST_END
"""Until all have: of those in line for a template of a node that is down, one after the other runs out of patience."""


@dataclass
class Requests:
    """Whoever asks, and the administrator whom some of the failures need."""

    producer: Producer
    redis: Redis
    administrator: Administrator
    numbers: Numbers
    tell: Callable[[str], None]
    breathe: Callable[[], None]
    handles: list[Handle[EnsureResult]] = field(default_factory=list)
    heard: set[str] = field(default_factory=set)
    """Those whose ends the administrator knows."""
    asked_of: dict[str, str] = field(default_factory=dict)
    """Which history of Redis each was asked of: it has another one after a restart or a failover."""

    def ask(self, ctid: int, request_id: str) -> None:
        """Ask until Redis has taken it."""
        while True:
            try:
                self.asked_of[request_id] = self._history()
                self.handles.append(self.producer.ensure(ctid, request_id=request_id))
            except (RedisError, Unreachable) as error:
                self.tell(f"asks again for {ctid}: {error}")
            else:
                self.numbers.jobs += 1
                return

    def ask_what_was_lost(self) -> None:
        """As who had no answer does: under the same id, which costs nothing where it is known."""
        for handle in self.handles:
            if self._is_lost(handle):
                self._ask_for_lost(handle)

    def _is_lost(self, handle: Handle[EnsureResult]) -> bool:
        """Whether Redis has it no more, and no worker that ran it has answered all the same."""
        return not self.redis.exists(f"phoenix:job:{handle.id}") and not handle.done()

    def _ask_for_lost(self, handle: Handle[EnsureResult]) -> None:
        self.numbers.requests_lost_with_them += 1
        self.tell(f"asks again what Redis has lost: {handle.ctid}")
        self.asked_of[handle.id] = self._history()
        self.producer.ensure(handle.ctid or 0, request_id=handle.id)

    def _ask_if_lost(self, handle: Handle[EnsureResult]) -> None:
        """Ask again what Redis has lost by a failover that nobody asked for: Sentinels of a busy machine make them.

        What is gone without a failover was lost by the product, and is waited for in vain.
        """
        with suppress(RedisError, Unreachable):
            if self._history() != self.asked_of[handle.id] and self._is_lost(handle):
                self._ask_for_lost(handle)

    def _history(self) -> str:
        return str(self.redis.info("replication")["master_replid"])

    def help(self) -> None:
        """Let the administrator clear what stands in the way of requests that have failed, and repeat them."""
        for handle in [one for one in self.handles if one.id not in self.heard and one.done()]:
            failure = self._failure(handle)
            if failure is None:
                for told in handle.wait(timeout=10).warnings:
                    self.administrator.heed_warning(told)
            elif failure.cause == "forgotten":
                self._ask_for_lost(handle)  # a worker that ran it has told so
                continue
            self.heard.add(handle.id)
            if failure is not None and failure.cause in NEEDED_FOR:
                self.administrator.heed(failure)
                self.ask_again(failure)

    def ask_again(self, failure: Failure) -> None:
        """Not by the seed, since nobody knows what fails."""
        self.tell(f"failed, and is asked again: {failure.cause}: {failure.message}")
        self.numbers.failed_and_asked_again += 1
        self.ask(failure.ctid or 0, str(uuid4()))

    def hear(self, is_explained: Callable[[Failure], bool], *, since: int = 0, until: float = inf) -> list[Failure]:
        """Wait for the ends of requests, of those too that are added meanwhile unless `until` says which is the last.

        Returns the failures after which nobody has asked again.
        """
        began = last = time.monotonic()
        heard, failed, place = len(self.heard), [], since
        while place < until and place < len(self.handles):
            handle = self.handles[place]
            while not handle.done() or handle.id not in self.heard:
                self.breathe()
                self._ask_if_lost(handle)
                if len(self.heard) > heard:
                    heard, last = len(self.heard), time.monotonic()
                is_late = time.monotonic() > min(last + LONGEST_END, began + LONGEST_ENDS)
                assert not is_late, f"{handle} has no result; {self._open()}"
            failure = self._failure(handle)
            if failure is not None and failure.cause not in NEEDED_FOR:
                assert is_explained(failure), failure
                failed.append(failure)
            place += 1
        return failed

    def ended(self) -> set[str]:
        """Those that have ended by now."""
        return {one.id for one in self.handles if one.done()}

    def call_the_roll(self, ctids: Iterable[int]) -> list[EnsureResult]:
        """Ask for all once more, now that nothing is in the way."""
        return self.producer.ensure_many(list(ctids)).wait(timeout=LONGEST_END)

    def _failure(self, handle: Handle[EnsureResult]) -> Failure | None:
        try:
            handle.wait(timeout=10)
        except EnsureFailed as error:
            return error.failure
        return None

    def _open(self) -> dict[str, Any]:
        """What has not ended, and why: for whoever reads the report."""
        keys = [str(key) for key in self.redis.scan_iter("phoenix:t:*")]
        records = {key: self.redis.hgetall(key) for key in keys}
        told = ("name", "subject", "state", "on", "run", "idle", "tries", "queue", "holds")
        return {
            key: {name: record.get(name) for name in told}
            for key, record in records.items()
            if record.get("state") != "done"
        }
