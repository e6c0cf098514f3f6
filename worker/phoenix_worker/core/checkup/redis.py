"""Whether this Redis is one that loses nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phoenix_producer.client import redis_words
from phoenix_worker.core.checkup.line import error, fine, warning
from phoenix_worker.core.model.tls_trouble import TlsTrouble, tls_trouble

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from phoenix_worker.core.checkup.line import Line

_OLDEST = 7
_NEARLY_FULL = 0.8
_SKEW_S = 2.0
_TLS = {
    TlsTrouble.NOT_TLS: "No TLS at this port: let PHOENIX_REDIS_URL name the one with TLS, or begin with redis://.",
    TlsTrouble.EXPIRED: "Renew the certificate of Redis. If it has not expired, correct this machine's clock.",
    TlsTrouble.NOT_YET_VALID: "Correct the clocks of this machine and of Redis: timedatectl set-ntp true",
    TlsTrouble.OTHER_NAME: "Let PHOENIX_REDIS_URL have a name in the certificate of Redis.",
    TlsTrouble.WEAK: "Give Redis a certificate with a longer key.",
    TlsTrouble.NOTHING_IN_COMMON: "Allow TLS 1.2 or 1.3 in Redis: tls-protocols, tls-ciphers.",
    TlsTrouble.CLIENT_CERTIFICATE: "Redis wants a client certificate: set tls-auth-clients no, and use a password.",
    TlsTrouble.UNTRUSTED: "Set PHOENIX_REDIS_CA_FILE to the CA, and PHOENIX_REDIS_URL to a name in the certificate.",
}


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """What a server says of itself to the worker's user."""

    product: str
    """`Redis` or `Valkey`, with its own version."""
    compatible: tuple[int, ...]
    """The version of Redis that it counts as."""
    role: str = "master"
    clustered: bool = False
    config: Mapping[str, str] | None = field(default_factory=dict)
    """`appendonly`, `appendfsync`, `maxmemory-policy`; None when the user may not ask."""
    append_only_works: bool = True
    used_bytes: int = 0
    limit_bytes: int = 0
    """0 for none."""
    clock_ahead_s: float = 0.0
    """Of this machine's clock."""
    encrypted: bool = False
    password: bool = False
    local: bool = True
    """The server is on this machine."""
    user: str = "default"
    set_aside: int = 0
    """Records of the ledger that no script can handle."""
    forbidden: tuple[str, ...] = ()
    """Of what a worker does, what the user may not."""
    open_to_all: bool = False
    """Although the user is another one, `default` may write the ledger, without a password."""
    options: str = ""
    """With which `redis-cli` reaches it, without a password, and a space behind each."""


def remedy_of(trouble: str) -> str:
    """Say what to do about a connection that there is none of, from the client's words."""
    if re.search(r"\bssl\b|certificate|record layer", trouble, re.IGNORECASE):
        return _TLS[tls_trouble(trouble)]
    return redis_words.remedy_of(trouble)


def judge(facts: RedisFacts) -> Iterator[Line]:
    """Say what is right and wrong with it."""
    yield _version(facts)
    yield _place(facts)
    if facts.config is None:
        yield warning(
            "Redis settings",
            "this user may not read it, so maxmemory-policy and appendonly are unknown",
            "Check that appendonly is yes and maxmemory-policy is noeviction, or allow +config|get.",
        )
    else:
        yield _persistence(facts, facts.config)
        yield _eviction(facts, facts.config)
    yield from _memory(facts)
    if facts.set_aside:
        yield warning(
            "Ledger",
            f"{facts.set_aside} tasks are set aside: their records cannot be handled",
            "`phoenix-lxc jobs` lists their jobs as set-aside; end each with `phoenix-lxc cancel JOB`.",
        )
    yield _clock(facts.clock_ahead_s)
    yield from _access(facts)
    if facts.open_to_all:
        yield _default_user(facts)


def _options(facts: RedisFacts) -> str:
    """Have `redis-cli` ask for a password: that of the default user, since a worker's own need not configure."""
    return f"{facts.options}--askpass " if facts.password else facts.options


def _version(facts: RedisFacts) -> Line:
    if facts.compatible >= (_OLDEST,):
        return fine("Redis version", facts.product)
    return warning(
        "Redis version",
        f"{facts.product} is older than what this is tested on",
        f"Use Redis {_OLDEST} or newer, or Valkey.",
    )


def _place(facts: RedisFacts) -> Line:
    if facts.clustered:
        return error("Redis role", "it is a Redis Cluster, which Celery does not support", "Use a single server.")
    if facts.role != "master":
        return error("Redis role", "it is a replica: it takes no writes", "Set PHOENIX_REDIS_URL to the primary.")
    return fine("Redis role", "a single server or a primary")


def _persistence(facts: RedisFacts, config: Mapping[str, str]) -> Line:
    about, options = "Redis persistence", _options(facts)
    if config.get("appendonly") == "no":
        return error(
            about,
            "appendonly is no: a restart of Redis loses what is under way, and workers refuse to start",
            f"redis-cli {options}CONFIG SET appendonly yes && redis-cli {options}CONFIG REWRITE",
        )
    if not facts.append_only_works:
        return error(
            about, "it could not write its append-only file", "See the server's log: its disk may be full or broken."
        )
    if config.get("appendfsync") == "no":
        return warning(
            about,
            "appendfsync is no: a power cut may lose half a minute",
            f"redis-cli {options}CONFIG SET appendfsync everysec && redis-cli {options}CONFIG REWRITE",
        )
    return fine(about, f"append-only file, fsync {config.get('appendfsync', 'unknown')}")


def _eviction(facts: RedisFacts, config: Mapping[str, str]) -> Line:
    policy, options = config.get("maxmemory-policy", "noeviction"), _options(facts)
    if policy == "noeviction":
        return fine("Redis eviction", policy)
    return error(
        "Redis eviction",
        f"maxmemory-policy is {policy}: Redis would evict locks and jobs, and workers refuse to start",
        f"redis-cli {options}CONFIG SET maxmemory-policy noeviction && redis-cli {options}CONFIG REWRITE",
    )


def _memory(facts: RedisFacts) -> Iterator[Line]:
    if facts.limit_bytes and facts.used_bytes > _NEARLY_FULL * facts.limit_bytes:
        share = facts.used_bytes / facts.limit_bytes
        yield warning(
            "Redis memory",
            f"{share:.0%} of maxmemory is in use: a full one accepts no requests",
            f"Raise maxmemory, or find what else is stored in this server: redis-cli {_options(facts)}--bigkeys",
        )


def _clock(ahead: float) -> Line:
    if abs(ahead) <= _SKEW_S:
        return fine("Redis clock", f"differs by {abs(ahead):.1f} s at most from this machine's")
    way = "ahead of" if ahead > 0 else "behind"
    return warning(
        "Redis clock",
        f"it is {abs(ahead):.0f} s {way} this machine's: the times of jobs, and of webhooks' signatures, are by it",
        "Synchronize both clocks: timedatectl set-ntp true",
    )


def _default_user(facts: RedisFacts) -> Line:
    return warning(
        "Redis default user",
        f"it needs no password: anyone who reaches Redis may do everything, not only {facts.user}",
        f"Give it one: redis-cli {facts.options}ACL SETUSER default resetpass '>ADMINPASSWORD', then ACL SAVE. Or turn "
        "it off: ACL SETUSER default off (docs/security.md).",
    )


def _access(facts: RedisFacts) -> Iterator[Line]:
    if facts.forbidden:
        yield error(
            "Redis user",
            f"{facts.user} lacks the permission to {', or to '.join(facts.forbidden)}",
            "Give the worker's user what docs/security.md lists: ACL SETUSER.",
        )
    else:
        yield fine("Redis user", f"{facts.user} may do what a worker does")
    if facts.local:
        return
    if not facts.encrypted:
        yield warning(
            "Redis encryption",
            "the connection is not encrypted, and Redis is on another machine",
            "Use rediss:// in PHOENIX_REDIS_URL (docs/security.md), unless the network is yours alone.",
        )
    if not facts.password:
        yield warning(
            "Redis password",
            "PHOENIX_REDIS_URL has none: anyone who reaches Redis can have containers created",
            "Set requirepass, or a user of its own (docs/security.md).",
        )
