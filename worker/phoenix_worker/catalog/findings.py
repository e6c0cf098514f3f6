"""The types of a catalog's remarks: a refusal, an advice (warning), and the error that holds them all."""

from __future__ import annotations

import json
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from phoenix_worker.catalog.files import FileRead

_SHOWN = 60


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing about a catalog, and what to do. `problem` and `remedy` are whole sentences."""

    ctid: int | str | None
    """The CTID; as it stands in the file when it is not one; None for what is about the whole file."""
    problem: str
    remedy: str

    def __str__(self) -> str:
        about = "" if self.ctid is None else f"CT {self.ctid}: "
        return f"{about}{self.problem} {self.remedy}"


def merged(findings: Iterable[Finding]) -> list[str]:
    """Write one line for each finding, and only one for all CTIDs that it is the same for."""
    same: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        same.setdefault((finding.problem, finding.remedy), []).append(finding)
    return [f"{first}{_also(others)}" for first, *others in same.values()]


def _also(others: Iterable[Finding]) -> str:
    ctids = ", ".join(str(one.ctid) for one in others)
    return f" The same for {ctids}." if ctids else ""


class Refusal(Finding):
    """A reason why the catalog is not used."""

    __slots__ = ()


class Advice(Finding):
    """A warning: the catalog is used all the same."""

    __slots__ = ()


class CatalogError(Exception):
    """A catalog that cannot be used, with every reason at once, the warnings found on the way, and the files read."""

    def __init__(
        self,
        refusals: Iterable[Refusal],
        warnings: Iterable[Advice] = (),
        beside: Mapping[Path, FileRead] = MappingProxyType({}),
    ) -> None:
        self.refusals = tuple(refusals)
        self.warnings = tuple(warnings)
        self.beside = beside
        super().__init__(self.refusals, self.warnings)

    def __str__(self) -> str:
        return "\n".join(map(str, self.refusals))


def plain(text: str) -> str:
    """Make a string of the file printable on any terminal: shortened, without quotes."""
    return _shortened(text if text.isprintable() else text.encode("unicode_escape").decode())


def shown(value: Any) -> str:
    """Quote a value of the file for a sentence: JSON, shortened, and printable on any terminal."""
    text = json.dumps(value, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
    return _shortened(text)


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"
