"""When to poll a remote job next: a pure function of what such jobs took before and of the time elapsed.

The aim is two looks a job and a lateness of at most max(15 ms, min(2.5 % of the job, 50 ms)) once learned. A job that
is found ended at the first look may have ended any time before, so it is remembered as a little shorter than it
seemed; the next first look comes a little earlier, until one comes too early and the length is known from both sides.
Each such find in a row doubles what is taken off, so that jobs that have become quicker are followed within a few.
Of a job that ended somewhere in a long pause between two looks, the earlier look is remembered: the next such job is
looked at from there on in short steps, which finds its length.

A job that fails is not as long as others: before the learned time it is looked at early. Two limits are wanted of
these looks: the end is noticed after at most a tenth of the time that the job ran, or 2 s; and at most one look is made
a minute. In the first ten minutes of a job a tenth of its time is less than a minute, so both cannot hold: there the
first one does, since those who wait for the job's lock wait for that look, and it costs a call of milliseconds. That
makes 11 more for a job of 22 s, and 46 for one of ten minutes; after that both limits hold. None is made where the
learned time comes soon enough by itself, as for all jobs of less than 2 s. These looks are no part of what is learned
of a job that goes on to its usual end.
"""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

REMEMBERED = 9
"""How many lengths are kept for each class of jobs."""

_FIRST_LOOK = 0.1
_SOONEST = 0.015
_LATEST = 0.05
_LONGEST_PAUSE = 2.0
_SHORT_PAUSE = 0.1
"""Seconds between two looks that tell a length well enough; more looks to tell it better would be calls for nothing."""
_DOUBLINGS = 12
_FIRST_EARLY_LOOK = 1.0
_LATEST_OF_A_FAILURE = 2.0
_PART_OF_A_FAILURE = 0.1


def allowance(seconds: float) -> float:
    """Return how late, in seconds, the end of a job of this length may be noticed."""
    return max(_SOONEST, min(0.025 * seconds, _LATEST))


def first_look(lengths: Sequence[float]) -> float:
    """Seconds from a job's start to the first look."""
    if not lengths:
        return _FIRST_LOOK
    usual = median(lengths)
    return usual + allowance(usual) / 3


def lateness_of_a_failure(seconds: float) -> float:
    """Return how late, in seconds, it may be noticed that a job ended after so long, before its learned time."""
    return max(_LATEST_OF_A_FAILURE, _PART_OF_A_FAILURE * seconds)


def early_look(lengths: Sequence[float], elapsed: float) -> float | None:
    """Seconds from now to the next look at a job that may fail before its learned time; None if there is none left."""
    if not lengths or first_look(lengths) - elapsed <= lateness_of_a_failure(elapsed):
        return None
    return lateness_of_a_failure(elapsed) if elapsed else _FIRST_EARLY_LOOK


def is_early(lengths: Sequence[float], elapsed: float) -> bool:
    """Return whether a look after `elapsed` seconds comes before the learned time."""
    return bool(lengths) and elapsed < first_look(lengths)


def next_look(lengths: Sequence[float], elapsed: float) -> float:
    """Seconds from now to the next look at a job that still runs after `elapsed` seconds."""
    if not lengths:
        return min(max(elapsed * 0.1, _FIRST_LOOK / 2), _LONGEST_PAUSE)
    overdue = elapsed - median(lengths)
    if overdue < 0:
        return first_look(lengths) - elapsed
    return min(max(allowance(elapsed), overdue * 0.2), _LONGEST_PAUSE)


def length(elapsed: float, *, looks: int, pause: float = 0.0, in_a_row: int = 0) -> float:
    """Return the length to remember of a job that was seen ended after `elapsed` seconds, at the `looks`-th look.

    `pause` seconds before it was seen running, if it was looked at before. `in_a_row` jobs of its class before it were
    found ended at their first look too.
    """
    if looks > 1:
        return elapsed if pause <= _SHORT_PAUSE else elapsed - pause
    return max(elapsed - allowance(elapsed) / 2 * 2.0 ** min(in_a_row, _DOUBLINGS), elapsed / 4)
