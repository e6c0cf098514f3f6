"""Which Redis is meant, and completion of CTIDs from its workers: if that fails, nothing is offered or printed."""

# No postponed annotations here: typer reads them.
import logging
import os
from collections.abc import Callable
from typing import Annotated

import typer

from phoenix_producer.client.redis_url import REDIS_CA_FILE_VARIABLE, REDIS_URL_VARIABLE, verified
from phoenix_producer.client.secret_files import redis_url_of

REDIS_URL, REDIS_CA_FILE = "_redis_url", "_redis_ca_file"
"""The options of `phoenix-lxc` itself, as its context has them."""
RedisUrl = Annotated[
    str,
    typer.Option(
        "--redis-url",
        metavar="URL",
        envvar=REDIS_URL_VARIABLE,
        help="Use the Redis of the workers: redis://[:PASSWORD@]HOST:PORT/DB",
    ),
]
RedisCaFile = Annotated[
    str | None,
    typer.Option(
        "--redis-ca-file",
        metavar="FILE",
        envvar=REDIS_CA_FILE_VARIABLE,
        help="Trust this CA for a rediss:// URL, beside those of the machine.",
    ),
]
_SECONDS = 1.0
_LIBRARIES = ("celery", "kombu", "redis")

Completions = list[tuple[str, str]]


def redis_of(context: typer.Context) -> str:
    """Return the URL of the Redis that the command line or the environment names. Raises ContractError."""
    top = context.find_root()
    given = getattr(top.get_parameter_source(REDIS_URL), "name", "") == "COMMANDLINE"
    return verified(top.params[REDIS_URL] if given else redis_url_of(os.environ), top.params[REDIS_CA_FILE])


def ctids(context: typer.Context, incomplete: str) -> Completions:
    """Offer the CTIDs of the catalog, with their names."""
    return _offered(context, incomplete, lambda _: True)


def template_ctids(context: typer.Context, incomplete: str) -> Completions:
    """Offer the CTIDs of the catalog's templates, with their names."""
    return _offered(context, incomplete, lambda is_template: is_template)


def _offered(context: typer.Context, incomplete: str, wanted: Callable[[bool], bool]) -> Completions:
    from phoenix_producer.client.declared import declared  # noqa: PLC0415 - Celery is slow to import

    for library in _LIBRARIES:
        logging.getLogger(library).addHandler(logging.NullHandler())
    try:
        found = declared(redis_of(context), incomplete, seconds=_SECONDS)
    except Exception:  # noqa: BLE001 - the shell is in the middle of a line: there is no place for an error
        return []
    return [(str(one.ctid), one.name) for one in found if wanted(one.is_template)]
