"""kombu's Redis transport, but an item of a queue that is no message ends no worker.

kombu has no hook between Redis and the parsing of an item, and an exception there ends the worker (ADR 7).
"""

from __future__ import annotations

import json
import logging
import uuid
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from kombu.exceptions import OperationalError
from kombu.serialization import register
from kombu.transport import TRANSPORT_ALIASES, redis
from kombu.utils.json import dumps
from redis import RedisError

from phoenix_producer.client.record import JOB_HEADER
from phoenix_producer.contract import QUEUE, REFUSE, RESUME_QUEUE, UPKEEP_QUEUE
from phoenix_worker.durable.admission import is_recorded, objection_to_request
from phoenix_worker.durable.message_form import REFUSED, body_of, id_of, message, objection, reduced, written
from phoenix_worker.durable.patience import patience
from phoenix_worker.durable.signatures import is_canonical

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

logger = logging.getLogger(__name__)

_QUEUES = (QUEUE, UPKEEP_QUEUE, RESUME_QUEUE)
_SHOWN = 200
_TYPED = "__type__"
_PARSING = (ValueError, ArithmeticError, LookupError, TypeError, RecursionError)
"""What kombu's parser raises for text that is no JSON, or that pretends to be one of its own types."""


def _plain(value: dict[str, Any]) -> Any:
    """Return the text of a UUID that kombu has written as one of its types: Celery's clients may give ids so."""
    inner = value.get("__value__")
    if value.get(_TYPED) != "uuid" or not isinstance(inner, dict) or not isinstance(inner.get("hex"), str):
        return value
    try:
        return str(uuid.UUID(inner["hex"]))
    except ValueError:
        return value


def _parsed(text: str) -> Any:
    """Parse an item; every error has the text, in which the sender's id may be found."""
    try:
        return json.loads(text, object_hook=_plain if _TYPED in text else None)
    except (ValueError, RecursionError) as error:
        raise error if isinstance(error, json.JSONDecodeError) else json.JSONDecodeError(str(error), text, 0) from error


def _text_in(error: Exception) -> str | None:
    """Return what could not be parsed, as far as the error has it."""
    return error.doc if isinstance(error, json.JSONDecodeError) else None


def _shown(item: Any) -> str:
    try:
        return repr(item)[:_SHOWN]
    except RecursionError:
        return "nested too deeply to be shown"


_channels: WeakSet[_Refusing] = WeakSet()


class _Refusing:
    """Puts a refusal in the place of an item that cannot be parsed."""

    connection: Any
    _pool: Any = None
    _registered: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _channels.add(self)

    def renew(self) -> None:
        """Close what is idle. A consumer's connections are not: Celery sees to them."""
        if self._pool is not None and not self._registered:
            self._pool.disconnect(inuse_connections=False)

    def _brpop_read(self, **options: Any) -> Any:
        self.connection.delivering = False
        try:
            return super()._brpop_read(**options)  # type: ignore[misc]  # not in the stubs
        except _PARSING as error:
            if self.connection.delivering:
                raise
            self.connection.refuse(_text_in(error), f"it is not JSON ({error})", QUEUE)
            return True


class Channel(_Refusing, redis.Channel):
    """That of redis:// and rediss://."""


class SentinelChannel(_Refusing, redis.SentinelChannel):
    """That of sentinel://."""


class _Answering:
    """Delivers what Celery can run, and for anything else a refusal, which answers whoever can be answered."""

    delivering = False
    public: Collection[str] | None = None
    """The tasks that anybody may have run; None where messages are not held to any."""
    is_ours: Callable[[str], bool]
    """Whether a task claims its message before it runs. Celery's own, which workers have too, do not."""

    def refuse(self, item: Any, why: str, queue: str) -> None:
        """Deliver the task that fails with the reason, under the id that the item has, if it has one.

        An id that is not canonical is no key of the ledger: its sender is answered under it, by a task of another id.
        """
        logger.warning("An item of the queue %s is refused: %s. It was %s", queue, why, _shown(item))
        given = id_of(item)
        if given is None or is_canonical(given):
            refusal = message(REFUSE, queue, given or str(uuid.uuid4()), why)
        else:
            refusal = message(REFUSE, queue, str(uuid.uuid5(uuid.NAMESPACE_OID, repr(given))), why, given)
        super()._deliver(refusal, queue)  # type: ignore[misc]  # kombu's

    def _deliver(self, message: Any, queue: Any) -> None:
        self.delivering = True
        if queue not in _QUEUES:
            self._pass_on(message, queue)
        elif why := self._objection(message, queue):
            self.refuse(message, why, queue)
        elif self._is_taken(message):
            super()._deliver(reduced(message), queue)  # type: ignore[misc]  # kombu's
        else:
            self._decline(reduced(message)["headers"], body_of(message), queue)

    def _pass_on(self, item: Any, queue: str) -> None:
        """Deliver a command to workers, or what one of them tells the others; drop what is neither.

        Whoever may publish there reaches all workers at once, and what is raised here ends each of them.
        """
        try:
            super()._deliver(item, queue)  # type: ignore[misc]  # kombu's
        except (OSError, RedisError, OperationalError):
            raise
        except Exception as error:  # noqa: BLE001 - of any kind: what is read there has no form of its own
            logger.warning("An item for %s is dropped: it cannot be read (%r). It was %s", queue, error, _shown(item))

    def _is_taken(self, item: dict[str, Any]) -> bool:
        return self.public is None or not is_recorded(item) or self.is_ours(item["headers"]["task"])

    def _decline(self, headers: dict[str, Any], body: Any, queue: str) -> None:
        """Do not run a recorded message whose task no durable one of these workers is; a newer worker may know it.

        A request is answered, if this is what the ledger has under its id. A step is left to other workers: sent again.
        """
        name = headers["task"]
        logger.warning("A message of the queue %s names %s, which these workers do not run.", queue, _shown(name))
        if headers[JOB_HEADER] != headers["id"] or headers.get("replaced_task_nesting"):
            return
        why = f"the workers do not know {name}; if newer ones do, upgrade them"
        refusal = message(REFUSE, queue, headers["id"], why)
        refusal["headers"] |= headers | {"task": REFUSE, REFUSED: [name, written(*body)]}
        super()._deliver(refusal, queue)  # type: ignore[misc]  # kombu's

    def _objection(self, message: Any, queue: str) -> str | None:
        try:
            why = objection(message)
            if why is not None or self.public is None or is_recorded(message):
                return why
            return objection_to_request(message, self.public, queue)
        except Exception as error:  # what is raised here ends the worker
            logger.exception("An item of the queue %s cannot be judged.", queue)
            return f"it cannot be read ({type(error).__name__})"


class Transport(_Answering, redis.Transport):
    """That of redis:// and rediss://."""

    Channel = Channel


class SentinelTransport(_Answering, redis.SentinelTransport):
    """That of sentinel://."""

    Channel = SentinelChannel


def renew() -> None:
    """Close the idle connections on which this process publishes."""
    for channel in list(_channels):
        channel.renew()


def use(public: Collection[str] | None, is_ours: Callable[[str], bool]) -> None:
    """Have all that this process connects to by redis://, rediss:// and sentinel:// use these transports.

    With `public`, what others push may name only these tasks, and embed no others; and what is in the ledger only what
    `is_ours`.
    """
    _Answering.public, _Answering.is_ours = public, staticmethod(is_ours)
    # kombu makes objects of what calls itself one of its types, in an item and in a body. No message of ours has such,
    # and with a wrong value it raises anything: the message is lost without an answer, or the worker ends.
    redis.loads = _parsed  # type: ignore[attr-defined]  # not in the stubs
    register("json", dumps, json.loads, "application/json", "utf-8")
    # By its name in `broker_transport` it would take the place of redis:// in Celery's banner and before Flower, which
    # shows no queues of a broker that it does not know.
    patience.renew.append(renew)
    TRANSPORT_ALIASES.update(dict.fromkeys(("redis", "rediss"), f"{__name__}:{Transport.__name__}"))
    TRANSPORT_ALIASES["sentinel"] = f"{__name__}:{SentinelTransport.__name__}"
