"""Whether a container's notes will hold our line, counted before anything is made."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.differs.diff import marker_for
from phoenix_worker.core.differs.scripts import mark_of, must_be_verified
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.marker import LONGEST_NOTES, Stage, without_marker, write_marker

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation

_LONGEST_CREATION = "x" * 12


def longest_notes(declaration: Declaration, seen: Observation | None = None) -> str:
    """Return the notes once all scripts have run and it was verified; those that stand there where none are declared.

    Their length is what counts: the creation id is not known before it is made.
    """
    old = seen.config.get("description", "") if seen is not None else ""
    marker = seen.marker if seen is not None and seen.is_ours else None
    longest = marker_for(declaration, _LONGEST_CREATION, Stage.CONFIGURED)
    if marker is not None:
        longest = replace(longest, creation=marker.creation, origin=marker.origin, build=marker.build)
        longest = replace(longest, via=marker.via)
    elif declaration.clone_from is not None:
        longest = replace(longest, build=_LONGEST_CREATION)
    verified = declaration.hash if must_be_verified(declaration) else ""
    longest = replace(longest, scripts=_marks(declaration), verified=verified)
    return write_marker(longest, without_marker(old if declaration.description is None else declaration.description))


def _marks(declaration: Declaration) -> tuple[tuple[str, str], ...]:
    by_creation = (script for script in declaration.access if script not in declaration.scripts)
    return tuple(map(mark_of, (*by_creation, *declaration.scripts)))


def too_long(declaration: Declaration, seen: Observation | None = None) -> PermanentError | None:
    """Say by how much the notes would be longer than Proxmox takes; None when they fit."""
    length = len(longest_notes(declaration, seen))
    if length <= LONGEST_NOTES:
        return None
    return PermanentError(
        f"Unable to write the notes of CT {declaration.ctid} on {declaration.where}: with our line they would have "
        f"{length} characters, and Proxmox takes {LONGEST_NOTES}.",
        cause="notes-too-long",
        remedy=f"{_what_to_shorten(declaration, seen)} by {length - LONGEST_NOTES} characters.",
    )


def _what_to_shorten(declaration: Declaration, seen: Observation | None) -> str:
    if declaration.description:
        return "Shorten its `description` in the catalog, or the names of its `features`,"
    if seen is not None and without_marker(seen.config.get("description", "")):
        return "Shorten its notes in Proxmox"
    return "Shorten the names of its `features`"
