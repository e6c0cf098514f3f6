"""What a Redis must be so that nothing is lost: checked once, when a worker starts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from redis.exceptions import AuthenticationError, InvalidResponse, ResponseError
from redis.sentinel import MasterNotFoundError

from phoenix_producer.client.redis_url import REDIS_URL_VARIABLE
from phoenix_producer.client.redis_words import is_refused_by_sentinels, remedy_of, without_database, words_of
from phoenix_worker.durable.patience import patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

logger = logging.getLogger(__name__)


class _SentinelsRefuse(Exception):  # noqa: N818 - what it says is the problem
    """Those that know the master do not tell it to this login."""


def objections(
    client: Redis, meanwhile: Callable[[], None], *, password_setting: str = REDIS_URL_VARIABLE
) -> list[str]:
    """Name what is wrong with a Redis; nothing if it does not let itself be asked. Waits until it answers.

    `password_setting` is what is told to be wrong where the login is refused.
    `meanwhile` is called while it does not, and may raise to give up.
    """
    try:
        config = _configuration(client, meanwhile)
    except PermissionError as error:
        return [f"It refuses the password in {password_setting}, or wants one ({error})."]
    except _SentinelsRefuse as error:
        return [f"{error}."]
    except LookupError as error:
        return [f"It {error}"]
    except InvalidResponse as error:
        return [f"It is not Redis that answers ({error}). Correct the port in {REDIS_URL_VARIABLE}."]
    problems = []
    if config.get("cluster-enabled") == "yes":
        problems.append("It is a node of a Redis Cluster. Use a single server, or Sentinel.")
    policy = config.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        problems.append(f"maxmemory-policy is {policy}: Redis would evict locks and jobs. Set it to noeviction.")
    if config.get("appendonly", "yes") != "yes":
        problems.append("appendonly is no: a restart of Redis would lose jobs. Set it to yes.")
    return problems


def _configuration(client: Redis, meanwhile: Callable[[], None]) -> dict[str, str]:
    def ask() -> dict[str, str]:
        try:
            return {
                str(name): str(value)
                for pattern in ("maxmemory-policy", "appendonly", "cluster-enabled")
                for name, value in client.config_get(pattern).items()
            }
        except AuthenticationError as error:
            # At work a changed password is waited for; at the start it is a setting to be corrected.
            raise PermissionError(str(error)) from error
        except MasterNotFoundError as error:
            why = words_of(str(error))
            if not is_refused_by_sentinels(why):
                raise
            raise _SentinelsRefuse(f"{why}. {remedy_of(why)}".rstrip(".")) from error

    try:
        return patience.until_answered(ask, meanwhile=meanwhile)
    except ResponseError as error:
        if absent := without_database(str(error)):
            raise LookupError(absent) from error
        logger.warning(
            "Redis does not show its configuration (%s). Check that maxmemory-policy is noeviction "
            "and appendonly is yes.",
            error,
        )
        return {}
