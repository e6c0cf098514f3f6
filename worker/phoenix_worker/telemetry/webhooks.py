"""What becomes of jobs, posted to a URL: signed, at least once, and tried again for half an hour (ADR 14).

The events are those of the stream `phoenix:events`. Its consumer group is what remembers: an event that was not taken
by the receiver stays pending in Redis, and whichever worker comes first when its pause is over posts it again. So
neither a worker's death nor Redis's restart loses one. Signatures are those of https://www.standardwebhooks.com.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import threading
import uuid
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import certifi
from celery import bootsteps
from redis import RedisError
from redis.exceptions import ResponseError
from urllib3 import PoolManager
from urllib3.exceptions import HTTPError

from phoenix_producer.client.connection import redis_client
from phoenix_producer.ctids import parse_ctid
from phoenix_producer.plain_text import plain
from phoenix_worker.bounded_network import bounded
from phoenix_worker.durable.ledger import EVENTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from celery import Celery

logger = logging.getLogger(__name__)

PAUSES = (10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0, 600.0)
"""Seconds until an event is posted again, after each try. The first is longer than a post may take."""
_POST_SECONDS = 4.0
_LOOK_SECONDS = 1.0
_AT_ONCE = 20
_TAKEN = 2
"""The hundreds of a status that says so. A redirect says nothing: a signature is not for whoever it leads to."""
_KEEP_SECONDS = 7 * 86400


def signed(secret: str, event_id: str, at: int, body: bytes) -> dict[str, str]:
    """Make the headers that prove who sent a body: HMAC-SHA256 over `id.time.body`."""
    key = base64.b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    digest = hmac.new(key, f"{event_id}.{at}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def body_of(fields: dict[str, str]) -> bytes:
    """Write an event of the stream as JSON; fields that say nothing are left out."""
    told: dict[str, Any] = {
        name: plain(value) for name, value in fields.items() if value and name not in {"at", "subject"}
    }
    if (ctid := parse_ctid(fields.get("subject", ""))) is not None:
        told["ctid"] = ctid
    at = datetime.fromtimestamp(float(fields["at"]), UTC).isoformat()
    return json.dumps({"type": f"phoenix.job.{told.pop('kind')}", "timestamp": at, "data": told}).encode()


class Webhooks(threading.Thread):
    """Posts events to one URL, in turn with the same thread of other workers."""

    def __init__(
        self,
        url: str,
        secret: str,
        redis_url: str,
        *,
        pauses: Sequence[float] = PAUSES,
        post_seconds: float = _POST_SECONDS,
    ) -> None:
        super().__init__(name="phoenix-webhooks", daemon=True)
        self._url, self._secret, self._pauses, self._post_seconds = url, secret, pauses, post_seconds
        self._redis = redis_client(redis_url, socket_timeout=5, socket_connect_timeout=5)
        self._group = f"webhook:{hashlib.sha256(url.encode()).hexdigest()[:12]}"
        self._me = uuid.uuid4().hex
        self._receiver = bounded(PoolManager(ca_certs=certifi.where(), retries=False))
        self._stopping = threading.Event()

    def run(self) -> None:
        """Post until stopped."""
        while not self._stopping.is_set():
            try:
                self._begin()
                while not self._stopping.is_set():
                    self._again()
                    self._new()
            except RedisError as error:
                logger.info("Webhooks wait for Redis (%s).", error)
                self._stopping.wait(_LOOK_SECONDS)
            except Exception:
                logger.exception("The webhooks thread failed and tries again.")
                self._stopping.wait(_LOOK_SECONDS)

    def stop(self) -> None:
        """End the thread; what it has not posted others do."""
        self._stopping.set()
        self.join(_POST_SECONDS)
        self._redis.close()

    def _begin(self) -> None:
        """Remember from now on. Where somebody did so before, from there."""
        try:
            self._redis.xgroup_create(EVENTS, self._group, id="$", mkstream=True)
        except ResponseError as error:
            if "BUSYGROUP" not in str(error):
                raise
        self._redis.expire(EVENTS, _KEEP_SECONDS)

    def _new(self) -> None:
        block = round(min(_LOOK_SECONDS, self._pauses[0]) * 1000)
        news = self._redis.xreadgroup(self._group, self._me, {EVENTS: ">"}, count=_AT_ONCE, block=block)
        for _, events in cast("list[tuple[str, list[tuple[str, dict[str, str]]]]]", news or []):
            for event_id, fields in events:
                self._post(event_id, fields, tries=1)

    def _again(self) -> None:
        """Post again what was not taken, by whoever, when its pause is over."""
        for entry in self._pending():
            tries = int(entry["times_delivered"])
            pause = round(self._pauses[min(tries, len(self._pauses)) - 1] * 1000)
            if int(entry["time_since_delivered"]) < pause:
                continue
            taken = self._redis.xclaim(EVENTS, self._group, self._me, pause, [entry["message_id"]])
            for event_id, fields in cast("list[tuple[str, dict[str, str]]]", taken):
                self._post(event_id, fields, tries=tries + 1)

    def _pending(self) -> Iterator[dict[str, Any]]:
        """Find all events that are not taken, page by page: a page full of those that wait hides none behind."""
        shortest, first = round(self._pauses[0] * 1000), "-"
        while not self._stopping.is_set():
            page = self._redis.xpending_range(EVENTS, self._group, first, "+", _AT_ONCE, idle=shortest)
            entries = cast("list[dict[str, Any]]", page)
            yield from entries
            if len(entries) < _AT_ONCE:
                return
            first = f"({entries[-1]['message_id']}"

    def _post(self, event_id: str, fields: dict[str, str], *, tries: int) -> None:
        at = self._redis.time()[0]  # one clock for all workers
        try:
            body = body_of(fields)
        except (LookupError, ValueError, OverflowError, OSError):  # the last: a time that the C library cannot take
            logger.exception("Unable to encode event %s; no webhook is sent for it.", event_id)
            self._redis.xack(EVENTS, self._group, event_id)
            return
        headers = {"content-type": "application/json", **signed(self._secret, event_id, at, body)}
        try:
            answer = self._receiver.request(
                "POST",
                self._url,
                body=body,
                headers=headers,
                timeout=self._post_seconds,
                redirect=False,
                preload_content=False,
            )
            problem = "" if answer.status // 100 == _TAKEN else f"it answers {answer.status}"
            answer.close()  # what else it says is not read
        except HTTPError as error:
            problem = type(error).__name__
        if problem and tries <= len(self._pauses):
            logger.info("The webhook of event %s was not accepted (%s); it is sent again later.", event_id, problem)
            return
        if problem:
            logger.error("The webhook of event %s was given up after %d tries: %s.", event_id, tries, problem)
        self._redis.xack(EVENTS, self._group, event_id)


def use(app: Celery, url: str, secret: str, redis_url: str) -> None:
    """Have each worker of this app post."""

    class WebhookStep(bootsteps.StartStopStep):
        """In the main process alone, whatever the pool."""

        requires = ("celery.worker.components:Pool",)

        def start(self, _parent: Any) -> None:
            self.thread = Webhooks(url, secret, redis_url)
            self.thread.start()

        def stop(self, _parent: Any) -> None:
            self.thread.stop()

    app.steps["worker"].add(WebhookStep)
