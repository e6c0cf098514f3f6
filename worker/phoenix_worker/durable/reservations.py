"""What jobs have reserved until it can be seen, and what each has chosen once for all of its runs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from phoenix_worker.durable.patience import patience

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from phoenix_worker.durable.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Reserved:
    """As of one moment."""

    made: str
    """How many were ever made: a choice that was thought out is refused when it is another number by then."""
    live: Mapping[str, Any]
    """Those of jobs that have not ended, by name."""
    lately: tuple[Any, ...]
    """Those of jobs that ended a moment ago with success."""
    drained: frozenset[str]
    """The nodes that take nothing new."""


class Reservations:
    """Reads the keys `reservations`, `reserved:lately` and `drained`; `settle.lua` writes, and ends, the first two."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def read(self) -> Reserved:
        """Read all of it at once."""
        made, live, lately, drained = patience.until_answered(self._read)
        values = {str(name): json.loads(value) for name, value in live.items()}
        return Reserved(str(made or "0"), values, tuple(map(json.loads, lately)), frozenset(map(str, drained)))

    def end(self, names: Iterable[str]) -> None:
        """Keep these no longer: what they were for is seen."""
        if wanted := tuple(names):
            self._ledger.call("unreserve", *wanted)

    def chosen(self, job: str, what: str) -> Any:
        """Return what a job has chosen; None if it has not."""
        key = self._ledger.key("job:", job)
        text = patience.until_answered(lambda: self._ledger.client.hget(key, f"chosen:{what}"))
        return None if text is None else json.loads(text)

    def _read(self) -> list[Any]:
        key = self._ledger.key
        with self._ledger.client.pipeline(transaction=True) as pipe:
            pipe.get(key("reserved"))
            pipe.hgetall(key("reservations"))
            pipe.zrange(key("reserved:lately"), 0, -1)
            pipe.hkeys(key("drained"))
            return pipe.execute()
