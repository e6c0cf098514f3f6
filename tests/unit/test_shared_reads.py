"""Which reads of others serve a look, and which never do."""

from __future__ import annotations

import threading
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.proxmox.shared_reads import SharedReads, shared_since

if TYPE_CHECKING:
    from collections.abc import Callable


class Clock:
    """A clock that tests set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def counting() -> Callable[[], int]:
    numbers = count(1)
    return lambda: next(numbers)


def test_every_look_outside_makes_its_own_read() -> None:
    shared, read = SharedReads(), counting()
    assert [shared.get("a", read) for _ in range(3)] == [1, 2, 3]
    assert not any(shared.is_crowded("a") for _ in range(9))


def test_a_read_that_began_before_the_request_serves_nobody() -> None:
    clock, read = Clock(), counting()
    shared = SharedReads(clock)
    with shared_since(100.0):
        assert (shared.get("a", read), shared.get("a", read)) == (1, 1)
        assert shared.get("b", read) == 2
    clock.now = 101.0
    with shared_since(100.5):
        assert shared.get("a", read) == 3
    with shared_since(99.0):
        assert shared.get("a", read) == 3
        clock.now = 103.5
        assert shared.get("a", read) == 4, "however old the request is"


@given(st.lists(st.tuples(st.floats(0, 3), st.floats(0, 5)), max_size=30))
def test_what_is_answered_was_never_read_before_it_was_asked_for(looks: list[tuple[float, float]]) -> None:
    clock = Clock()
    shared = SharedReads(clock)
    for pause, age in looks:
        clock.now += pause
        with shared_since(clock.now - age):
            began = shared.get("a", clock)
        assert clock.now - min(age, 2.0) <= began <= clock.now


def test_what_a_read_raises_is_not_shared() -> None:
    shared, errors = SharedReads(), iter([ValueError("no"), None])

    def read() -> int:
        if (error := next(errors)) is not None:
            raise error
        return 7

    with shared_since(0.0):
        with pytest.raises(ValueError, match="no"):
            shared.get("a", read)
        assert shared.get("a", read) == 7


def test_only_a_crowd_is_worth_a_read_for_all() -> None:
    clock = Clock()
    shared = SharedReads(clock)
    with shared_since(0.0):
        assert [shared.is_crowded("a") for _ in range(5)] == [False, False, False, True, True]
        assert not shared.is_crowded("b")
        clock.now += 5.0
        assert not shared.is_crowded("a")


def test_a_read_that_hangs_holds_nobody_up_for_long() -> None:
    shared, hangs, over = SharedReads(), threading.Event(), threading.Event()

    def hang() -> int:
        hangs.set()
        over.wait(60)
        return 1

    def ask() -> None:
        with shared_since(0.0):
            shared.get("a", hang)

    slow = threading.Thread(target=ask)
    slow.start()
    assert hangs.wait(60)
    with shared_since(0.0):
        assert shared.get("a", lambda: 2) == 2
    over.set()
    slow.join(60)


def test_who_says_of_what_age_a_read_may_be_is_served_outside_too() -> None:
    clock, read = Clock(), counting()
    shared = SharedReads(clock)
    assert shared.get("a", read, within=1.0) == 1
    clock.now = 100.9
    assert shared.get("a", read, within=1.0) == 1
    with shared_since(0.0):
        assert shared.get("a", read, within=0.0) == 2, "nothing that began before it was asked for"
    clock.now = 101.5
    with shared_since(101.5):
        assert shared.get("a", read, within=1.0) == 2, "it says so itself"
        assert shared.get("a", read) == 3
    clock.now = 101.6
    assert shared.get("a", read, within=1.0) == 3, "whoever made it"
    clock.now = 102.6
    assert shared.get("a", read, within=1.0) == 4


def test_who_comes_while_a_read_is_under_way_shares_it() -> None:
    clock, entered, go_on = Clock(), threading.Event(), threading.Event()
    shared, read = SharedReads(clock), counting()

    def slowly() -> int:
        entered.set()
        assert go_on.wait(60)
        return read()

    found = list[int]()
    threads = [threading.Thread(target=lambda: found.append(shared.get("a", slowly, within=1.0))) for _ in range(3)]
    for thread in threads:
        thread.start()
    assert entered.wait(60)
    go_on.set()
    for thread in threads:
        thread.join()
    assert found == [1, 1, 1]
