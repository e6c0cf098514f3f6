"""What Redis and its client say of a trouble, without what is around it, and what to do about it. Pure."""

from __future__ import annotations

import re

_AROUND = re.compile(
    r"^Command # \d+ \(.*?\) of pipeline caused error: |ACL failure in script: |,? ?script: (?:\S+, )?on @\w+:\d+",
    re.DOTALL,
)
"""What redis-py and Lua put around the words of Redis."""
_REMEDIES = {
    "maxmemory": "Give Redis more memory: maxmemory in its configuration.",
    "read only replica|link with master is down": "Let PHOENIX_REDIS_URL name the primary: replicas take no writes.",
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
    return _AROUND.sub("", trouble).strip().rstrip(".")


def remedy_of(words: str) -> str:
    """Say what to do about it."""
    found = (remedy for pattern, remedy in _REMEDIES.items() if re.search(pattern, words, re.IGNORECASE))
    return next(found, _NOBODY)
