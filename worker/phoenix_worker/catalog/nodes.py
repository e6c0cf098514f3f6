"""Where a container may be placed, as a declaration has it."""

from __future__ import annotations

from dataclasses import dataclass

ANY_NODE = "any"
"""What the catalog and the settings say in the place of names: every node of the cluster."""


@dataclass(frozen=True, slots=True)
class SpreadGroup:
    """Whom a container is kept apart from when it is placed: those that name the same group."""

    name: str
    required: bool = False
    """Whether no two of them may be placed on one node; else that is only preferred."""
