"""Looks at many CTIDs side by side, for answers that are only shown. Each is as if it were looked at alone."""

from __future__ import annotations

import logging
import time
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from contextvars import copy_context
from typing import TYPE_CHECKING, TypeVar

from redis import RedisError

from phoenix_worker.actions.place import NO_NODE
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.durable.patience import is_passing
from phoenix_worker.durable.run import GivenUpError
from phoenix_worker.proxmox.error_table import UNREACHABLE
from phoenix_worker.proxmox.shared_reads import shared_since

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration

T = TypeVar("T")
W = TypeVar("W")

logger = logging.getLogger(__name__)

_AT_ONCE = 16
_PAUSES = (0.2, 0.5, 1.0)
"""Seconds until a look that failed for a passing reason is made again."""
_WAITED_FOR = 3.0
"""Seconds in which a node that a plan needs may come back."""
_TOLD_EVERY = 0.2
"""Seconds between two notes of how far it is."""


@contextmanager
def shared_looks(task: PhoenixTask) -> Iterator[None]:
    """Let what the block reads to answer a request be served by any read that began after the request was made."""
    run = task.running
    with shared_since(time.monotonic() - max(0.0, run.claimed_at - run.created)):
        yield


def only_shown(task: PhoenixTask, error: TransientError) -> TransientError | PermanentError:
    """Return the error of an answer that is only shown: of nodes that fail it, it tells long before patience ends.

    Raises TransientError when Proxmox as a whole does not answer.
    """
    run = task.running
    return shown_after(task, error, 0.0 if run.since is None else run.claimed_at - run.since)


def shown_after(task: PhoenixTask, error: TransientError, waited: float) -> TransientError | PermanentError:
    """Return it as `only_shown`, after so many seconds in which it was waited for."""
    if error.cause not in {UNREACHABLE, NO_NODE} or waited < _WAITED_FOR:
        return error
    _raise_if_all_is_away(task)
    return PermanentError(error.message, cause=error.cause, remedy=error.remedy)


def side_by_side(
    task: PhoenixTask,
    declarations: Sequence[Declaration],
    look: Callable[[Declaration], T],
    trouble: Callable[[Declaration, str], T],
) -> list[T]:
    """Return what each look gave, in the order of the declarations; `trouble` makes the answer of one that failed.

    Raises TransientError when Proxmox as a whole does not answer: then the request is run again.
    """

    def told(declaration: Declaration, error: Exception) -> T:
        if not isinstance(error, PermanentError | TransientError):
            logger.error("Unexpected error while looking at CT %s.", declaration.ctid, exc_info=error)
            return trouble(declaration, f"Unexpected error: {type(error).__name__}: {error}.")
        return trouble(declaration, error.message)

    return each(task, declarations, lambda declaration: _patiently(lambda: look(declaration)), told)


def each(
    task: PhoenixTask,
    wanted: Sequence[W],
    look: Callable[[W], T],
    trouble: Callable[[W, Exception], T],
    *,
    done_before: int = 0,
) -> list[T]:
    """Return what each look gave, in order; `trouble` makes the answer of one that failed.

    `done_before` are counted with them where it is noted how far it is. Raises TransientError when Proxmox as a whole
    does not answer, and GivenUpError when the request was cancelled meanwhile.
    """

    def look_at(one: W) -> T:
        try:
            return look(one)
        except Exception as error:
            if is_passing(error):
                raise
            if isinstance(error, TransientError) and error.cause == UNREACHABLE:
                _raise_if_all_is_away(task)
            return trouble(one, error)

    with shared_looks(task):
        if len(wanted) <= 1:
            return [look_at(one) for one in wanted]
        with ThreadPoolExecutor(min(_AT_ONCE, len(wanted)), thread_name_prefix="phoenix-look-at") as pool:
            looks = [pool.submit(copy_context().run, look_at, one) for one in wanted]
            try:
                pause = 0.0
                while (state := wait(looks, pause, FIRST_EXCEPTION)).not_done:
                    for done in state.done:
                        done.result()
                    _tell_how_far(task, len(state.done) + done_before, len(looks) + done_before)
                    pause = _TOLD_EVERY
            finally:
                pool.shutdown(cancel_futures=True)
    return [done.result() for done in looks]


def _patiently(look: Callable[[], T]) -> T:
    """Look, and for a while again when that fails for a passing reason; not for a node that does not answer."""
    for pause in _PAUSES:
        try:
            return look()
        except TransientError as error:
            if error.cause == UNREACHABLE:
                raise
            time.sleep(pause)
    return look()


def _raise_if_all_is_away(task: PhoenixTask) -> None:
    with suppress(PermanentError):
        task.proxmox.cluster()


def _tell_how_far(task: PhoenixTask, count: int, total: int) -> None:
    """Note it for whoever waits, who can do without. Raises GivenUpError when nobody does."""
    why = None
    with suppress(RedisError):
        why = task.engine.ledger.note_looked(task.running, count, total)
    if why is not None:
        raise GivenUpError(why)
