"""The lines of `phoenix-lxc check` about Redis, whole."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from phoenix_producer.client.redis_url import place_of
from phoenix_worker.check.redis_facts import cli_options
from phoenix_worker.core.checkup import redis
from phoenix_worker.core.checkup.line import Level, Line

OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR
SOUND = redis.RedisFacts(
    product="Valkey 9.1.2",
    compatible=(7, 2, 4),
    config={"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"},
)
IN_ORDER = [
    Line("Redis version", OK, "Valkey 9.1.2"),
    Line("Redis role", OK, "a single server or a primary"),
    Line("Redis persistence", OK, "append-only file, fsync everysec"),
    Line("Redis eviction", OK, "noeviction"),
    Line("Redis clock", OK, "differs by 0.0 s at most from this machine's"),
    Line("Redis user", OK, "default may do what a worker does"),
]


def test_what_is_in_order_is_listed() -> None:
    assert list(redis.judge(SOUND)) == IN_ORDER


REDIS: list[tuple[dict[str, Any], Line]] = [
    (
        {"compatible": (6, 2, 14), "product": "Redis 6.2.14"},
        Line(
            "Redis version",
            WARNING,
            "Redis 6.2.14 is older than what this is tested on",
            "Use Redis 7 or newer, or Valkey.",
        ),
    ),
    ({"compatible": (7,)}, IN_ORDER[0]),
    (
        {"clustered": True},
        Line("Redis role", ERROR, "it is a Redis Cluster, which Celery does not support", "Use a single server."),
    ),
    (
        {"role": "slave"},
        Line("Redis role", ERROR, "it is a replica: it takes no writes", "Set PHOENIX_REDIS_URL to the primary."),
    ),
    (
        {"config": None},
        Line(
            "Redis settings",
            WARNING,
            "this user may not read it, so maxmemory-policy and appendonly are unknown",
            "Check that appendonly is yes and maxmemory-policy is noeviction, or allow +config|get.",
        ),
    ),
    (
        {"config": {"appendonly": "no"}},
        Line(
            "Redis persistence",
            ERROR,
            "appendonly is no: a restart of Redis loses what is under way, and workers refuse to start",
            "redis-cli CONFIG SET appendonly yes && redis-cli CONFIG REWRITE",
        ),
    ),
    ({"config": {"appendonly": "yes"}}, Line("Redis persistence", OK, "append-only file, fsync unknown")),
    (
        {"append_only_works": False},
        Line(
            "Redis persistence",
            ERROR,
            "it could not write its append-only file",
            "See the server's log: its disk may be full or broken.",
        ),
    ),
    (
        {"config": {"appendonly": "yes", "appendfsync": "no"}},
        Line(
            "Redis persistence",
            WARNING,
            "appendfsync is no: a power cut may lose half a minute",
            "redis-cli CONFIG SET appendfsync everysec && redis-cli CONFIG REWRITE",
        ),
    ),
    (
        {"config": {"maxmemory-policy": "volatile-lru"}},
        Line(
            "Redis eviction",
            ERROR,
            "maxmemory-policy is volatile-lru: Redis would evict locks and jobs, and workers refuse to start",
            "redis-cli CONFIG SET maxmemory-policy noeviction && redis-cli CONFIG REWRITE",
        ),
    ),
    (
        {"config": {"maxmemory-policy": "volatile-lru"}, "password": True, "options": "-h redis.example "},
        Line(
            "Redis eviction",
            ERROR,
            "maxmemory-policy is volatile-lru: Redis would evict locks and jobs, and workers refuse to start",
            "redis-cli -h redis.example --askpass CONFIG SET maxmemory-policy noeviction && "
            "redis-cli -h redis.example --askpass CONFIG REWRITE",
        ),
    ),
    ({"config": {}}, Line("Redis eviction", OK, "noeviction")),
    (
        {"used_bytes": 81, "limit_bytes": 100},
        Line(
            "Redis memory",
            WARNING,
            "81% of maxmemory is in use: a full one accepts no requests",
            "Raise maxmemory, or find what else is stored in this server: redis-cli --bigkeys",
        ),
    ),
    (
        {"set_aside": 2},
        Line(
            "Ledger",
            WARNING,
            "2 tasks are set aside: their records cannot be handled",
            "`phoenix-lxc jobs` lists their jobs as set-aside; end each with `phoenix-lxc cancel JOB`.",
        ),
    ),
    ({"clock_ahead_s": -2.0}, Line("Redis clock", OK, "differs by 2.0 s at most from this machine's")),
    (
        {"clock_ahead_s": 30.4},
        Line(
            "Redis clock",
            WARNING,
            "it is 30 s ahead of this machine's: the times of jobs, and of webhooks' signatures, are by it",
            "Synchronize both clocks: timedatectl set-ntp true",
        ),
    ),
    (
        {"clock_ahead_s": -2.6},
        Line(
            "Redis clock",
            WARNING,
            "it is 3 s behind this machine's: the times of jobs, and of webhooks' signatures, are by it",
            "Synchronize both clocks: timedatectl set-ntp true",
        ),
    ),
    (
        {"forbidden": ("run scripts", "publish"), "user": "worker"},
        Line(
            "Redis user",
            ERROR,
            "worker lacks the permission to run scripts, or to publish",
            "Give the worker's user what docs/security.md lists: ACL SETUSER.",
        ),
    ),
    (
        {"open_to_all": True, "user": "worker", "password": True, "options": "-p 6380 "},
        Line(
            "Redis default user",
            WARNING,
            "it needs no password: anyone who reaches Redis may do everything, not only worker",
            "Give it one: redis-cli -p 6380 ACL SETUSER default resetpass '>ADMINPASSWORD', then ACL SAVE. Or turn "
            "it off: ACL SETUSER default off (docs/security.md).",
        ),
    ),
    (
        {"local": False, "password": True},
        Line(
            "Redis encryption",
            WARNING,
            "the connection is not encrypted, and Redis is on another machine",
            "Use rediss:// in PHOENIX_REDIS_URL (docs/security.md), unless the network is yours alone.",
        ),
    ),
    (
        {"local": False, "encrypted": True},
        Line(
            "Redis password",
            WARNING,
            "PHOENIX_REDIS_URL has none: anyone who reaches Redis can have containers created",
            "Set requirepass, or a user of its own (docs/security.md).",
        ),
    ),
]


@pytest.mark.parametrize(("fact", "line"), REDIS)
def test_a_line_about_redis(fact: dict[str, Any], line: Line) -> None:
    lines = list(redis.judge(replace(SOUND, **fact)))
    assert line in lines
    assert len({one.about for one in lines}) == len(lines)


@pytest.mark.parametrize(("used", "limit"), [(80, 100), (100, 0), (0, 100)])
def test_a_redis_with_room_is_no_line(used: int, limit: int) -> None:
    assert list(redis.judge(replace(SOUND, used_bytes=used, limit_bytes=limit))) == IN_ORDER


@pytest.mark.parametrize(
    ("trouble", "remedy"),
    [
        ("SSL: WRONG_VERSION_NUMBER", "No TLS at this port: let PHOENIX_REDIS_URL name the one with TLS"),
        ("ssl: record layer failure", "No TLS at this port"),
        ("certificate has expired", "Renew the certificate of Redis."),
        ("Certificate verify failed", "Set PHOENIX_REDIS_CA_FILE to the CA"),
        ("Connection closed by server.", "Is it a Redis? If it expects TLS there"),
        ("Connection Reset by peer", "Is it a Redis? If it expects TLS there"),
        ("Connection refused", "Check that Redis runs there, or correct the address: PHOENIX_REDIS_URL, or --re"),
        ("no sslots", "Check that Redis runs there"),
    ],
)
def test_a_connection_that_there_is_none_of_has_its_remedy(trouble: str, remedy: str) -> None:
    assert redis.remedy_of(trouble).startswith(remedy)


@pytest.mark.parametrize(
    ("url", "options"),
    [
        ("redis://localhost:6379/3", ""),
        ("redis://redis.example/0", "-h redis.example "),
        ("redis://joe:s3cret@127.0.0.1:6380/0", "-p 6380 "),
        (
            "rediss://:s3cret@[fd00::1]:6380/0?ssl_ca_certs=/etc/my ca.pem",
            "-h fd00::1 -p 6380 --tls --cacert '/etc/my ca.pem' ",
        ),
    ],
)
def test_redis_cli_is_told_where_redis_is_and_no_password(url: str, options: str) -> None:
    place = place_of(url)
    assert cli_options(place, *place.hosts[0]) == options
