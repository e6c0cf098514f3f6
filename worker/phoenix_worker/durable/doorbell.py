"""Puts messages that the ledger holds on their queues: of parked tasks that resume, and of messages that got lost.

A message is the doorbell; the ledger is the truth.
"""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

from phoenix_worker.durable.crash_points import reached
from phoenix_worker.durable.patience import SENDING_TROUBLE

if TYPE_CHECKING:
    from celery import Celery

    from phoenix_worker.durable.ledger import Bell

logger = logging.getLogger(__name__)


class Doorbell:
    """Puts stored messages on their queues, byte for byte as they were sent first."""

    def __init__(self, app: Celery) -> None:
        self._app = app

    def __call__(self, bells: list[Bell]) -> None:
        """Publish; what cannot be published now is repeated by a later tick."""
        reached("woken-unpublished")
        try:
            self._publish(bells)
        except SENDING_TROUBLE:
            self._publish_anew(bells)

    def _publish_anew(self, bells: list[Bell]) -> None:
        """Once more, on another connection: one that died in silence is found when it is used. Doubles do no harm."""
        try:
            self._publish(bells)
        except SENDING_TROUBLE as error:
            logger.warning("%d messages could not be sent now (%s); they are sent later.", len(bells), error)

    def _publish(self, bells: list[Bell]) -> None:
        with self._app.producer_pool.acquire(block=True) as producer:
            for bell in bells:
                producer.publish(
                    bell.body,
                    exchange="",
                    routing_key=bell.queue,
                    content_type="application/json",
                    content_encoding="utf-8",
                    headers=json.loads(bell.headers),
                    correlation_id=bell.id,
                    reply_to=bell.reply,
                    delivery_mode=2,
                )
