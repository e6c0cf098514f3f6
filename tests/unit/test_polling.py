from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from phoenix_worker.durable import polling


def watched(real: float, lengths: list[float], in_a_row: int) -> tuple[float, int, int]:
    """Look at a job of this length as the watcher does: seconds of lateness, looks, finds at first look in a row."""
    at, before, looks = polling.first_look(lengths), 0.0, 1
    while at < real:
        before = at
        at += polling.next_look(lengths, at)
        looks += 1
    lengths.insert(0, polling.length(at, looks=looks, pause=at - before, in_a_row=in_a_row))
    del lengths[polling.REMEMBERED :]
    return at - real, looks, in_a_row + 1 if looks == 1 else 0


@pytest.mark.parametrize("real", [0.3, 2.0, 20.0])
def test_once_learned_it_is_on_time_with_near_two_looks(real: float) -> None:
    lengths: list[float] = []
    in_a_row = 0
    seen = []
    for _ in range(60):
        late, looks, in_a_row = watched(real, lengths, in_a_row)
        seen.append((late, looks))
    learned = seen[20:]
    assert sorted(late for late, _ in learned)[len(learned) // 2] <= polling.allowance(real)
    assert sum(looks for _, looks in learned) / len(learned) <= 2


def test_jobs_that_became_quicker_are_followed_within_a_few() -> None:
    """As after a night with slow storage, or an outage in which everything seemed to take long."""
    lengths = [6.3] * polling.REMEMBERED
    in_a_row = 0
    lateness = []
    for _ in range(25):
        late, _, in_a_row = watched(0.4, lengths, in_a_row)
        lateness.append(late)
    assert max(lateness[20:]) <= 2 * polling.allowance(0.4)


@pytest.mark.parametrize("real", [0.3, 2.0, 30.0, 600.0])
def test_what_was_seen_late_is_learned_by_the_next_few(real: float) -> None:
    """The first of a kind is looked at in ever longer pauses."""
    lengths: list[float] = []
    in_a_row = 0
    seen = []
    for _ in range(6):
        late, looks, in_a_row = watched(real, lengths, in_a_row)
        seen.append((late, looks))
    assert seen[1][0] <= 0.2 * 2.0, "a fifth of the longest pause"
    assert seen[2][0] <= 2 * polling.allowance(real)
    assert max(late for late, _ in seen[3:]) <= polling.allowance(real)
    assert max(looks for _, looks in seen[1:]) <= 25


def early_looks(usual: float, until: float) -> list[float]:
    """When a job of a kind that takes `usual` seconds is looked at before that, up to `until`."""
    lengths = [usual] * polling.REMEMBERED
    at, looks = 0.0, []
    while (pause := polling.early_look(lengths, at)) is not None and at < until:
        at += pause
        assert polling.is_early(lengths, at)
        looks.append(at)
    return looks


@pytest.mark.parametrize("usual", [2.5, 22.0, 600.0, 3600.0])
def test_a_fast_failure_of_a_slow_kind_is_seen_early(usual: float) -> None:
    assert early_looks(usual, until=1.0) == [1.0]


@given(ran=st.floats(0.001, 2000), usual=st.floats(0.001, 20_000))
@settings(max_examples=50)
def test_no_end_is_noticed_later_than_after_a_tenth_of_the_time_it_ran(ran: float, usual: float) -> None:
    """Whether it failed long before the others of its kind, or ran on after they had ended."""
    lengths, at = [usual] * polling.REMEMBERED, 0.0
    while at < ran:
        early = polling.early_look(lengths, at)
        at += (polling.next_look(lengths, at) if at else polling.first_look(lengths)) if early is None else early
    assert at - ran <= max(2.0, 0.1 * ran) + 1e-6


@pytest.mark.parametrize(
    ("usual", "most"), [(0.3, 0), (1.9, 0), (2.5, 1), (22.0, 11), (60.0, 22), (600.0, 46), (3600.0, 64)]
)
def test_early_looks_are_as_few_as_that_allows(usual: float, most: int) -> None:
    assert len(early_looks(usual, until=usual)) <= most


def test_of_long_jobs_less_than_one_a_minute_is_made() -> None:
    looks = [look for look in early_looks(50_000.0, until=50_000.0) if look > 600]
    assert min(after - before for before, after in pairwise(looks)) >= 60


def test_what_was_never_seen_has_no_early_looks() -> None:
    assert polling.early_look([], 0.0) is None
    assert not polling.is_early([], 0.0)


@pytest.mark.parametrize("lengths", [[], [1.0], [300.0]])
def test_no_pause_is_longer_than_two_seconds_once_a_job_is_overdue(lengths: list[float]) -> None:
    assert polling.next_look(lengths, 100_000.0) == 2.0
