from __future__ import annotations

from typing import Any

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from phoenix_worker.durable.doorbell import Doorbell
from phoenix_worker.durable.ledger import Bell

BELL = Bell("id", "phoenix.resume", "[]", "{}", "")
CLOSED_MEANWHILE = AttributeError("'NoneType' object has no attribute 'client'")


@pytest.mark.parametrize(
    "error",
    [OperationalError("away"), redis.ConnectionError("away"), redis.OutOfMemoryError("full"), CLOSED_MEANWHILE],
)
def test_what_cannot_be_sent_now_breaks_nothing(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """A task's word rings for others too: that it cannot must not end the task."""
    app = Celery("rings", broker="memory://", set_as_current=False)

    class Broken:
        def __enter__(self) -> Any:
            raise error

        def __exit__(self, *_: object) -> None: ...

    with app, pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.producer_pool, "acquire", lambda **_: Broken())
        Doorbell(app)([BELL])
    assert "they are sent later" in caplog.text
