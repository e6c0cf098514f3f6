"""What the cluster has, remembered for a minute, and its version, which a worker asks for once."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, TypeVar

from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.planned.datacenter import Datacenter
from phoenix_worker.core.planned.feasibility import Offer
from phoenix_worker.proxmox.error_table import PERMISSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_worker.core.model.ports import Proxmox

T = TypeVar("T")

_REMEMBERED_S = 60.0
_HIDDEN = frozenset({PERMISSION, "not-implemented"})
"""What is not known because of these is decided by Proxmox itself. Any other refusal is trouble, and is told."""


class Offering:
    """Asks Proxmox for storages and bridges, and remembers them for all threads of a worker."""

    def __init__(self, proxmox: Proxmox, clock: Callable[[], float] = time.monotonic) -> None:
        self._proxmox = proxmox
        self._clock = clock
        self._lock = threading.Lock()
        self._known: dict[str, tuple[float, Any]] = {}
        self._version: tuple[int, ...] | None = None

    def on(self, node: str) -> Offer:
        """Tell what a node has. What the token may not ask is not known."""
        return Offer(
            self._ask("", self._proxmox.storages),
            self._ask(node, lambda: self._proxmox.bridges(node)),
        )

    def datacenter(self, *, firewall: bool) -> Datacenter:
        """Tell which tags may be set and what a firewall may name. What the token may not ask is not known."""
        tags = self._ask("tags", self._proxmox.tag_rules)
        if not firewall:
            return Datacenter(tags)
        names = self._ask("firewall names", self._proxmox.firewall_names)
        return Datacenter(tags, names, self._ask("firewall groups", self._proxmox.firewall_groups))

    def machine(self, node: str) -> str:
        """Tell what a node's CPUs are; nothing where the token may not ask."""
        return self._ask(f"machine {node}", lambda: self._proxmox.machine(node)) or ""

    def version(self) -> tuple[int, ...]:
        """Tell the version of Proxmox, which is asked for once."""
        with self._lock:
            known = self._version
        if known is None:
            known = self._proxmox.version()
            with self._lock:
                self._version = known
        return known

    def forget(self) -> None:
        """Ask again the next time."""
        with self._lock:
            self._known.clear()
            self._version = None

    def has_os_template(self, node: str, volume: str) -> bool:
        """Tell whether an OS template is on its storage; one that was not is looked for again.

        Raises PermanentError when the token may not look, as whoever creates from it does.
        """
        storage = volume.partition(":")[0]
        what = f"os-templates {node} {storage}"
        stored: frozenset[str]
        fresh, stored = self._recall(what, frozenset())
        if fresh and volume in stored:
            return True
        stored = self._proxmox.os_templates(node, storage)
        self._remember(what, stored)
        return volume in stored

    def _ask(self, what: str, ask: Callable[[], T]) -> T | None:
        answer: T | None
        fresh, answer = self._recall(what, None)
        if fresh:
            return answer
        try:
            answer = ask()
        except PermanentError as error:
            if error.cause not in _HIDDEN:
                raise
            answer = None
        self._remember(what, answer)
        return answer

    def _recall(self, what: str, default: Any) -> tuple[bool, Any]:
        """Return whether it was asked for within the last minute, and what was answered."""
        with self._lock:
            at, answer = self._known.get(what, (float("-inf"), default))
        return self._clock() - at < _REMEMBERED_S, answer

    def _remember(self, what: str, answer: Any) -> None:
        with self._lock:
            self._known[what] = (self._clock(), answer)
