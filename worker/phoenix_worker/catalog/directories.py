"""Directories that are pushed with scripts: read whole, within limits, and with no link that leads out of them."""

from __future__ import annotations

import hashlib
import io
import os
import stat
import tarfile
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix_worker.catalog.files import FileRead, read_file, unchanged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phoenix_worker.catalog.files import FileStat

FILES_AT_MOST, BYTES_AT_MOST = 1000, 4 * 1024 * 1024
LIMITS = f"at most {FILES_AT_MOST} entries and {BYTES_AT_MOST // 1024**2} MiB"
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_EXECUTABLE, _PLAIN = 0o755, 0o644


class Unfit(Exception):  # noqa: N818 - reads as what it is
    """It cannot be pushed; the message says which part of it, and why."""


def read_directory(path: Path) -> FileRead:
    """Read a directory as an archive whose members begin with its name, the same for the same content.

    What is not there, or is a file, is not there for us. One that cannot be pushed has no archive, and says why.
    """
    return unchanged(path, _read_now)


def _read_now(path: Path, seen: FileStat | None) -> FileRead:
    if seen is None or not path.is_dir():
        return FileRead(seen, None, is_directory=True)
    try:
        archive = _Archive(path).content()
    except Unfit as unfit:
        return FileRead(seen, None, is_directory=True, problem=str(unfit))
    except OSError as error:
        problem = f"cannot be read ({Path(error.filename or path).name}: {error.strerror})"
        return FileRead(seen, None, is_directory=True, problem=problem)
    return FileRead(seen, archive, is_directory=True)


def read_again(path: Path, before: FileRead) -> FileRead:
    """Read what was read before, in the same way."""
    return read_directory(path) if before.is_directory else read_file(path)


def digest_of(archive: bytes) -> str:
    """Name the content of a directory."""
    return hashlib.sha256(archive).hexdigest()


class _Archive:
    """The members of one directory, without the mark at an archive's end: several are sent as one."""

    def __init__(self, path: Path) -> None:
        self._path, self._real = path, Path(os.path.realpath(path))
        if path.is_symlink() and not self._real.is_relative_to(os.path.realpath(path.parent)):
            raise Unfit("is a link that leads out of its directory")
        self._entries = self._bytes = 0

    def content(self) -> bytes:
        out = io.BytesIO()
        archive = tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT)  # noqa: SIM115 - closing it ends it
        for member, content in self._members(self._path, self._path.name):
            archive.addfile(member, io.BytesIO(content))
        return out.getvalue()

    def _members(self, folder: Path, name: str) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
        yield _member(name, tarfile.DIRTYPE, _EXECUTABLE), b""
        found = sorted(islice(folder.iterdir(), FILES_AT_MOST + 1))
        self._entries += len(found)
        if self._entries > FILES_AT_MOST:
            raise Unfit(f"has more than {FILES_AT_MOST} entries")
        for path in found:
            inner = f"{name}/{path.name}"
            if path.is_symlink():
                yield self._link(path, inner), b""
            elif path.is_dir():
                yield from self._members(path, inner)
            else:
                yield self._file(path, inner)

    def _link(self, path: Path, name: str) -> tarfile.TarInfo:
        target = os.readlink(path)  # noqa: PTH115 - as it is written
        if target.startswith("/") or not Path(os.path.realpath(path)).is_relative_to(self._real):
            raise Unfit(f"has the link {self._named(path)}, which leads out of it")
        member = _member(name, tarfile.SYMTYPE, 0o777)
        member.linkname = target
        return member

    def _file(self, path: Path, name: str) -> tuple[tarfile.TarInfo, bytes]:
        with open(os.open(path, _OPEN), "rb") as file:  # noqa: PTH123 - a file that is open
            mode = os.fstat(file.fileno()).st_mode
            if not stat.S_ISREG(mode):
                raise Unfit(f"has {self._named(path)}, which is neither a file nor a directory")
            content = file.read(BYTES_AT_MOST - self._bytes + 1)
        self._bytes += len(content)
        if self._bytes > BYTES_AT_MOST:
            raise Unfit(f"has more than {BYTES_AT_MOST // 1024**2} MiB")
        member = _member(name, tarfile.REGTYPE, _EXECUTABLE if mode & stat.S_IXUSR else _PLAIN)
        member.size = len(content)
        return member, content

    def _named(self, path: Path) -> str:
        return str(path.relative_to(self._path))


def _member(name: str, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.uname, member.gname = kind, mode, "root", "root"
    return member
