"""The engine of one worker process: its ledger, its two background threads, and what they have in common."""

from __future__ import annotations

import json
import logging
import time
import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import bootsteps
from celery.worker import state
from redis import RedisError
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from phoenix_producer.client.connection import redis_client
from phoenix_producer.client.redis_url import REDIS_URL_VARIABLE
from phoenix_worker.durable import control, transport
from phoenix_worker.durable.celery_settings import SILENCE
from phoenix_worker.durable.chord import chord_lease
from phoenix_worker.durable.doorbell import Doorbell
from phoenix_worker.durable.events import Events
from phoenix_worker.durable.keeper import Keeper
from phoenix_worker.durable.ledger import MAX_IDLE_RUNS, Ledger
from phoenix_worker.durable.patience import patience, tell_once
from phoenix_worker.durable.pool_results import read_whole
from phoenix_worker.durable.reconnects import LATELY, Reconnects, process_of
from phoenix_worker.durable.redis_check import objections
from phoenix_worker.durable.results import store_patiently
from phoenix_worker.durable.watcher import Prober, Watcher

if TYPE_CHECKING:
    from collections.abc import Collection

    from celery import Celery
    from redis import Redis

    from phoenix_worker.durable.run import Run

logger = logging.getLogger(__name__)

_ONE_SECOND = 1.0

_GIVE_UP = json.dumps(
    {
        "message": f"A worker died in each of {MAX_IDLE_RUNS} runs of this step, without progress.",
        "cause": "poisonous",
        "remedy": "See the workers' logs for what killed them; then send the request again.",
    }
)

_NO_VERDICT = json.dumps(
    {
        "message": f"The result of this step could not be stored in any of {MAX_IDLE_RUNS} runs.",
        "cause": "poisonous",
        "remedy": "See the workers' logs for what Celery could not do (a callback of the message, for example); "
        "then send the request again.",
    }
)


def ledger_client(url: str, on_connect: Reconnects) -> Redis:
    """Return a client that opens closed connections again, and sees dead ones in seconds. What waits is `patience`."""
    client = redis_client(
        url,
        socket_timeout=SILENCE,
        socket_connect_timeout=SILENCE,
        socket_keepalive=True,
        redis_connect_func=on_connect,
        # Not after a timeout: it would be said after as many of them as there are attempts, to connect and to ask.
        retry=Retry(NoBackoff(), 1, supported_errors=(RedisConnectionError,)),
    )
    patience.renew.append(partial(client.connection_pool.disconnect, inuse_connections=False))
    return client


def take_revoked() -> list[str]:
    """Take the ids that Celery was told to revoke out of this worker's memory.

    Left there, the worker would drop the very message that ends the task in order.
    """
    told = list(state.revoked)
    for task_id in told:
        state.revoked.discard(task_id)
    return [str(task_id) for task_id in told]


def tasks_here() -> set[str]:
    """Return the ids of what this worker has taken from its queues and not ended.

    Celery's table of ids forgets one when a second message of it ends; its set of what runs does not.
    """
    while True:
        try:
            return set(state.requests) | {request.id for request in state.active_requests}
        except RuntimeError:  # it changed while it was read
            continue


class Engine:
    """Everything durable tasks need in a process. `ttl` and `patience` are seconds.

    `public` names the tasks that others may publish, or embed in what they publish; None is any. `password_setting`
    names where the password in `url` is from.
    """

    def __init__(
        self,
        app: Celery,
        url: str,
        prober: Prober,
        *,
        ttl: float,
        patience: float,
        public: Collection[str] | None = None,
        password_setting: str = REDIS_URL_VARIABLE,
    ) -> None:
        self.incarnation = uuid.uuid4().hex
        self._public = public
        self.password_setting = password_setting
        self.patience = patience
        self.events = Events(app)
        self.reconnects = Reconnects()
        self.ledger = Ledger(ledger_client(url, self.reconnects), Doorbell(app))
        self.keeper = Keeper(
            self.ledger,
            self.incarnation,
            ttl=ttl,
            max_idle_runs=MAX_IDLE_RUNS,
            give_up=_GIVE_UP,
            chord_lease=chord_lease(app.conf),
            revoked=take_revoked,
            running=tasks_here,
            queues=lambda: app.amqp.queues.consume_from,
            went_back=self.note_loss,
            events=self.events,
        )
        self.watcher = Watcher(self.ledger, self.incarnation, prober, expected=self.keeper.expected)

    def attach(self, app: Celery) -> None:
        """Make workers of this app start and stop the engine."""
        engine = self
        store_patiently(app, self.ledger.is_anothers)
        tell_once()
        read_whole()
        transport.use(self._public, partial(self._claims, app))
        control.refuse()

        class EngineStep(bootsteps.StartStopStep):
            """Starts before the pool takes tasks and stops after it has ended them."""

            requires = ("celery.worker.components:Pool",)

            def start(self, _parent: Any) -> None:
                client, setting = engine.ledger.client, engine.password_setting
                if problems := objections(client, state.maybe_shutdown, password_setting=setting):
                    logger.critical("This Redis cannot be used: %s", " ".join(problems))
                    raise SystemExit(2)
                # Celery makes it at first use: threads that do so at once may find it with kombu's own limit, and fail.
                _ = app.amqp.producer_pool
                engine.meet()
                engine.keeper.start()
                engine.watcher.start()

            def stop(self, _parent: Any) -> None:
                for thread in (engine.watcher, engine.keeper):
                    try:
                        thread.stop()
                    except RedisError as error:
                        logger.warning(
                            "Redis is unreachable (%s) while this worker stops. Others take over its tasks when its "
                            "heartbeat expires.",
                            error,
                        )

        class ReturnStep(bootsteps.StartStopStep):
            """Celery stops and starts the parts of its consumer when Redis drops: in between, Redis is waited for.

            Celery itself begins again at once, several times a second, when Redis answers but takes no writes; and up
            to half a minute late after a long outage. A Sentinel that lags behind the others sends it to the old master
            a few times; after five in a second Celery logs a critical error.
            """

            returned = float("-inf")

            def start(self, consumer: Any) -> None:
                engine.events.join(consumer)

            def stop(self, consumer: Any) -> None:
                if consumer.blueprint.state == bootsteps.RUN:  # type: ignore[attr-defined]  # not in its stubs
                    if time.monotonic() - self.returned < _ONE_SECOND:
                        time.sleep(_ONE_SECOND / 2)
                    patience.until_answered(engine.write, meanwhile=state.maybe_shutdown)
                    self.returned = time.monotonic()

        app.steps["worker"].add(EngineStep)
        app.steps["consumer"].update((ReturnStep, control.ShownBroker))

    def _claims(self, app: Celery, name: str) -> bool:
        """Return whether a task claims what it runs; Celery's own, such as `celery.map`, do not."""
        return getattr(app.tasks.get(name), "engine", None) is self

    def meet(self) -> None:
        """Record which server answers, and whether it is the one that the workers before this one met."""
        process = patience.until_answered(lambda: process_of(self.ledger.client), meanwhile=state.maybe_shutdown)
        self.ledger.call("meet", process, LATELY)

    def note_loss(self) -> None:
        """Have this worker look for forgotten orders, and those that start within the next minutes."""
        self.reconnects.note()
        patience.until_answered(lambda: self.ledger.client.set(self.ledger.key("replaced"), 1, ex=LATELY))

    def put_back(self, run: Run) -> None:
        """Run a task again that ended without a verdict: its result could not be stored, say. Not for ever."""
        try:
            if run.fail:
                self.ledger.finish(run, "failed", json.loads(run.fail))
            else:
                self.ledger.requeue(run, MAX_IDLE_RUNS, _NO_VERDICT)
        except RedisError as error:
            self._refuse(run, error)

    def _refuse(self, run: Run, error: RedisError) -> None:
        try:
            self.ledger.refuse(run.id, run.number.partition("/")[2], error)
        except RedisError as refused:
            # Celery believes that it runs for as long as this worker lives.
            self.keeper.leave(run)
            logger.warning("Redis refuses to take task %s back (%s). That is repeated in each tick.", run.id, refused)

    def write(self) -> None:
        """Raise what Redis has against being written to."""
        self.ledger.client.set(self.ledger.key("written"), 1, px=1000)
