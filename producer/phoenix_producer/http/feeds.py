"""One thread reads the streams and answers that clients wait for, and feeds all of them: none has a thread of its own.

It looks in turns, each one round trip, and not at all while nobody waits. Redis may be away meanwhile: it goes on where
it stopped.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import defaultdict
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from phoenix_producer.client.channel import Unreachable
from phoenix_producer.http.problems import Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from redis.client import Pipeline

    from phoenix_producer.ledger.view import Look

logger = logging.getLogger(__name__)

MOST_WAITING = 1000
"""Clients that wait at a time, on events or on answers."""
_BACKLOG = 1000
"""Lines that a client may be behind before it is cut off: it comes again, and names the last one that it has."""
_AT_ONCE = 500
_TURN_SECONDS = 0.05
_SECONDS_A_CLIENT = 0.0005
"""By which a turn is longer for each: what comes in one turn is sent to a client at once."""
_AWAY_SECONDS = 1.0


class NoRoom(Refused):
    """Raised when so many clients wait that no other may."""

    def __init__(self) -> None:
        refusal = f"{MOST_WAITING} clients wait already."
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, refusal, **{"Retry-After": "5", "Connection": "close"})


class Stopping(Refused):
    """Raised for who waits, or would, when the server ends."""

    def __init__(self) -> None:
        refusal = "The server is stopping. Ask again in a few seconds: what was accepted goes on."
        super().__init__(HTTPStatus.SERVICE_UNAVAILABLE, refusal, **{"Retry-After": "5", "Connection": "close"})


def order(place: str) -> tuple[int, int]:
    """Return what the id of an entry is sorted by."""
    time, _, number = place.partition("-")
    return int(time), int(number or 0)


class Line:
    """One entry of a stream."""

    __slots__ = ("at", "fields", "place")

    def __init__(self, place: str, fields: dict[str, str]) -> None:
        self.place, self.fields = place, fields
        self.at = order(place)


class Batch:
    """Entries that came together. All clients of a stream are sent the same, so it is written once."""

    __slots__ = ("chunk", "is_end", "lines", "written")

    def __init__(self, lines: Sequence[Line]) -> None:
        self.lines = lines
        self.written: bytes | None = None
        self.chunk: bytes | None = None
        """What is written, as a chunk of HTTP."""
        self.is_end = False

    def after(self, at: tuple[int, int]) -> Batch:
        """Return what of it is after a place: all of it, but for who has just come."""
        if not self.lines or self.lines[0].at > at:
            return self
        return Batch([line for line in self.lines if line.at > at])


class Feed:
    """What one client gets of a stream, in order.

    `at` is the last that it has, kept by whoever takes from the feed. With `push`, what comes while the client waits is
    handed to that at once, and is put by only if that says that it cannot be written now.
    """

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.is_cut = False
        self.is_over = False
        self.at = (0, 0)
        self.push: Callable[[Batch], bool] | None = None
        self._batches: list[Batch] = []
        self._behind = 0
        self._waiter: asyncio.Future[None] | None = None

    def put(self, batch: Batch) -> None:
        """Feed entries, in the event loop; a client that does not keep up is cut off."""
        if self.is_cut or (self.push is not None and self._is_idle and self.push(batch)):
            return
        self._behind += len(batch.lines)
        self.is_cut = self._behind > _BACKLOG
        if not self.is_cut:
            self._batches.append(batch)
        self._wake()

    def cut(self) -> None:
        """End it, in the event loop; the client has what was put before."""
        self.is_cut = True
        self._wake()

    async def next(self, seconds: float) -> list[Batch]:
        """Wait for entries and take all that are there; none if none comes in so many seconds."""
        if not self._batches and not self.is_cut:
            loop = asyncio.get_running_loop()
            self._waiter = loop.create_future()
            timer = loop.call_later(seconds, self._wake)
            try:
                await self._waiter
            finally:
                timer.cancel()
        batches, self._batches, self._behind = self._batches, [], 0
        return batches

    @property
    def _is_idle(self) -> bool:
        """Whether the client has all that came, and waits for more."""
        return self._waiter is not None and not self._waiter.done()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


class Reader(threading.Thread):
    """The thread. Its methods are called in the event loop alone, which must not end before it."""

    def __init__(self, look: Look, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(name="phoenix-http-reader", daemon=True)
        self._look, self._loop = look, loop
        self._lock = threading.Lock()
        self._wanted = threading.Event()
        self._stopping = threading.Event()
        self._places: dict[str, str] = {}
        self._feeds: defaultdict[str, set[Feed]] = defaultdict(set)
        self._waiting: defaultdict[str, set[asyncio.Future[None]]] = defaultdict(set)
        self._is_closed = False

    def stop(self) -> None:
        """End the thread."""
        self._stopping.set()
        self._wanted.set()

    def send_away(self) -> None:
        """End what clients wait for, each as it can be: streams as if cut off, answers by Stopping; let none wait."""
        self._is_closed = True
        for feed in [feed for feeds in list(self._feeds.values()) for feed in list(feeds)]:
            feed.cut()
        for future in [future for futures in list(self._waiting.values()) for future in list(futures)]:
            if not future.done():
                future.set_exception(Stopping())

    def insist_on_room(self) -> None:
        """Raise NoRoom when too many wait, for who asks before it costs Redis or the workers anything; or Stopping."""
        if self._is_closed:
            raise Stopping
        if self._clients + sum(map(len, self._waiting.values())) >= MOST_WAITING:
            raise NoRoom

    @contextmanager
    def following(self, stream: str, newest: str) -> Iterator[Feed]:
        """Feed what is added to a stream after `newest`, or a little more. Raises NoRoom and Stopping."""
        self.insist_on_room()
        feed = Feed(stream)
        with self._lock:
            self._places.setdefault(stream, newest)
            self._feeds[stream].add(feed)
        self._wanted.set()
        try:
            yield feed
        finally:
            with self._lock:
                self._feeds[stream].discard(feed)
                if not self._feeds[stream]:
                    del self._feeds[stream], self._places[stream]

    async def answered(self, request_id: str, seconds: float) -> bool:
        """Wait until a request has an answer; tell whether it has one in time. Raises NoRoom and Stopping."""
        self.insist_on_room()
        future: asyncio.Future[None] = self._loop.create_future()
        with self._lock:
            self._waiting[request_id].add(future)
        self._wanted.set()
        try:
            async with asyncio.timeout(seconds):
                await future
        except TimeoutError:
            return False
        finally:
            with self._lock:
                self._waiting[request_id].discard(future)
                if not self._waiting[request_id]:
                    del self._waiting[request_id]
        return True

    def run(self) -> None:
        """Read, until it is stopped."""
        away = False
        while not self._stopping.is_set():
            self._wanted.wait()
            try:
                self._turn()
            except Unreachable as error:
                if not away:
                    logger.warning("%s", error)
                away = True
                self._stopping.wait(_AWAY_SECONDS)
            except Exception:
                logger.exception("What a stream has cannot be read; it is tried again.")
                self._stopping.wait(_AWAY_SECONDS)
            else:
                away = False
                self._stopping.wait(_TURN_SECONDS + _SECONDS_A_CLIENT * self._clients)

    @property
    def _clients(self) -> int:
        return sum(map(len, list(self._feeds.values())))

    def _turn(self) -> None:
        with self._lock:
            places, requests = dict(self._places), list(self._waiting)
            if not places and not requests and not self._stopping.is_set():
                self._wanted.clear()
                return
        told = iter(self._look(partial(_ask, places, requests)))
        for stream, entries in self._news(places, next(told)) if places else []:
            batch = Batch([Line(*entry) for entry in entries])
            self._loop.call_soon_threadsafe(self._feed, stream, batch)
            with self._lock:
                if stream in self._places:
                    self._places[stream] = max(self._places[stream], batch.lines[-1].place, key=order)
        for request, answer in zip(requests, told, strict=True):
            if answer is not None:
                self._loop.call_soon_threadsafe(self._answer, request)

    def _news(self, places: dict[str, str], told: Any) -> list[Any]:
        """Return what is new in streams. Where one of them is none, Redis tells nothing of all: each is asked alone."""
        if told is not None:
            return list(told)
        each = self._look(lambda pipe: [pipe.xread({one: place}, count=_AT_ONCE) for one, place in places.items()])
        return [news for one in each for news in one or ()]

    def _feed(self, stream: str, batch: Batch) -> None:
        for feed in list(self._feeds.get(stream, ())):
            feed.put(batch)

    def _answer(self, request: str) -> None:
        for future in self._waiting.get(request, ()):
            if not future.done():
                future.set_result(None)


def _ask(places: dict[str, str], requests: list[str], pipe: Pipeline) -> None:
    if places:
        pipe.xread(dict(places), count=_AT_ONCE)  # type: ignore[arg-type]  # redis asks for a dict of unions
    for request in requests:
        pipe.get(f"celery-task-meta-{request}")
