"""At which number a volume or bind mount goes: Proxmox mounts in the order of the numbers, `mp0` first.

What is mounted at `/a` after `/a/b` hides the latter. So each goes behind what it lies in and before what lies in it,
the shallowest first, volumes and bind mounts together.
"""

from __future__ import annotations

import re
from itertools import count
from typing import TYPE_CHECKING

from phoenix_worker.core.model import property_string

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from phoenix_worker.catalog.declaration import Declaration

_KEY = re.compile(r"mp(\d{1,3})")
_NO_LIMIT = 256
"""One more than the highest number."""


def normal_path(path: str) -> str:
    """Return a path as it is compared: without doubled slashes, and without one at its end."""
    return "/" + "/".join(part for part in path.split("/") if part)


def numbers(declaration: Declaration, config: Mapping[str, str]) -> dict[str, str]:
    """Return the key, `mpN`, of each declared mount that is not there, by its path; none where no number is left."""
    taken = _taken(config)
    placed = dict(taken)
    missing = [path for path in _declared(declaration) if path not in taken]
    for path in sorted(missing, key=lambda path: (_end(path, taken), _depth(path))):
        used = {*placed.values(), *_numbers_in(config)}
        number = next(number for number in count(_begin(path, placed)) if number not in used)
        if number < _end(path, taken):
            placed[path] = number
    return {path: f"mp{placed[path]}" for path in missing if path in placed}


def hidden(declaration: Declaration, config: Mapping[str, str]) -> Iterator[str]:
    """Say which declared mounts hide another or are hidden by one, and which are left out so that they do not."""
    taken, free, declared = _taken(config), numbers(declaration, config), _declared(declaration)
    for path, number in taken.items():
        for inner, its in taken.items():
            if _inside(inner, path) and number > its and {path, inner} & {*declared}:
                yield f"{path} (mp{number}) is mounted after {inner} (mp{its}) and hides it"
    for path in declared:
        if path not in taken and path not in free:
            yield f"{path} is not mounted: {_no_number_for(path, taken)}"


def _no_number_for(path: str, taken: Mapping[str, int]) -> str:
    within = [one for one in taken if _inside(one, path)]
    if not within:
        return f"no number up to mp{_NO_LIMIT - 1} is left for it"
    inner = min(within, key=taken.__getitem__)
    return f"no number before mp{taken[inner]} is left, and it would hide {inner} there"


def _declared(declaration: Declaration) -> list[str]:
    volumes = (one.mount_point for one in declaration.volumes)
    return [*volumes, *(one.container_path for one in declaration.bind_mounts)]


def _numbers_in(config: Iterable[str]) -> Iterator[int]:
    return (int(found[1]) for key in config if (found := _KEY.fullmatch(key)))


def _taken(config: Mapping[str, str]) -> dict[str, int]:
    parts = {number: property_string.parse(config[f"mp{number}"], "volume") for number in _numbers_in(config)}
    return {normal_path(mount.get("mp", "")): number for number, mount in parts.items()}


def _depth(path: str) -> int:
    return path.count("/")


def _inside(path: str, outer: str) -> bool:
    return path != outer and path.startswith(outer.rstrip("/") + "/")


def _begin(path: str, placed: Mapping[str, int]) -> int:
    return max((number + 1 for outer, number in placed.items() if _inside(path, outer)), default=0)


def _end(path: str, taken: Mapping[str, int]) -> int:
    return min((number for inner, number in taken.items() if _inside(inner, path)), default=_NO_LIMIT)
