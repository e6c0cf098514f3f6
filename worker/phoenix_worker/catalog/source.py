"""The catalog at run time: read again when its content changes, never worse than the last good one."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import TYPE_CHECKING

from phoenix_worker.catalog.directories import read_again
from phoenix_worker.catalog.document import read
from phoenix_worker.catalog.files import stat_of
from phoenix_worker.catalog.findings import CatalogError, merged
from phoenix_worker.catalog.loading import Catalog, load_bytes
from phoenix_worker.catalog.scripts import short_hash

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.files import FileRead, FileStat
    from phoenix_worker.catalog.findings import Refusal
    from phoenix_worker.catalog.resolve import Defaults

_log = logging.getLogger(__name__)

_KEPT = 8
_SETTLED_S = 2.0
"""Files that are seen to look as they do for less than this may change within the same time stamps, so their content is
looked at. The stamps do not tell: they may be by the clock of a file server, or from before this one was set."""


class CatalogChanged(Exception):  # noqa: N818 - reads as what happened
    """A declaration with the hash that a job carries is no longer to be had."""

    def __init__(self, ctid: int, message: str, remedy: str) -> None:
        super().__init__(ctid, message, remedy)
        self.ctid = ctid
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}"


class CatalogSource:
    """Serves the catalog at `path` to all threads of a worker."""

    def __init__(self, path: Path, defaults: Defaults) -> None:
        self._path = path
        self.folder = path.parent
        """Where what lies beside the catalog is."""
        self._defaults = defaults
        self._lock = threading.Lock()
        self._good: deque[Catalog] = deque(maxlen=_KEPT)
        self._stat: tuple[FileStat | None, ...] | None = None
        """How the files looked when they were last read; None while they may change unseen."""
        self._first_seen: tuple[tuple[FileStat | None, ...], float] = ((), 0.0)
        """How they look since when, by `time.monotonic`."""
        self._content: str | None = None
        self._beside: Mapping[Path, FileRead] = {}
        """What lies beside the catalog, as it was read for the latest one, good or refused."""
        self._error: CatalogError | None = None

    def current(self) -> Catalog:
        """Return the catalog as the file has it, or as it last was good.

        Raises CatalogError when there has been no good one yet.
        """
        with self._lock:
            self._refresh()
            if self._good:
                return self._good[-1]
            # Built again: one error that several threads raise would gather all their tracebacks.
            error = self._error or CatalogError([])
            raise CatalogError(error.refusals, error.warnings)

    def name_of(self, ctid: int) -> str:
        """Return a CTID's name in the last good catalog, without a look at the file; '' if it has none."""
        catalog = self._good[-1] if self._good else None
        return catalog[ctid].name if catalog and ctid in catalog else ""

    def templates(self) -> tuple[int, ...]:
        """Return the CTIDs that are templates; none while no catalog was good yet."""
        try:
            return tuple(ctid for ctid, declaration in self.current().items() if declaration.is_template)
        except CatalogError:
            return ()

    def refusal(self) -> Refusal | None:
        """Return the first reason why the file is refused while the last good catalog is served."""
        with self._lock:
            self._refresh()
            return self._error.refusals[0] if self._good and self._error else None

    def serve(self, ctid: int, declaration_hash: str) -> Declaration:
        """Return the declaration with exactly this hash from one of the last good catalogs.

        Raises CatalogChanged when none has it, and CatalogError when there has been no good catalog yet.
        """
        current = self.current()
        with self._lock:
            kept = tuple(reversed(self._good))
        for catalog in (current, *kept):
            declaration = catalog.serve(ctid, declaration_hash)
            if declaration is not None:
                return declaration
        raise _changed(ctid, declaration_hash, current)

    def _refresh(self) -> None:
        catalog = stat_of(self._path)
        seen = (catalog, *map(stat_of, self._beside))
        if catalog is not None and seen == self._stat:
            return
        self._reload(catalog)

    def _reload(self, stat: FileStat | None) -> None:
        began = time.monotonic()
        try:
            data = read(self._path)
        except CatalogError as error:
            self._stat = None
            self._refuse(str(error), error)
            return
        beside = {path: read_again(path, one) for path, one in self._beside.items()}
        if _content(data, beside) == self._content:
            self._beside = beside
        else:
            self._load(data)
        self._remember(stat, began)

    def _load(self, data: bytes) -> None:
        try:
            catalog = load_bytes(data, self._path.parent, self._defaults)
        except CatalogError as error:
            self._beside = error.beside
            self._refuse(_content(data, self._beside), error)
            return
        self._good.append(catalog)
        self._beside = catalog.script_files
        self._content, self._error = _content(data, self._beside), None
        for advice in merged(catalog.warnings):
            _log.info("The catalog %s: %s", self._path, advice)

    def _remember(self, stat: FileStat | None, began: float) -> None:
        """Keep how the files looked before they were read; what is new is read again the next time.

        The reading `began` then, by `time.monotonic`.
        """
        seen = (stat, *(one.stat for one in self._beside.values()))
        if seen != self._first_seen[0]:
            self._first_seen = (seen, began)
        settled = stat is not None and began - self._first_seen[1] >= _SETTLED_S
        self._stat = seen if settled else None

    def _refuse(self, content: str, error: CatalogError) -> None:
        if content != self._content:
            fate = "the last good one stays in use" if self._good else "nothing can be ensured until it is corrected"
            _log.warning("The catalog %s is refused; %s:\n%s", self._path, fate, error)
        self._content, self._error = content, error


def _content(data: bytes, scripts: Mapping[Path, FileRead]) -> str:
    parts = [data, *(one.known_by for one in scripts.values())]
    return "/".join(map(short_hash, parts))


def _changed(ctid: int, declaration_hash: str, current: Catalog) -> CatalogChanged:
    now = current.get(ctid)
    what = "was removed" if now is None else "changed"
    hashes = declaration_hash if now is None else f"{declaration_hash}, now {now.hash}"
    message = f"The catalog entry of CT {ctid} {what} after this job began (hash {hashes})."
    return CatalogChanged(ctid, message, "Send the request again.")
