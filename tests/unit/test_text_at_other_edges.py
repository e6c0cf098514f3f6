"""Text of others in webhooks and in Flower's events: no escape sequence of it reaches whoever shows it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given

from phoenix_worker.durable.events import Events
from phoenix_worker.telemetry.webhooks import body_of
from tests.unit.test_text_of_others import _HARMFUL, TEXT


class Dispatcher:
    """Keeps what would be sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    def send(self, kind: str, **fields: Any) -> None:
        self.sent.append({"kind": kind, **fields})


@given(TEXT)
def test_a_webhook_has_nothing_harmful_in_it(text: str) -> None:
    fields = {"at": "1.0", "kind": "failed", "requester": text, "message": text, "job": text, "outcome": text}
    told = json.loads(body_of({**fields, "subject": "103"}))["data"]
    assert not any(_HARMFUL.search(str(value)) for value in told.values())


@given(TEXT)
def test_an_event_that_flower_shows_has_nothing_harmful_in_it(text: str) -> None:
    dispatcher = Dispatcher()
    events = Events(cast("Any", SimpleNamespace(conf=SimpleNamespace(worker_send_task_events=True))))
    events.join(SimpleNamespace(event_dispatcher=dispatcher))
    events.send("task-failed", "an id", exception=text, result=text, runtime=1.0)
    (sent,) = dispatcher.sent
    assert not _HARMFUL.search(sent["exception"] + sent["result"])
    assert sent["runtime"] == 1.0
