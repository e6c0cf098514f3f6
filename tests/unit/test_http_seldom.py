"""How often the HTTP door says what anybody can cause."""

from __future__ import annotations

import logging

from phoenix_producer.http.seldom import Seldom


def record(level: int, text: str) -> logging.LogRecord:
    return logging.LogRecord("uvicorn.error", level, "", 0, text, None, None)


def test_a_warning_is_said_once_and_what_is_worse_always() -> None:
    seldom = Seldom()
    assert [seldom.filter(record(logging.WARNING, "broken")) for _ in range(3)] == [True, False, False]
    assert seldom.filter(record(logging.WARNING, "another"))
    assert all(seldom.filter(record(logging.ERROR, "a fault")) for _ in range(3))


def test_after_its_time_it_is_said_again() -> None:
    seldom = Seldom(0)
    assert all(seldom.filter(record(logging.WARNING, "broken")) for _ in range(3))


def test_many_different_ones_fill_neither_the_log_nor_the_memory() -> None:
    seldom = Seldom()
    assert sum(seldom.filter(record(logging.WARNING, str(number))) for number in range(1000)) == 100
