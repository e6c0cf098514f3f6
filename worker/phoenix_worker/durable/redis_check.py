"""What a Redis must be so that nothing is lost: checked once, when a worker starts."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from redis.exceptions import ResponseError

from phoenix_worker.durable.patience import patience

if TYPE_CHECKING:
    from redis import Redis

logger = logging.getLogger(__name__)


def objections(client: Redis) -> list[str]:
    """Name what is wrong with a Redis; nothing if it does not let itself be asked. Waits until it answers."""
    config = _configuration(client)
    problems = []
    policy = config.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        problems.append(f"maxmemory-policy is {policy}: Redis would throw locks and jobs away. Set it to noeviction.")
    if config.get("appendonly", "yes") != "yes":
        problems.append("appendonly is no: a restart of Redis would lose jobs. Set it to yes.")
    return problems


def _configuration(client: Redis) -> dict[str, str]:
    def ask() -> dict[str, str]:
        return {
            str(name): str(value)
            for pattern in ("maxmemory-policy", "appendonly")
            for name, value in client.config_get(pattern).items()
        }

    try:
        return patience.until_answered(ask)
    except ResponseError as error:
        logger.warning("Redis does not tell its configuration (%s). See that it neither evicts nor forgets.", error)
        return {}
