"""Results of child processes, read whole: Celery 5.7 drops what it has read of one when Redis drops.

Its loop reads a result as far as the pipe has it, and goes on when the rest comes. A lost connection resets the loop,
which forgets such a beginning; the rest is then read as a result of its own, and the worker ends with
`UnpicklingError`. Celery completes the read when it shuts down (`ResultHandler._finish_partial_read`), and not here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from celery.concurrency import asynpool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class WholeResults(asynpool.ResultHandler):
    """Goes on with a result that has begun to come, also in a loop that begins again."""

    def __init__(self, *args: Any, **options: Any) -> None:
        self.fileno_to_outq: dict[int, Any]
        super().__init__(*args, **options)
        self._begun: dict[int, tuple[Any, Iterator[None]]] = {}
        """By pipe: the child that writes to it, and what reads on."""

    def _recv_message(
        self, add_reader: Callable[..., None], fd: int, callback: Callable[[Any], None]
    ) -> Iterator[None]:
        child = self.fileno_to_outq[fd]
        before, reading = self._begun.pop(fd, (None, None))
        if reading is None or before is not child:  # the pipe of a child that died may have its number
            reading = super()._recv_message(add_reader, fd, callback)  # type: ignore[misc]  # not in its stubs
        self._begun[fd] = (child, reading)
        try:
            for _ in reading:  # `yield from` would close it when the loop forgets this one
                yield
        except Exception:
            del self._begun[fd]
            raise
        del self._begun[fd]


def read_whole() -> None:
    """Have the pools of this process read so."""
    asynpool.AsynPool.ResultHandler = WholeResults
