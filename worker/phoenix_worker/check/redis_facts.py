"""What a Redis says of itself, read for `phoenix-lxc check`."""

from __future__ import annotations

import shlex
import time
import uuid
from typing import TYPE_CHECKING, Any

from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from redis.sentinel import SentinelConnectionPool

from phoenix_producer.client.record import PREFIX
from phoenix_producer.client.redis_url import place_of
from phoenix_producer.contract import QUEUE, UPKEEP_QUEUE
from phoenix_worker.core.checkup.redis import RedisFacts

if TYPE_CHECKING:
    from collections.abc import Callable

    from redis import Redis

    from phoenix_producer.client.redis_url import RedisPlace

_LOOPBACK = ("127.", "::1", "localhost")
_DEFAULT_HOSTS = ("127.0.0.1", "localhost")
_DEFAULT_PORT = 6379
_ASKED = ("appendonly", "appendfsync", "maxmemory-policy")


def redis_facts(client: Redis, url: str) -> RedisFacts:
    """Read all of it; `client` decodes answers. Raises RedisError when it does not answer or refuses the login."""
    server, rest = (
        client.info("server"),
        client.info("persistence") | client.info("memory") | client.info("replication"),
    )
    place = place_of(url)
    return RedisFacts(
        product=_product(server),
        compatible=tuple(int(part) for part in str(server["redis_version"]).split(".")),
        role=str(rest.get("role", "master")),
        clustered="cluster" in (server.get("redis_mode"), server.get("server_mode")),  # Valkey has another name for it
        config=_config(client),
        append_only_works=rest.get("aof_last_write_status", "ok") == "ok",
        used_bytes=int(rest.get("used_memory", 0)),
        limit_bytes=int(rest.get("maxmemory", 0)),
        clock_ahead_s=_clock(client),
        encrypted=place.is_encrypted,
        password=place.password is not None,
        local=all(host.startswith(_LOOPBACK) for host, _ in place.hosts),
        user=place.username or "default",
        set_aside=_set_aside(client),
        forbidden=_forbidden(client),
        open_to_all=place.username not in (None, "default") and _open_to_all(client),
        options=cli_options(place, *_address(client, place)),
    )


def cli_options(place: RedisPlace, host: str, port: int) -> str:
    """Return the options with which `redis-cli` reaches what a URL names, each with a space behind it."""
    options = [
        *(["-h", host] if host not in _DEFAULT_HOSTS else []),
        *(["-p", str(port)] if port != _DEFAULT_PORT else []),
        *(["--tls"] if place.is_encrypted else []),
        *(["--cacert", place.options["ssl_ca_certs"]] if "ssl_ca_certs" in place.options else []),
    ]
    return "".join(f"{shlex.quote(one)} " for one in options)


def _address(client: Redis, place: RedisPlace) -> tuple[str, int]:
    """Return host and port; of a server that Sentinels know, those that they name."""
    pool = client.connection_pool
    if isinstance(pool, SentinelConnectionPool):
        host, port = pool.get_master_address()  # type: ignore[no-untyped-call]  # of redis-py
        return str(host), int(port)
    return place.hosts[0]


def _product(server: dict[str, Any]) -> str:
    if "valkey_version" in server:
        return f"Valkey {server['valkey_version']}"
    return f"Redis {server['redis_version']}"


def _config(client: Redis) -> dict[str, str] | None:
    try:
        told = [client.config_get(name) for name in _ASKED]
    except ResponseError:
        return None
    return {str(name): str(value) for answer in told for name, value in answer.items()}


def _set_aside(client: Redis) -> int:
    try:
        return int(client.zcard(f"{PREFIX}aside"))
    except ResponseError:
        return 0


def _clock(client: Redis) -> float:
    asked = time.time()
    seconds, micros = client.time()
    return float(seconds) + float(micros) / 1e6 - (asked + time.time()) / 2


def _open_to_all(client: Redis) -> bool:
    """Return whether the ledger can be written without a login: as the user `default`, which needs no password.

    RESET logs a connection out, whatever way it was made in (https://redis.io/docs/latest/commands/reset/).
    """
    connection = client.connection_pool.get_connection()
    try:
        for command in (("RESET",), ("SET", f"{PREFIX}check:{uuid.uuid4()}", 1, "PX", 1000)):
            connection.send_command(*command)  # type: ignore[no-untyped-call]  # of redis-py
            connection.read_response()
    except (ResponseError, AuthenticationError):
        return False
    finally:
        connection.disconnect()  # type: ignore[no-untyped-call]  # it is nobody's now
        client.connection_pool.release(connection)
    return True


def _forbidden(client: Redis) -> tuple[str, ...]:
    """Try what a worker does, on a key of this check's own that ends by itself."""
    key, channel = f"{PREFIX}check:{uuid.uuid4()}", f"celery-task-meta-{uuid.uuid4()}"
    tries: dict[str, Callable[[], object]] = {
        f"write to {PREFIX}*": lambda: client.set(key, 1, px=1000),
        "run scripts": lambda: client.eval("return redis.call('PEXPIRE', ARGV[1], 1000)", 0, key),
        f"read the queue {QUEUE}": lambda: client.lrange(QUEUE, 0, 0),
        f"take from the queue {QUEUE}": lambda: client.lrem(QUEUE, 0, key),
        f"take from the queue {UPKEEP_QUEUE}": lambda: client.lrem(UPKEEP_QUEUE, 0, key),
        "read _kombu.*": lambda: client.sismember(f"_kombu.binding.{QUEUE}", key),
        "store results in celery-task-meta-*": lambda: client.set(channel, 1, px=1000),
        "count chords in celery-taskset-meta-*": lambda: client.set(f"celery-taskset-meta-{uuid.uuid4()}", 1, px=1000),
        "publish results": lambda: client.publish(channel, ""),
    }
    return tuple(what for what, attempt in tries.items() if not _allowed(attempt))


def _allowed(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except NoPermissionError:
        return False
    except ResponseError as error:
        # What is refused inside a script comes as the script's error.
        return not any(word in str(error) for word in ("NOPERM", "ACL failure", "permissions"))
    return True
