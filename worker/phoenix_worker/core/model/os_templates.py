"""OS templates by their file names: which of those that can be had are the likeliest to have been meant."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_NAMED = 5


def file_name(volume: str) -> str:
    """Return the file name of a volume id such as `local:vztmpl/debian-12-standard_12.7-1_amd64.tar.zst`."""
    return volume.rpartition("/")[2]


def not_to_be_had(volume: str | None) -> str:
    """Say why nothing can be created from an OS template on a node."""
    return f"{volume} is not on its storage and not in Proxmox's appliance index"


def likeliest(wanted: str, available: Iterable[str]) -> list[str]:
    """Return up to five file names, the most alike first; those of the same distribution before all others."""
    family = wanted.partition("-")[0].lower()

    def unlike(name: str) -> tuple[bool, float, str]:
        return not name.lower().startswith(family), -SequenceMatcher(None, wanted, name).ratio(), name

    return sorted(set(available), key=unlike)[:_NAMED]


def available(wanted: str, stored: Iterable[str], offered: Iterable[str]) -> str:
    """Say what can be had instead: on the storage, and in Proxmox's index."""
    places = (("The storage has ", [file_name(volume) for volume in stored]), ("The index has ", list(offered)))
    told = [f"{where}{', '.join(likeliest(wanted, names))}{_more(names)}." for where, names in places if names]
    return " ".join(told) or "Neither the storage nor the index has any; `pveam update` on the node loads the index."


def _more(names: list[str]) -> str:
    more = len(set(names)) - _NAMED
    return f" and {more} more" if more > 0 else ""
