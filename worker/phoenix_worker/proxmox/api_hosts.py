"""Several addresses of one Proxmox: in which order they are asked, and the error when none can be used."""

from __future__ import annotations

import logging
import threading
import time
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.proxmox.error_table import LOST_ANSWER, NO_CONNECTION
from phoenix_worker.proxmox.silence import node_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phoenix_worker.proxmox.translate import Request

logger = logging.getLogger(__name__)

PORT = 8006
"""Where pveproxy listens."""
AWAY_SECONDS = 60.0
"""Until an address that did not answer is asked again. The wait for it is paid once in so many seconds."""
_LOGIN = 401


class ApiHosts:
    """Known by their places in a list; the first that is not left is asked. For any number of threads."""

    def __init__(self, names: Sequence[str], now: Callable[[], float] = time.monotonic) -> None:
        self._names = names
        self._until = [0.0] * len(names)
        self._now = now
        self._lock = threading.Lock()

    def in_order(self) -> list[int]:
        """Return the places of all: those that are not left, by their order in the list, then the first left first."""
        with self._lock:
            now = self._now()
            return sorted(range(len(self._until)), key=lambda at: (self._until[at] > now and self._until[at], at))

    def leave(self, place: int, why: str) -> None:
        """Ask the others for a while."""
        with self._lock:
            now, until = self._now(), self._until[place]
            self._until[place] = now + AWAY_SECONDS
        if len(self._names) > 1 and until <= now:
            name = self._names[place]
            logger.warning("Proxmox's address %s is skipped for %.0f s: %s", name, AWAY_SECONDS, why)

    def failure(
        self, request: Request, failed: Sequence[tuple[int, TransientError | PermanentError]]
    ) -> TransientError | PermanentError:
        """Return the error of a call that none of these addresses took. It may pass if that of one may."""
        errors = [error for _, error in failed]
        first = next((error for error in errors if isinstance(error, TransientError)), errors[0])
        if len(failed) == 1:
            return first
        whys: dict[str, list[str]] = {}
        for place, error in failed:
            why = error.message.removeprefix(f"Unable to {request.doing}: ").rstrip(".")
            whys.setdefault(why, []).append(self._names[place])
        told = "; ".join(f"{', '.join(names)}: {why}" for why, names in whys.items())
        message = f"Unable to {request.doing}: no address in PHOENIX_PROXMOX_HOST can be used. {told}."
        remedy = " ".join(dict.fromkeys(error.remedy for error in errors))
        failure = type(first)(message, cause=first.cause, remedy=remedy)
        failure.__cause__ = first.__cause__
        return failure


def is_of_address(request: Request, status: int) -> bool:
    """Return whether an answer shows trouble at the address, so that another may be asked: this one did nothing.

    A node that has lost `/etc/pve` knows no tokens: 401. What has no node in its path is answered by the address
    itself, or by whatever stands before it.
    """
    if status == _LOGIN:
        return True
    lost = NO_CONNECTION if request.changes_something else NO_CONNECTION | LOST_ANSWER
    return node_of(request) is None and status in lost
