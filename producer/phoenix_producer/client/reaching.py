"""Redis's troubles: each is told with where Redis is, why it cannot be used, and what to do about it."""

from __future__ import annotations

import os
import re
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from redis import RedisError
from redis.backoff import ExponentialBackoff, NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.retry import Retry

from phoenix_producer.client.channel import LoginRefused, NoSuchDatabase, Unreachable
from phoenix_producer.client.connection import redis_client
from phoenix_producer.client.redis_url import REDIS_URL_VARIABLE, place_of
from phoenix_producer.client.redis_words import is_refused_by_sentinels, remedy_of, without_database, words_of
from phoenix_producer.client.secret_files import REDIS_PASSWORD_VARIABLE, password_variable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_producer.client.redis_url import RedisPlace

CONNECT_SECONDS = 1.5
ANSWER_SECONDS = 5.0
_QUOTED = r"(?P<quote>['\"]).*(?P=quote)"
"""As Docker reads it from an env file: quotes are a part of the value there."""


@contextmanager
def reaching(place: RedisPlace) -> Iterator[None]:
    """Turn what redis-py raises in the block into Unreachable, which names the place without its password."""
    try:
        yield
    except AuthenticationError as error:
        raise LoginRefused(f"Redis at {place.shown()} {_login_of(place, str(error))}") from error
    except RedisError as error:
        if absent := without_database(str(error)):
            raise NoSuchDatabase(f"Redis at {place.shown()} {absent}") from error
        why = words_of(str(error))
        trouble = LoginRefused if is_refused_by_sentinels(why) else Unreachable
        raise trouble(f"Redis at {place.shown()} cannot be used: {why}. {remedy_of(why)}") from error


def greet(url: str) -> None:
    """Have Redis answer once, for who does not want to wait for a silent one as often as a service does.

    Raises Unreachable, and ContractError for a URL that is not one.
    """
    retry = Retry(ExponentialBackoff(cap=0.5, base=0.1), 3, (RedisConnectionError,))
    times = {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": ANSWER_SECONDS}
    with (
        reaching(place_of(url)),
        redis_client(url, protocol=2, retry=retry, **times) as client,
        suppress(NoPermissionError),  # it has answered
    ):
        client.ping()


def insist_on_login(url: str) -> None:
    """Ask Redis once whether it knows who asks, for who starts and then waits for a Redis that is away.

    Raises LoginRefused and NoSuchDatabase, of which nothing cures but another setting, and ContractError for a URL that
    is not one.
    """
    times = {"socket_connect_timeout": CONNECT_SECONDS, "socket_timeout": CONNECT_SECONDS}
    try:
        with reaching(place_of(url)), redis_client(url, protocol=2, retry=Retry(NoBackoff(), 0), **times) as client:
            client.ping()
    except (LoginRefused, NoSuchDatabase):
        raise
    except Unreachable:
        return


def _login_of(place: RedisPlace, why: str) -> str:
    """Say what is wrong with a login, and where it is to be corrected."""
    source = password_variable(os.environ, place.password)
    form = "redis://:PASSWORD@HOST:PORT/0, with special characters of the password percent-encoded"
    in_url = f"It reads {form}."
    if place.password is None:
        remedy = f"{in_url} Or set {REDIS_PASSWORD_VARIABLE}."
        return f"wants a password, and PHOENIX_REDIS_URL has none. {remedy}"
    if "any password configured" in why:
        return f"has no password, and {source} gives one."
    remedy = in_url if source == REDIS_URL_VARIABLE else "Correct it there; it is taken as it is, without encoding."
    quotes = " Remove the quotes around it if they are not part of it." if re.fullmatch(_QUOTED, place.password) else ""
    user = f"the user {place.username} with " if place.username else ""
    if user and source != REDIS_URL_VARIABLE:
        remedy += f" The user is that of {REDIS_URL_VARIABLE}."
    return f"refuses {user}the password in {source}. {remedy}{quotes}"
