from __future__ import annotations

import pytest

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
