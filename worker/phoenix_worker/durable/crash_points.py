"""Named points of the protocol at which tests kill a worker. They set `on_point`; otherwise nothing happens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

on_point: Callable[[str, str], None] | None = None

POINTS = (
    "claimed",
    "before-replace-recorded",
    "replace-recorded",
    "successor-recorded",
    "successor-published",
    "before-finish",
    "intent-recorded",
    "effect-done",
    "effect-journalled",
    "parked",
    "woken-unpublished",
    "ticked",
)

CHORD_POINTS = ("chord-claimed", "chord-body-recorded", "chord-body-published")
"""Those that only a chord comes to: its last member claims the body, which is then recorded and published."""


CHOICE_POINTS = ("choice-settled",)
"""Where a job has made a choice, with what it reserves, and has not acted on it yet."""


def reached(point: str, step: str = "") -> None:
    """Say that the protocol stands at a point, in which step of a task if it is about one."""
    if on_point is not None:
        on_point(point, step)
