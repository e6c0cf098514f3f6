"""A ledger at one moment, read in two round trips: what must be true of it is asked of that, some sixty questions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from redis import Redis


@dataclass(frozen=True)
class LedgerRead:
    """Its keys with what they hold; what is not there is empty."""

    held: dict[str, Any]
    ttl: dict[str, int]

    def tasks(self) -> list[str]:
        """The ids of all records."""
        return [key.removeprefix("phoenix:t:") for key in self.held if key.startswith("phoenix:t:")]

    def field(self, task_id: str, name: str) -> str:
        """A field of a record."""
        return str(self.held.get(f"phoenix:t:{task_id}", {}).get(name, ""))

    def scores(self, key: str) -> dict[str, float]:
        """A sorted set."""
        return dict(self.held.get(f"phoenix:{key}", ()))

    def members(self, key: str) -> set[str]:
        """A set."""
        return set(self.held.get(f"phoenix:{key}", ()))

    def hash(self, key: str) -> dict[str, str]:
        """A hash."""
        return dict(self.held.get(f"phoenix:{key}", {}))

    def followers(self) -> dict[str, set[str]]:
        """By leader."""
        found = [key.split(":")[2] for key in self.held if key.endswith(":followers")]
        return {leader: self.members(f"job:{leader}:followers") for leader in found}


def read(client: Redis) -> LedgerRead:
    """Read all but streams and plain values; nothing may write meanwhile. `client` decodes its answers."""
    keys = [str(key) for key in client.scan_iter("phoenix:*", count=1000)]
    with client.pipeline(transaction=False) as pipe:
        asked = [key for key in keys if _ask(pipe, key)]
        records = [key for key in keys if key.startswith("phoenix:t:")]
        for key in records:
            pipe.ttl(key)
        answers = pipe.execute()
    return LedgerRead(
        held=dict(zip(asked, answers[: len(asked)], strict=True)),
        ttl=dict(zip(records, answers[len(asked) :], strict=True)),
    )


def writes(client: Redis) -> int:
    """Count the changes that Redis has made."""
    return int(client.info("persistence")["rdb_changes_since_last_save"])


def _ask(pipe: Any, key: str) -> bool:
    """Ask for a key by what its name says of its type; False for one that nobody asks about."""
    kind, last = key.split(":")[1], key.rpartition(":")[2]
    if kind == "runs" or (kind, last) in {("job", "followers"), ("job", "members"), ("ev", "w")}:
        pipe.smembers(key)
    elif kind in {"lock", "due", "workers"}:
        pipe.zrange(key, 0, -1, withscores=True)
    elif kind in {"t", "parked"} or (kind == "job" and key.count(":") == 2):
        pipe.hgetall(key)
    else:
        return False
    return True
