"""The producer's own way to Redis: a client, and a Celery app that makes and sends messages and nothing else.

The app is invisible to the service around it: it is never current or default, is never finalized (so no shared task
binds to it), reads neither the service's configuration modules nor Celery's environment variables, and leaves kombu's
process-wide connection pools alone. Messages are made without looking at the task that the service runs just now, so
they carry its id neither as parent nor as root.

Answers are read straight from where Celery's Redis backend puts them, each waiting thread with a subscription of its
own: nothing is shared between threads or with a forked child, and nothing stays subscribed after a timeout.
"""

from __future__ import annotations

import json
import logging
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from celery import Celery
from celery.states import READY_STATES
from kombu.exceptions import OperationalError
from redis import RedisError
from redis.backoff import ExponentialBackoff
from redis.exceptions import NoPermissionError, ResponseError
from redis.retry import Retry

from phoenix_producer.client.answers import answers, is_of_another_kind
from phoenix_producer.client.channel import Entry, OtherOptions, Unreachable, forgotten, is_forgotten, used_before
from phoenix_producer.client.connection import celery_urls, redis_client, with_settings
from phoenix_producer.client.reaching import ANSWER_SECONDS, CONNECT_SECONDS, reaching
from phoenix_producer.client.record import PREFIX, Outgoing, Recorder, is_name
from phoenix_producer.client.redis_url import place_of
from phoenix_producer.client.trace_context import of_caller
from phoenix_producer.contract import LONGEST_REQUESTER, ContractError, queue_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from contextlib import AbstractContextManager
    from uuid import UUID

    from kombu.connection import ConnectionPool
    from redis import Redis
    from redis.client import Pipeline

logger = logging.getLogger(__name__)

_LOOK_AGAIN_SECONDS = 5.0
"""How late an answer is noticed at most whose announcement was lost with a connection."""
_SEEN = 10_000
"""Open requests of which a link knows at least that they were in the ledger: more than anybody waits for at once."""
_KEPT_SECONDS = 7 * 86400
"""For which a request that has ended is in the ledger, and its answer is kept."""
_OPEN, _UNREADABLE = "open", ""
_OVERWRITTEN: dict[str, Any] = {"status": "FAILURE", "result": "another program has written over its answer"}
"""The end of a task that was told and can be read no more. Of a request that is open the end is still to be written."""
_SETTINGS = {
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    "task_publish_retry_policy": {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.2},
    "broker_transport_options": {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": ANSWER_SECONDS,
        "max_retries": 2,
        "interval_start": 0.1,
        "interval_step": 0.2,
    },
}


class _Wires(NamedTuple):
    """What must not be shared with a forked child."""

    pid: int
    client: Redis
    senders: ConnectionPool


class Link:
    """A channel over one Redis, for any number of threads. `requester` is who asks, for people who read job lists.

    Raises ContractError for a URL that is not one, and for such a name.
    """

    def __init__(self, url: str, requester: str = "") -> None:
        self._url = url
        self._place = place_of(url)
        self._requester = _checked_name(requester)
        self._app = Celery(
            "phoenix_producer",
            loader="celery.loaders.app:AppLoader",
            config_source=with_settings(_SETTINGS, url),
            set_as_current=False,
            autofinalize=False,
            fixups=[],
        )
        self._wires = self._connect()
        self._seen: dict[str, float] = {}
        """Requests that were recorded, or seen open, the oldest first; and when that was, by `time.monotonic`."""

    def close(self) -> None:
        """Close all connections."""
        self._wires.client.close()
        self._wires.senders.force_close_all()
        self._app.close()

    def send(self, name: str, request_id: UUID, args: Sequence[Any], kwargs: dict[str, Any]) -> None:
        """Record a request, then put it on its queue; one that is recorded already is not sent again.

        A user of Redis that may not write the ledger only puts it there: it is recorded when a worker takes it.

        Raises Unreachable if it could not be recorded, and then nothing is sent; ContractError if the id is that of
        another request.
        """
        message = self._app.amqp.create_task_message(str(request_id), name, list(args), kwargs)
        message.headers.update(of_caller())
        queue = queue_of(name, kwargs)
        outgoing = Outgoing(name, str(request_id), 0, queue, message.body, message.headers, message.properties)
        recorder = Recorder(self._client, self._requester, replicated=self._place.master is not None)
        recorded = True
        with self._reaching():
            try:
                if not recorder(outgoing):
                    self._insist_on_same(outgoing)
                    return
                self._see(outgoing.id, _OPEN)
            except NoPermissionError:
                recorded = False
        try:
            with self._senders.acquire(block=True) as connection:
                sender = self._app.amqp.Producer(connection, auto_declare=False)
                self._app.amqp.send_task_message(sender, name, message, queue=queue)
        except (OperationalError, RedisError) as error:
            if not recorded:
                raise Unreachable(
                    f"Redis at {self._place.shown()} does not let its user publish to {queue} ({error}). "
                    "docs/security.md lists what each role may do."
                ) from error
            logger.warning(
                "Request %s is recorded but could not be queued (%s). It is not lost: the workers "
                "queue it once Redis is back.",
                request_id,
                error,
            )

    def answer(self, request_id: str) -> dict[str, Any] | None:
        """Read what Celery stored as the end of a task; None if it has not ended.

        One that this link recorded, or saw open in the ledger, and that is in it no more, has ended too.
        Asked for again under its id, it has not. After a week it may have ended as others do.
        """
        with self._reaching():
            stored = self._client.get(_answer_key(request_id))
        meta = {} if stored is None else _read(stored)
        is_over = meta.get("status") in READY_STATES
        if is_over and not is_forgotten(meta) and meta is not _OVERWRITTEN:
            self._seen.pop(request_id, None)
            return meta
        state = self._state(request_id)
        if state == _OPEN or (state and meta is not _OVERWRITTEN):
            self._see(request_id, state)
            return None
        if is_over:
            return meta
        is_lost = state is None and time.monotonic() - self._seen.get(request_id, float("-inf")) < _KEPT_SECONDS
        return forgotten(request_id) if is_lost else None

    def _state(self, request_id: str) -> str | None:
        with self._reaching():
            try:
                state: Any = self._client.hget(f"{PREFIX}job:{request_id}", "state")
            except ResponseError as error:
                # Of a user that reads results alone; or others wrote in its place, and `cancel` ends it.
                if not (isinstance(error, NoPermissionError) or is_of_another_kind(error)):
                    raise
                return _UNREADABLE
        return None if state is None else str(state)

    def _see(self, request_id: str, state: str) -> None:
        self._seen.pop(request_id, None)
        if state == _OPEN:
            self._seen[request_id] = time.monotonic()
        if len(self._seen) > 2 * _SEEN:
            for oldest in list(self._seen)[:-_SEEN]:  # a copy: other threads add to it
                self._seen.pop(oldest, None)

    def wait_for_answer(self, request_id: str, timeout: float | None) -> dict[str, Any] | None:
        """Like `answer`, as soon as there is one; None if there is none after `timeout` seconds."""
        deadline = float("inf") if timeout is None else time.monotonic() + timeout
        announcements = self._client.pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call]
        with self._reaching(), announcements:
            announcements.subscribe(_answer_key(request_id))
            # The confirmation of the subscription also ends a pause: what came before it is found by looking again.
            while (answer := self.answer(request_id)) is None and (left := deadline - time.monotonic()) > 0:
                announcements.get_message(timeout=min(left, _LOOK_AGAIN_SECONDS))
        return answer

    def history(self, places: Mapping[str, str], seconds: float) -> list[Entry]:
        """Read what the histories of jobs have after the given places; wait for it at most so long."""
        streams = {f"{PREFIX}job:{job}:log": place for job, place in places.items()}
        with self._reaching():
            news: list[tuple[str, list[tuple[str, dict[str, str]]]]] = self._client.xread(  # type: ignore[assignment]
                streams,  # type: ignore[arg-type]  # redis asks for a dict of unions
                block=max(1, round(seconds * 1000)),
            )
        jobs = dict(zip(streams, places, strict=True))
        return [Entry(jobs[stream], place, fields) for stream, entries in news for place, fields in entries]

    def look(self, questions: Callable[[Pipeline], object]) -> list[Any]:
        """Ask several things of Redis in one round trip. What changes between two of them is seen as it then is.

        None answers what is asked of a key that is of another kind.
        """
        with self._reaching(), self._client.pipeline(transaction=False) as pipe:
            questions(pipe)
            return answers(pipe)

    @property
    def _client(self) -> Redis:
        return self._wires_of_this_process().client

    @property
    def _senders(self) -> ConnectionPool:
        return self._wires_of_this_process().senders

    def _wires_of_this_process(self) -> _Wires:
        if self._wires.pid != os.getpid():
            self._wires = self._connect()
        return self._wires

    def _connect(self) -> _Wires:
        client = redis_client(
            self._url,
            protocol=2,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=ANSWER_SECONDS,
            retry=Retry(ExponentialBackoff(cap=0.5, base=0.1), 3),
        )
        broker = self._app.connection_for_write(celery_urls(self._url)["broker_url"])
        return _Wires(os.getpid(), client, broker.Pool(limit=10))

    def _reaching(self) -> AbstractContextManager[None]:
        return reaching(self._place)

    def _insist_on_same(self, outgoing: Outgoing) -> None:
        kept = self._client.hmget(f"{PREFIX}job:{outgoing.id}", "name", "subject", "options", "state")
        *before, options, state = (str(part or "") for part in kept)
        if before != [outgoing.name, outgoing.subject]:
            raise used_before(outgoing.id, " ".join(before))
        if options and options != outgoing.options:  # a worker that recorded it, or an older producer, kept none
            raise OtherOptions(outgoing.id, " ".join(before))
        self._see(outgoing.id, state)


def _answer_key(request_id: str) -> str:
    return f"celery-task-meta-{request_id}"


def _read(stored: Any) -> dict[str, Any]:
    try:
        meta = json.loads(stored)
        return dict(meta) if isinstance(meta["status"], str) and "result" in meta else _OVERWRITTEN
    except (ValueError, TypeError, KeyError, RecursionError):
        return _OVERWRITTEN


def _checked_name(requester: str) -> str:
    """Return the name of who asks: every request carries it, also one that has no other text in it."""
    if not is_name(requester):
        raise ContractError(f"Not a valid requester: it has at most {LONGEST_REQUESTER} characters, all Unicode text.")
    return requester
