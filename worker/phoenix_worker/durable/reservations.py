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
        """Read all of it at once, but for what others wrote there that nobody can read."""
        _, made, live, lately, drained = self._ledger.call("reserved")
        values = dict(zip(map(str, live[::2]), map(_value, live[1::2]), strict=True))
        return Reserved(
            str(made),
            {name: value for name, value in values.items() if value is not None},
            tuple(value for value in map(_value, lately) if value is not None),
            frozenset(map(str, drained)),
        )

    def end(self, names: Iterable[str]) -> None:
        """Keep these no longer: what they were for is seen."""
        if wanted := tuple(names):
            self._ledger.call("unreserve", *wanted)

    def chosen(self, job: str, what: str) -> Any:
        """Return what a job has chosen; None if it has not."""
        key = self._ledger.key("job:", job)
        text = patience.until_answered(lambda: self._ledger.client.hget(key, f"chosen:{what}"))
        return None if text is None else json.loads(text)


def _value(text: str) -> Any:
    """Read a reservation; None for what is none."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
