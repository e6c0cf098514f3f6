"""The Celery app of Flower: `celery -A phoenix_producer.monitor flower`.

It needs Redis, and neither the catalog nor Proxmox's secrets. What Flower publishes by `async-apply` is in the ledger
before it is in the queue, as with the producer; nothing is ever run here.
"""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING, Any

from celery import Celery, Task

from phoenix_producer import flower_history
from phoenix_producer.client.connection import configured_elsewhere, overruled, redis_client, with_settings
from phoenix_producer.client.record import Recorder, recording
from phoenix_producer.client.redis_url import REDIS_CA_FILE_VARIABLE, place_of, verified
from phoenix_producer.client.secret_files import redis_url_of
from phoenix_producer.contract import (
    QUEUE,
    REFUSE,
    REQUESTS,
    RESUME_QUEUE,
    UPKEEP_QUEUE,
    ContractError,
    EnsureFailed,
    queue_of,
)
from phoenix_producer.plain_text import plain

if TYPE_CHECKING:
    from celery.result import AsyncResult
    from redis import Redis

_SECONDS = 5.0
_TAKEN = {"task_id", "queue"}
_SETTINGS = {
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    "task_default_queue": QUEUE,
    "task_queues": {QUEUE: {}, UPKEEP_QUEUE: {}, RESUME_QUEUE: {}},
    "broker_connection_retry_on_startup": True,
    "broker_transport_options": {
        "priority_steps": [0, 3, 6, 9],
        "ack_emulation": False,  # its keys, `unacked…`, are those of other Celery apps too, and beyond our Redis user
        "socket_timeout": _SECONDS,
        "socket_connect_timeout": _SECONDS,
    },
    "redis_socket_timeout": _SECONDS,
    "redis_socket_connect_timeout": _SECONDS,
}


class Request(Task):  # type: ignore[type-arg] # the parameters are those of stubs alone
    """What may be asked of workers."""

    abstract = True
    redis: Redis
    replicated: bool

    def apply_async(self, args: Any = None, kwargs: Any = None, *_: Any, **options: Any) -> AsyncResult[Any]:
        """Record a request, then put it on the queue of the workers, whatever queue Flower was given.

        Raises ContractError for what would end the message without the workers: an expiry, a countdown, callbacks.
        """
        if refused := sorted(name for name in options.keys() - _TAKEN if options[name]):
            raise ContractError(f"Not supported for a request: {', '.join(refused)}. Only the arguments are taken.")
        queue = queue_of(self.name, kwargs if isinstance(kwargs, dict) else {})
        with recording(Recorder(self.redis, "Flower", replicated=self.replicated)):
            return super().apply_async(args, kwargs, task_id=options.get("task_id"), queue=queue)


def _asked_for(*_: Any, **__: Any) -> None:
    raise NotImplementedError("Workers run this.")


def build(url: str) -> Celery:
    """Build the app; nothing is connected yet."""
    app = Celery("phoenix_monitor")  # the current one: Flower reads results by that alone
    app.conf.update(with_settings(_SETTINGS, url))
    client = redis_client(url, socket_timeout=_SECONDS, socket_connect_timeout=_SECONDS)
    replicated = place_of(url).master is not None
    base = type("MonitorRequest", (Request,), {"abstract": True, "redis": client, "replicated": replicated})
    for name in sorted(REQUESTS - {REFUSE}):
        app.task(name=name, base=base)(_asked_for)
    _adapt_flower(client)
    return app


def _adapt_flower(client: Redis) -> None:
    """Ask for a login before `/metrics`, which Flower shows to everybody; begin with the jobs that the ledger has.

    Its API tells a failure as programs read it; without that, as a text.
    """
    try:
        from flower.api.tasks import BaseTaskHandler  # noqa: PLC0415 - as below
        from flower.events import Events  # noqa: PLC0415 - an extra
        from flower.views.monitor import Metrics  # noqa: PLC0415 - as above
        from tornado.web import authenticated  # noqa: PLC0415 - as flower
    except ImportError:  # `celery inspect` needs no Flower
        return
    Metrics.get = authenticated(Metrics.get)
    safe_result = BaseTaskHandler.safe_result
    BaseTaskHandler.safe_result = lambda handler, result: (
        result.args[0] if isinstance(result, EnsureFailed) else safe_result(handler, result)
    )
    flower_history.use(Events, client)
    logging.getLogger("flower.inspector").addFilter(_without_workers)


def _without_workers(record: logging.LogRecord) -> bool:
    """Flower asks at its start for workers, four times at once, and takes it for a failure that there are none yet."""
    return record.msg != "Inspect method %s failed"


def _app_of_this_process() -> Celery:
    if problems := [*overruled(os.environ), *configured_elsewhere(os.environ)]:
        print(plain("\n".join(problems)), file=sys.stderr)  # noqa: T201 - read by whoever starts Flower
        raise SystemExit(2)
    try:
        return build(verified(redis_url_of(os.environ), os.environ.get(REDIS_CA_FILE_VARIABLE)))
    except ContractError as error:
        print(plain(str(error)), file=sys.stderr)  # noqa: T201 - read by whoever starts Flower
        raise SystemExit(2) from error


app = _app_of_this_process()
