"""Nodes that do not answer, so that calls to one of them do not take all threads from the others.

Any node of a cluster passes calls on to the node in their path. When that node's cable is out, its callers hang for
30 s. So only a few may read from one node at the same time, and each read is given a second, or more where the node has
lately been slow. One that ends without an answer, while the node gave no other, makes the node *silent*: from then on
one call at a time, of all that the worker's processes make, finds out whether it answers again, with all the time there
is unless who asks has another way, and the others fail at once. A refusal is an answer: a node whose pveproxy is away
says so at once.
"""

from __future__ import annotations

import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.proxmox.error_table import UNREACHABLE
from phoenix_worker.proxmox.one_probe import OneProbe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phoenix_worker.proxmox.translate import Request

READS_AT_ONCE = 8
"""From one node: half of the threads of a worker, by default."""
FIRST_SECONDS = 1.0
"""For an answer that takes some hundredths as a rule."""
_SLACK = 3.0
"""So many times what its answers took lately is waited for one of a slow node."""
_PAUSE = 1.0
"""Seconds until a silent node is asked again by those who have another way."""
_NODE = re.compile(r"nodes/([^/]+)/")
_QUICK = re.compile(r"/(config|pending|status|status/current|lxc|tasks)$")
SILENT_REMEDY = (
    "Check that the node, its network and its pveproxy are up. What stands on it may still run, so nothing of it is "
    "made on another node; what is migrated, or recovered by Proxmox's HA, is followed."
)


class NoAnswerError(TransientError):
    """A node did not answer in time, or is known not to."""

    def __init__(self, request: Request, why: str, *, within: float) -> None:
        """Say `why`; `within` are the seconds that it was given, or would have been."""
        super().__init__(f"Unable to {request.doing}: {why}.", cause=UNREACHABLE, remedy=SILENT_REMEDY)
        self.within = within


def node_of(request: Request) -> str | None:
    """Name the node that a call is passed on to; None when any node answers it."""
    found = _NODE.match(request.path)
    return found[1] if found else None


@dataclass(slots=True)
class _Node:
    """What is known of one."""

    reads: int = 0
    """Quick reads under way."""
    heard: float = float("-inf")
    """When it gave the last answer."""
    pace: float = 0.0
    """Seconds that its answers took lately."""
    silent_since: float | None = None
    is_probed: bool = False
    probed: float = float("-inf")
    """When the last call was over that found out whether it answers."""


@dataclass(slots=True)
class Turn:
    """One call to a node. `answered` or `unanswered` must be said before it is over."""

    began: float
    seconds: float
    is_quick: bool
    """Whether its kind is answered in some hundredths of a second as a rule."""
    is_counted: bool
    """Whether it is one of the few that may read at the same time."""
    is_probe: bool
    _node: _Node = field(repr=False)
    _lock: threading.Condition = field(repr=False)
    _now: Callable[[], float] = field(repr=False)

    def answered(self) -> None:
        """Say that there was an answer, whatever it says."""
        with self._lock:
            self._node.heard = self._now()
            self._node.silent_since = None
            if self.is_quick:
                self._node.pace = max(self._node.heard - self.began, self._node.pace / 2)

    def unanswered(self) -> None:
        """Say that there was none in the time that it was given."""
        with self._lock:
            if self._node.heard < self.began and self._node.silent_since is None:
                self._node.silent_since = self.began


class Silence:
    """Knows of every node which calls are under way to it; for any number of threads."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic) -> None:
        """Remember nothing yet. `seconds` is all the time that an answer may take."""
        self._seconds = seconds
        self._now = now
        self._changed = threading.Condition()
        self._one_probe = OneProbe()
        self._nodes: dict[str, _Node] = {}

    @contextmanager
    def asking(self, name: str, request: Request, *, longer: bool = False) -> Iterator[Turn]:
        """Let a call be made, within the seconds of its turn. Raises NoAnswerError for one to a silent node.

        `longer`: it had no answer in the first seconds, and is given all the time there is.
        """
        turn = self._turn(name, request, longer=longer)
        try:
            yield turn
        finally:
            with self._changed:
                node = self._nodes[name]
                node.reads -= turn.is_counted
                if turn.is_probe:
                    node.is_probed, node.probed = False, self._now()
                    self._one_probe.end(name)
                self._changed.notify_all()

    def _turn(self, name: str, request: Request, *, longer: bool) -> Turn:
        is_quick = request.method == "GET" and _QUICK.search(request.path) is not None
        with self._changed:
            node = self._nodes.setdefault(name, _Node())
            while node.silent_since is None and is_quick and not longer and node.reads >= READS_AT_ONCE:
                self._changed.wait(FIRST_SECONDS)
            began = self._now()
            probed = node.is_probed or (not request.patient and began - node.probed < _PAUSE)
            if node.silent_since is not None and (probed or not self._one_probe.begin(name)):
                why = f"{name} has not answered for {began - node.silent_since:.0f} s"
                raise NoAnswerError(request, why, within=self._seconds)
            is_probe = node.silent_since is not None
            is_counted = is_quick and not is_probe and not longer
            node.is_probed |= is_probe
            node.reads += is_counted
            short = is_counted or not request.patient
            seconds = min(self._seconds, max(FIRST_SECONDS, _SLACK * node.pace)) if short else self._seconds
            return Turn(began, seconds, is_quick, is_counted, is_probe, node, self._changed, self._now)
