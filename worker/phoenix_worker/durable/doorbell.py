"""Puts messages that the ledger holds on their queues: of parked tasks that resume, and of messages that got lost.

A message is the doorbell; the ledger is the truth.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

from phoenix_producer.client.record import JOB_HEADER
from phoenix_worker.durable.crash_points import reached
from phoenix_worker.durable.message_form import CONTENT_TYPE, ENCODING, objection, written
from phoenix_worker.durable.patience import SENDING_TROUBLE

if TYPE_CHECKING:
    from celery import Celery

    from phoenix_worker.durable.ledger import Bell

logger = logging.getLogger(__name__)


class Doorbell:
    """Puts stored messages on their queues, byte for byte as they were sent first."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self, bells: list[Bell]) -> dict[str, str]:
        """Publish; what cannot be published now is repeated by a later tick.

        Returns what no message can be made of, by its id, with the reason; it keeps no other from being published.
        """
        reached("woken-unpublished")
        try:
            return self._publish(bells)
        except SENDING_TROUBLE:
            return self._publish_anew(bells)

    def _publish_anew(self, bells: list[Bell]) -> dict[str, str]:
        """Once more, on another connection: one that died in silence is found when it is used. Doubles do no harm."""
        try:
            return self._publish(bells)
        except SENDING_TROUBLE as error:
            logger.warning("%d messages could not be sent now (%s); they are sent later.", len(bells), error)
            return {}

    def _publish(self, bells: list[Bell]) -> dict[str, str]:
        unsendable: dict[str, str] = {}
        with self._app.producer_pool.acquire(block=True) as producer:
            for bell in bells:
                try:
                    headers = self._headers_of(bell)
                except (ValueError, TypeError, AttributeError, RecursionError) as error:
                    unsendable[bell.id] = f"its message cannot be sent: {error}"
                    continue
                producer.publish(
                    bell.body,
                    exchange="",
                    routing_key=bell.queue,
                    content_type=CONTENT_TYPE,
                    content_encoding=ENCODING,
                    headers=headers,
                    correlation_id=bell.id,
                    reply_to=bell.reply,
                    delivery_mode=2,
                )
        return unsendable

    def _headers_of(self, bell: Bell) -> dict[str, Any]:
        """Read the headers of a recorded message. Raises for what workers would refuse, each time that it is sent.

        Others than we may write records. A step that this worker does not know is one of a newer worker, which takes
        it; for a request that it does not know, Celery has sent a failure.
        """
        for part in (bell.body, bell.headers, bell.reply):
            part.encode()
        headers: dict[str, Any] = json.loads(bell.headers)
        coding = {"content-type": CONTENT_TYPE, "content-encoding": ENCODING}
        item = {"headers": headers, "body": bell.body, "properties": {"delivery_tag": ""}, **coding}
        if why := objection(item):
            raise ValueError(why)
        if written(*json.loads(bell.body)) != bell.body:
            raise ValueError("its body is not written as workers write it, who would take it for another one")
        if headers.get(JOB_HEADER) == bell.id and headers["task"] not in self._app.tasks:
            raise ValueError(f"workers do not know {headers['task']}")
        return headers
