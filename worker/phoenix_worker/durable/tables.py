"""What jobs and operators leave in the ledger until somebody takes it away: hashes of JSON, and places in locks."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NamedTuple

from phoenix_worker.durable.patience import patience

if TYPE_CHECKING:
    from phoenix_worker.durable.ledger import Ledger


class Table:
    """A hash of the ledger. It has no TTL: each entry stays until it is dropped."""

    def __init__(self, ledger: Ledger, name: str) -> None:
        self._client, self._key = ledger.client, ledger.key(name)

    def entries(self) -> dict[str, dict[str, Any]]:
        """Return all entries. One that another program has damaged is there, and empty."""
        found = patience.until_answered(lambda: self._client.hgetall(self._key))
        return {str(name): _read(str(text)) for name, text in found.items()}

    def put(self, name: str, entry: dict[str, Any]) -> None:
        """Write an entry."""
        patience.until_answered(lambda: self._client.hset(self._key, name, json.dumps(entry)))

    def drop(self, name: str) -> None:
        """Take an entry away; it may be gone already."""
        patience.until_answered(lambda: self._client.hdel(self._key, name))


def _read(text: str) -> dict[str, Any]:
    try:
        entry = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return entry if isinstance(entry, dict) else {}


class Places(NamedTuple):
    """How a lock with places is used."""

    taken: int
    waiting: int


def places(ledger: Ledger, locks: list[str]) -> dict[str, Places]:
    """Count who has a place in each lock, and who waits for one, in one round trip."""

    def count() -> list[int]:
        with ledger.client.pipeline(transaction=False) as pipe:
            for lock in locks:
                pipe.zcount(ledger.key("lock:", lock), 0, 0)
                pipe.zcount(ledger.key("lock:", lock), "(0", "+inf")
            return list(map(int, pipe.execute()))

    counts = iter(patience.until_answered(count))
    return {lock: Places(next(counts), next(counts)) for lock in locks}
