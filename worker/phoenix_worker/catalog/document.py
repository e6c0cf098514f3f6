"""From bytes to a JSON object, with care: what JSON readers usually let pass is refused here."""

from __future__ import annotations

import json
import math
import re
from codecs import BOM_UTF8
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

from phoenix_producer.client.regular_files import read_regular
from phoenix_producer.ctids import parse_ctid
from phoenix_worker.catalog.findings import CatalogError, Refusal, plain, shown

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<half>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)"
)
_DEPTH = 100
_DIGITS = 300
"""Of a whole number; one of some more cannot be compared with a fraction."""
_MOST_BYTES = 32 * 1024 * 1024
"""Of a catalog. One of ten thousand containers has a quarter of that."""


@dataclass(frozen=True, slots=True)
class Document:
    """The parsed file. Of a key that an object holds twice, `content` has the last value."""

    content: dict[str, Any]
    repeated: tuple[Refusal, ...] = ()

    @property
    def containers(self) -> dict[str, Any] | Refusal:
        """What is declared in it, or why nothing is."""
        configs = self.content.get("lxc_configs")
        if isinstance(configs, dict):
            return configs
        problem = "lxc_configs is missing." if configs is None else f"lxc_configs is {shown(configs)}, not an object."
        return Refusal(None, problem, 'Declare the containers in "lxc_configs": {"100": {…}}.')


def read(path: Path) -> bytes:
    """Read the file. Raises CatalogError when there is no such file, or it cannot be read, or has more than 32 MiB."""
    try:
        return read_regular(path, _MOST_BYTES)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        problem = f"The catalog {path} cannot be read: {reason}."
        raise CatalogError([Refusal(None, problem, "Name a JSON file that this user may read.")]) from error


def decode(data: bytes) -> str:
    """Decode UTF-8 without a byte order mark. Raises CatalogError for anything else."""
    if data.startswith(BOM_UTF8):
        problem = "The file begins with a byte order mark, which JSON does not allow."
        raise CatalogError([Refusal(None, problem, "Save it as UTF-8 without BOM.")])
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        problem = f"The file is not UTF-8: byte {error.start} is {data[error.start]:#04x}."
        raise CatalogError([Refusal(None, problem, "Save it as UTF-8.")]) from error


def parse(data: bytes) -> Document:
    """Parse the bytes of a catalog. Raises CatalogError when they are not one JSON object in UTF-8."""
    repeats, text = _Repeats(), decode(data)
    _refuse_half_letters(text)
    try:
        content = json.loads(
            text,
            object_pairs_hook=repeats.build,
            parse_constant=_refuse_constant,
            parse_float=_finite,
            parse_int=_whole,
        )
    except RecursionError as error:
        raise _too_deep() from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise _not_json(f"{error.msg.removesuffix(' at')} at {where}", f"Correct {where}.") from error
    except ValueError as error:
        raise _not_json(str(error), "Write plain JSON numbers of fewer digits, without NaN and Infinity.") from error
    if not isinstance(content, dict):
        raise CatalogError([Refusal(None, "The file is not a JSON object.", 'Begin it with {"lxc_configs": {…}}.')])
    return Document(content, tuple(repeats.refusals(content)))


def _refuse_half_letters(text: str) -> None:
    """Refuse what JSON can spell and no text can hold: half of the pair that stands for one letter in UTF-16."""
    half = next((escape for escape in _ESCAPE.finditer(text) if escape["half"]), None)
    if half is not None:
        line = text.count("\n", 0, half.start()) + 1
        problem = f"{half[0]} in line {line} is half of a surrogate pair, which is not Unicode text."
        raise CatalogError([Refusal(None, problem, "Write the letter itself, or both halves.")])


@dataclass(slots=True)
class _Repeats:
    """Collects the objects in which a key stands twice, which `dict` would hide."""

    objects: list[tuple[dict[str, Any], list[str]]] = field(default_factory=list)

    def build(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        built = dict(pairs)
        if len(built) < len(pairs):
            times = Counter(name for name, _ in pairs)
            self.objects.append((built, [name for name in built if times[name] > 1]))
        return built

    def refusals(self, content: dict[str, Any]) -> Iterator[Refusal]:
        keys_of = {id(built): keys for built, keys in self.objects}
        for path, value in _walk(content):
            for key in keys_of.get(id(value), ()):
                yield _repeated((*path, key))


def _walk(content: dict[str, Any]) -> Iterator[tuple[tuple[str | int, ...], Any]]:
    """Every value with its path. Raises CatalogError below a depth that no catalog needs."""
    waiting: list[tuple[tuple[str | int, ...], Any]] = [((), content)]
    while waiting:
        path, value = waiting.pop()
        if len(path) > _DEPTH:
            raise _too_deep()
        yield path, value
        inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        waiting.extend(((*path, key), item) for key, item in inside)


def _repeated(path: tuple[str | int, ...]) -> Refusal:
    if path[0] == "lxc_configs" and len(path) > 1:
        ctid, inside = path[1], path[2:]
        where = ".".join(map(str, inside))
        what = shown(where) if inside else "The CTID"
        number = parse_ctid(str(ctid)) or plain(str(ctid))
        return Refusal(number, f"{what} is given twice.", "Keep one of the two.")
    return Refusal(None, f"{shown('.'.join(map(str, path)))} is given twice.", "Keep one of the two.")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    return number if math.isfinite(number) else _refuse_constant(text)


def _whole(text: str) -> int:
    if len(text) > _DIGITS:
        raise ValueError(f"a number has more than {_DIGITS} digits")
    return int(text)


def _not_json(reason: str, remedy: str) -> CatalogError:
    return CatalogError([Refusal(None, f"The file is not JSON: {reason}.", remedy)])


def _too_deep() -> CatalogError:
    problem = f"The file is nested more than {_DEPTH} levels deep."
    return CatalogError([Refusal(None, problem, "Reduce the nesting.")])
