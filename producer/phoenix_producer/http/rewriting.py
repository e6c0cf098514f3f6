"""A file that commands of several users rewrite: one at a time, by its replacement in one step.

The lock is that of a file beside it, which stays: a lock of the file itself would be of what is no longer there once it
is replaced. What is made takes the owner of the file, or of its directory while there is none, so that a file which
root has rewritten can still be read, and rewritten, by the service it is of.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LOCK_SECONDS = 10.0
_POLL_SECONDS = 0.02
_PRIVATE = 0o600
_OPEN = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def rewriting(path: Path, lock_seconds: float = _LOCK_SECONDS) -> Iterator[Callable[[str], None]]:
    """Give the block, while nobody else is in one for this file, what replaces its content.

    A link stays one: what it leads to is replaced. Owner and mode are kept. Raises OSError, also when others keep the
    lock for `lock_seconds`.
    """
    target = Path(os.path.realpath(path))  # resolve() raises what is no OSError where links go round
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _locked(target, lock_seconds):
        yield lambda text: _replace(target, text)


def _replace(target: Path, text: str) -> None:
    handle, made = tempfile.mkstemp(prefix=f".{target.name}-", dir=target.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fchmod(handle, stat.S_IMODE(target.stat().st_mode) if target.exists() else _PRIVATE)
            _own_as(handle, target)
            os.fsync(handle)
        Path(made).replace(target)
    except BaseException:
        Path(made).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(target: Path, seconds: float) -> Iterator[None]:
    handle = _lock_of(target)
    try:
        deadline = time.monotonic() + seconds
        while not _taken(handle):
            if time.monotonic() > deadline:
                raise OSError(errno.EBUSY, "another command has it locked")
            time.sleep(_POLL_SECONDS)
        yield
    finally:
        os.close(handle)


def _lock_of(target: Path) -> int:
    lock = target.with_name(f".{target.name}.lock")
    with suppress(FileExistsError):
        handle = os.open(lock, _OPEN | os.O_CREAT | os.O_EXCL, _PRIVATE)
        _own_as(handle, target)
        return handle
    return os.open(lock, _OPEN)


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _own_as(handle: int, target: Path) -> None:
    """Give what was just made to the owner of the target, which for others than that owner takes root."""
    owner = (target if target.exists() else target.parent).stat()
    made = os.fstat(handle)
    if (owner.st_uid, owner.st_gid) != (made.st_uid, made.st_gid):
        os.fchown(handle, owner.st_uid, owner.st_gid)
