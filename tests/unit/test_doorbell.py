from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
import redis
from celery import Celery
from kombu.exceptions import OperationalError

from phoenix_worker.durable.doorbell import Doorbell
from phoenix_worker.durable.ledger import Bell
from phoenix_worker.durable.message_form import written

if TYPE_CHECKING:
    from collections.abc import Iterator

HEADERS: dict[str, Any] = {"task": "t.known", "id": "a", "phoenix_job": "a"}
BELL = Bell("a", "phoenix.resume", written([], {}, {}), json.dumps(HEADERS), "")
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


@pytest.fixture
def app() -> Iterator[Celery]:
    with Celery("rings", broker="memory://", set_as_current=False) as app:

        @app.task(name="t.known", shared=False)
        def known() -> None: ...

        yield app


REFUSED: dict[str, dict[str, str]] = {
    "a time limit": {"headers": json.dumps(HEADERS | {"timelimit": [1, 1]})},
    "an expiry": {"headers": json.dumps(HEADERS | {"expires": "2020-01-01"})},
    "a result that is wanted perhaps": {"headers": json.dumps(HEADERS | {"ignore_result": []})},
    "a group that is none": {"headers": json.dumps(HEADERS | {"group": {}})},
    "a count that is none": {"headers": json.dumps(HEADERS | {"retries": ""})},
    "what embeds in headers": {"headers": json.dumps(HEADERS | {"callbacks": []})},
    "keywords that are none": {"body": "[[], [], {}]"},
    "a body that is none": {"body": "[[]]"},
    "a body that somebody has written anew": {"body": "[[],{},{}]"},
    "brackets in brackets": {"body": f"[[{'[' * 100}{']' * 100}], {{}}, {{}}]"},
    "a request that nobody knows": {"headers": json.dumps(HEADERS | {"task": "t.future"})},
}


@pytest.mark.parametrize("wrong", REFUSED)
def test_what_workers_would_refuse_each_time_is_not_sent(wrong: str, app: Celery) -> None:
    """It was sent again for ever: its job stays open, whoever refuses the message."""
    bad = BELL._replace(**REFUSED[wrong])
    unsendable = Doorbell(app)([bad, BELL._replace(id="b", headers=json.dumps(HEADERS | {"phoenix_job": "b"}))])
    assert list(unsendable) == ["a"]
    assert unsendable["a"].startswith("its message cannot be sent: ")


def test_a_step_of_a_newer_worker_is_sent_for_it(app: Celery) -> None:
    step = BELL._replace(headers=json.dumps(HEADERS | {"task": "t.future", "phoenix_job": "another"}))
    assert Doorbell(app)([step]) == {}
