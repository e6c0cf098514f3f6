"""What Redis and its client say of a trouble, without what is around it, and what to do about it. Pure."""

from __future__ import annotations

import re

_AROUND = re.compile(
    r"^Command # \d+ \(.*?\) of pipeline caused error: |ACL failure in script: |,? ?script: (?:\S+, )?on @\w+:\d+",
    re.DOTALL,
)
"""What redis-py and Lua put around the words of Redis."""
_SENTINEL = re.compile(
    r"<redis\.client\.Redis\(.*?\bhost=(?P<host>[^,)]+),port=(?P<port>\d+).*?\)>\)>\)> - (?P<why>.*?)(?=, <redis\.|$)",
    re.DOTALL,
)
"""How redis-py names a Sentinel that named no master: by all of its connection."""
_REFUSES = "refuses the login"
_NO_SUCH_DATABASE = "DB index"
_REMEDIES = {
    rf"the Sentinel \S+ {_REFUSES}": "Correct the password of the Sentinels: PHOENIX_SENTINEL_PASSWORD, or "
    "sentinel_password in PHOENIX_REDIS_URL.",
    r"No master found for '[^']*'$": "Correct the name of the master in PHOENIX_REDIS_URL. If it is right, the "
    "Sentinels choose a new one: try again in a moment.",
    "previous master": "Not all Sentinels name the new master yet: try again in a moment.",
    "unknown command .SENTINEL": "No Sentinel answers at this port: name theirs in PHOENIX_REDIS_URL, or begin it with "
    "redis://.",
    "maxmemory": "Give Redis more memory: maxmemory in its configuration.",
    "read only replica|link with master is down": "Let PHOENIX_REDIS_URL name the primary: replicas take no writes.",
    "good replicas": "It takes writes again when enough replicas are connected: min-replicas-to-write in its "
    "configuration.",
    "wrong kind of value|not an integer": "Another program has written where phoenix-lxc keeps its own; a worker that "
    "runs puts it right: try again in a moment.",
    "no permission": "docs/security.md lists what each role may do.",
    "loading the dataset|is loading|busy running a script": "Try again in a moment.",
    "snapshots|MISCONF|write.*AOF": "Redis's log says why it cannot write to its disk.",
    "max number of clients": "Raise maxclients in Redis's configuration, or end clients of it.",
    "unknown command": "Use Redis 7 or newer, or Valkey.",
    "MOVED |cluster": "Use a single server, or Sentinel: Celery does not support Redis Cluster.",
    "protocol error": "It is not Redis that answers there: correct the port in PHOENIX_REDIS_URL.",
    "wrong version number|record layer|packet length": "No TLS at this port: let PHOENIX_REDIS_URL name the one with "
    "TLS, or begin with redis://.",
    r"\bssl\b|certificate": "Set PHOENIX_REDIS_CA_FILE to the CA, and PHOENIX_REDIS_URL to a name in the certificate.",
    "closed by server|reset by peer": "Is it a Redis? If it expects TLS there, let PHOENIX_REDIS_URL begin with "
    "rediss://.",
    "timeout (reading|connecting)": "Is it a Redis, and does it answer others? With rediss:// in PHOENIX_REDIS_URL it "
    "must speak TLS at that port, with redis:// it must not.",
}
_NOBODY = "Check that Redis runs there, or correct the address: PHOENIX_REDIS_URL, or --redis-url."


def words_of(trouble: str) -> str:
    """Return what was said, without what is around it, and without a full stop."""
    return _SENTINEL.sub(_of_sentinel, _AROUND.sub("", trouble)).strip().rstrip(".")


def _of_sentinel(found: re.Match[str]) -> str:
    why = found["why"]
    refused = _REFUSES if "AuthenticationError" in why else why.rpartition(":")[2].strip()
    said = "does not answer" if re.match("ConnectionError|TimeoutError", refused) else refused
    return f"the Sentinel {found['host']}:{found['port']} {said}"


def without_database(said: str) -> str:
    """Return what is wrong, and what to do, where Redis says that it has no database of that number; '' otherwise."""
    if _NO_SUCH_DATABASE not in said:
        return ""
    return "has no database with that number. Correct it in PHOENIX_REDIS_URL: it is the same for workers and clients."


def is_refused_by_sentinels(words: str) -> bool:
    """Return whether it is Sentinels that want another password, and none of them has answered."""
    return f" {_REFUSES}" in words and "the Sentinel " in words


def remedy_of(words: str) -> str:
    """Say what to do about it."""
    found = (remedy for pattern, remedy in _REMEDIES.items() if re.search(pattern, words, re.IGNORECASE))
    return next(found, _NOBODY)
