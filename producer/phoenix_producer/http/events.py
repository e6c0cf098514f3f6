"""Streams of Redis as server-sent events: the id of each is its id in Redis, so that who comes again goes on there."""

from __future__ import annotations

import json
import re
from contextlib import aclosing, suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from anyio import to_thread
from fastapi.responses import Response, StreamingResponse

from phoenix_producer.client.channel import Entry, Unreachable
from phoenix_producer.client.record import PREFIX
from phoenix_producer.contract import ContractError, ProgressKind
from phoenix_producer.http.by_http import with_ways
from phoenix_producer.http.feeds import Line, Reader, order
from phoenix_producer.http.problems import Refused
from phoenix_producer.plain_text import plain

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Sequence

    from phoenix_producer.client.link import Link

ALL = f"{PREFIX}events"
_BEGIN = "0-0"
_PLACE = re.compile(r"[0-9]{1,15}(-[0-9]{1,15})?")
_AT_ONCE = 500
_IDLE_SECONDS = 5.0
_LAST_LOOK_SECONDS = 0.2
"""The history ends this much after the result at the latest: a worker stores the result first."""
_ENDS = {ProgressKind.DONE, ProgressKind.FAILED, ProgressKind.CANCELLED}


class Events:
    """Answers with streams. `is_welcome` is asked again now and then: a token may be revoked meanwhile."""

    def __init__(self, link: Link, reader: Reader, root_path: str) -> None:
        self._link, self._reader, self._root_path = link, reader, root_path

    async def of_all(self, last_id: str | None, is_welcome: Callable[[], bool]) -> Response:
        """Tell what becomes of all jobs, from now on or after `last_id`."""
        newest = await self._newest(ALL)
        place = _checked(last_id) or newest
        return await _started(self._follow(ALL, place, newest, is_welcome, None))

    async def of_job(self, job: str, last_id: str | None, is_welcome: Callable[[], bool]) -> Response:
        """Tell the history of a job, until it ends. One whose end was told is answered with 204: do not come again."""
        stream = f"{PREFIX}job:{job}:log"
        place, newest = _checked(last_id) or _BEGIN, await self._newest(stream)
        if order(place) >= order(newest) and last_id is not None and await self._has_ended(job):
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return await _started(self._follow(stream, place, newest, is_welcome, job))

    async def _follow(
        self, stream: str, place: str, newest: str, is_welcome: Callable[[], bool], job: str | None
    ) -> AsyncGenerator[bytes, None]:
        """Write what is there already, then what is added."""
        with self._reader.following(stream, newest) as feed:
            yield b"retry: 2000\n\n"
            ended = job is not None and await self._has_ended(job)
            while True:
                lines = await self._after(stream, place)
                told, place, over = _written(lines, place, job, self._root_path)
                if told:
                    yield told
                if over:
                    return
                if len(lines) < _AT_ONCE:
                    break
            while is_welcome() and not feed.is_cut:
                found = await feed.next(_LAST_LOOK_SECONDS if ended else _IDLE_SECONDS)
                if not found:
                    if ended:  # its history is gone, or was never kept
                        return
                    ended = job is not None and await self._has_ended(job)
                    yield b": \n\n"
                    continue
                told, place, over = _written(found, place, job, self._root_path)
                if told:
                    yield told
                if over:
                    return

    async def _newest(self, stream: str) -> str:
        (found,) = await self._asked(lambda pipe: pipe.xrevrange(stream, count=1))
        return str(found[0][0]) if found else _BEGIN

    async def _after(self, stream: str, place: str) -> list[Line]:
        (found,) = await self._asked(lambda pipe: pipe.xrange(stream, min=f"({place}", count=_AT_ONCE))
        return [Line(*entry) for entry in found]

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


def _checked(last_id: str | None) -> str | None:
    if last_id is not None and not _PLACE.fullmatch(last_id):
        raise Refused(HTTPStatus.BAD_REQUEST, "Last-Event-ID is not the id of an event: digits, a hyphen, digits.")
    return last_id


def _is_end(line: Line) -> bool:
    return line.fields.get("kind") in _ENDS


def _written(lines: Sequence[Line], place: str, job: str | None, root_path: str) -> tuple[bytes, str, bool]:
    """Write the lines after a place; returns the last place then, and whether the history of the job ends there."""
    told: list[bytes] = []
    for line in lines:
        if order(line.place) <= order(place):
            continue
        place = line.place
        line.written = line.written or _event(line, job, root_path)
        told.append(line.written)
        if job and _is_end(line):
            return b"".join(told), place, True
    return b"".join(told), place, False


def _with_ways(fields: dict[str, str], root_path: str) -> dict[str, str]:
    """Have a failure, whose words end with the remedy, tell the ways by HTTP too."""
    if fields.get("kind") != ProgressKind.FAILED:
        return fields
    return fields | {name: with_ways(fields[name], root_path) for name in ("detail", "message") if fields.get(name)}


def _event(line: Line, job: str | None, root_path: str) -> bytes:
    """Write an event; its data is JSON on one line."""
    fields = _with_ways(line.fields, root_path)
    if job is None:
        told = {name: plain(value) for name, value in fields.items() if value}
        kind, data = told.get("kind", ""), json.dumps(told)
    else:
        entry = Entry(job, line.place, fields)
        if not entry.is_known:
            return f"id: {line.place}\n\n".encode()
        progress = entry.progress()
        kind, data = progress.kind, progress.model_dump_json()
    return f"id: {line.place}\nevent: {kind.splitlines()[0] if kind else 'message'}\ndata: {data}\n\n".encode()
