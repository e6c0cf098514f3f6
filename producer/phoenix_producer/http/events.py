"""Streams of Redis as server-sent events: the id of each is its id in Redis, so that who comes again goes on there."""

from __future__ import annotations

import json
import re
import time
from contextlib import aclosing, suppress
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from fastapi.responses import Response, StreamingResponse

from phoenix_producer.client.channel import Entry, Unreachable
from phoenix_producer.client.record import PREFIX
from phoenix_producer.contract import ContractError, ProgressKind
from phoenix_producer.http.by_http import with_ways
from phoenix_producer.http.feeds import Batch, Feed, Line, Reader, order
from phoenix_producer.http.problems import Refused
from phoenix_producer.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable

    from phoenix_producer.client.link import Link

ALL = f"{PREFIX}events"
_BEGIN = "0-0"
PLACE_PATTERN = "^[0-9]{1,15}(-[0-9]{1,15})?$"
_AT_ONCE = 500
_IDLE_SECONDS = 5.0
_WELCOME_SECONDS = 1.0
"""Between two looks whether a token is good still."""
_LAST_LOOK_SECONDS = 0.2
"""The history ends this much after the result at the latest: a worker stores the result first."""
_ENDS = {ProgressKind.DONE, ProgressKind.FAILED, ProgressKind.CANCELLED}


class Events:
    """Answers with streams. `is_welcome` is asked again now and then: a token may be revoked meanwhile."""

    def __init__(self, link: Link, reader: Reader, root_path: str) -> None:
        self._link, self._reader, self._root_path = link, reader, root_path

    async def of_all(
        self, last_id: str | None, is_welcome: Callable[[], bool], write_chunk: Callable[[bytes], bool]
    ) -> Response:
        """Tell what becomes of all jobs, from now on or after `last_id`. `write_chunk` is that of the connection."""
        self._reader.insist_on_room()
        newest = await self._newest(ALL)
        place = _not_beyond(checked(last_id) or newest, newest)
        return await _started(self._follow(ALL, place, newest, is_welcome, None, write_chunk))

    async def of_job(self, job: str, last_id: str | None, is_welcome: Callable[[], bool]) -> Response:
        """Send the history of a job until it ends; 204 if the client has all of an ended one, so that it stops."""
        stream = f"{PREFIX}job:{job}:log"
        place, newest = checked(last_id) or _BEGIN, await self._newest(stream)
        if order(place) >= order(newest) and last_id is not None and await self._has_ended(job):
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return await _started(self._follow(stream, _not_beyond(place, newest), newest, is_welcome, job))

    async def _follow(
        self,
        stream: str,
        place: str,
        newest: str,
        is_welcome: Callable[[], bool],
        job: str | None,
        write_chunk: Callable[[bytes], bool] | None = None,
    ) -> AsyncGenerator[bytes, None]:
        """Write what is there already, then what is added."""
        still_welcome = _now_and_then(is_welcome)
        with self._reader.following(stream, newest) as feed:
            feed.at = order(place)
            yield b"retry: 2000\n\n"
            ended = job is not None and await self._has_ended(job)
            async for past in self._past(feed, job):
                yield past
            if write_chunk is not None:
                feed.push = partial(self._pushed, feed, still_welcome, write_chunk)
            while not feed.is_over and not feed.is_cut:
                found = await feed.next(_LAST_LOOK_SECONDS if ended else _IDLE_SECONDS)
                if not still_welcome():
                    return
                if not found:
                    if ended:  # its history is gone, or was never kept
                        return
                    ended = job is not None and await self._has_ended(job)
                    yield b": \n\n"
                for batch in found:
                    if told := self._told(feed, batch, job):
                        yield told

    async def _past(self, feed: Feed, job: str | None) -> AsyncGenerator[bytes, None]:
        while not feed.is_over and (past := await self._after(feed.stream, feed.at)).lines:
            yield self._told(feed, past, job)
            if len(past.lines) < _AT_ONCE:
                return

    def _told(self, feed: Feed, batch: Batch, job: str | None) -> bytes:
        """Write what a client does not have yet; nothing if it has all of it, or the end."""
        new = batch.after(feed.at)
        if feed.is_over or not new.lines:
            return b""
        written = self._written(new, job)
        feed.at, feed.is_over = new.lines[-1].at, new.is_end
        return written

    def _pushed(
        self, feed: Feed, still_welcome: Callable[[], bool], write_chunk: Callable[[bytes], bool], batch: Batch
    ) -> bool:
        """Write what all clients get to one that waits; return False if it cannot be written now."""
        new = batch.after(feed.at)
        if not new.lines:
            return True
        if new.chunk is None:
            written = self._written(new, None)
            new.chunk = b"%x\r\n%b\r\n" % (len(written), written)
        if not still_welcome() or not write_chunk(new.chunk):
            return False
        feed.at = new.lines[-1].at
        return True

    def _written(self, batch: Batch, job: str | None) -> bytes:
        """Write a batch, up to the end of the job whose history it is."""
        if batch.written is None:
            told: list[bytes] = []
            for line in batch.lines:
                told.append(_event(line, job, self._root_path))
                if job and line.fields.get("kind") in _ENDS:
                    batch.is_end = True
                    break
            batch.written = b"".join(told)
        return batch.written

    async def _newest(self, stream: str) -> str:
        (found,) = await self._asked(lambda pipe: pipe.xrevrange(stream, count=1))
        return str(found[0][0]) if found else _BEGIN

    async def _after(self, stream: str, at: tuple[int, int]) -> Batch:
        (found,) = await self._asked(lambda pipe: pipe.xrange(stream, min="({}-{}".format(*at), count=_AT_ONCE))
        return Batch([Line(*entry) for entry in found or ()])

    async def _asked(self, question: Callable[[Any], object]) -> list[Any]:
        return await to_thread.run_sync(self._link.look, question)

    async def _has_ended(self, job: str) -> bool:
        try:
            return await to_thread.run_sync(self._link.answer, job) is not None
        except Unreachable:
            return False


async def _started(events: AsyncGenerator[bytes, None]) -> Response:
    """Answer with a stream whose beginning is there, so that what goes wrong until then is a problem document."""
    first = await anext(events)

    async def all_of_it() -> AsyncGenerator[bytes, None]:
        async with aclosing(events):
            yield first
            # Whoever reads comes again, and names the last event that it has.
            with suppress(Unreachable, ContractError):
                async for event in events:
                    yield event

    return StreamingResponse(all_of_it(), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})


def checked(last_id: str | None) -> str | None:
    """Return the id of an event. Raises Refused for one that is none."""
    if last_id is not None and not re.fullmatch(PLACE_PATTERN, last_id):
        raise Refused(HTTPStatus.BAD_REQUEST, "Last-Event-ID is not the id of an event: digits, a hyphen, digits.")
    return last_id


def _not_beyond(place: str, newest: str) -> str:
    """Return where to go on: not after what a Redis that lost its last writes has still to come to."""
    return min(place, newest, key=order)


def _now_and_then(ask: Callable[[], bool]) -> Callable[[], bool]:
    """Return what asks a question at most once in a while, and meanwhile gives the last answer."""
    answer, due = True, 0.0

    def asked() -> bool:
        nonlocal answer, due
        if time.monotonic() >= due:
            answer, due = ask(), time.monotonic() + _WELCOME_SECONDS
        return answer

    return asked


def _event(line: Line, job: str | None, root_path: str) -> bytes:
    """Write an event; its data is JSON on one line."""
    if job is None:
        told = {name: plain(value) for name, value in line.fields.items() if value}
        kind = told.get("kind", "")
        if kind == ProgressKind.FAILED and "message" in told:
            told["message"] = with_ways(told["message"], root_path)
        data = json.dumps(told)
    else:
        entry = Entry(job, line.place, line.fields)
        if not entry.is_known:
            return f"id: {line.place}\n\n".encode()
        progress = entry.progress()
        if progress.kind is ProgressKind.FAILED:
            progress = progress.model_copy(update={"detail": with_ways(progress.detail, root_path)})
        kind, data = progress.kind, progress.model_dump_json()
    return f"id: {line.place}\nevent: {kind.splitlines()[0] if kind else 'message'}\ndata: {data}\n\n".encode()
