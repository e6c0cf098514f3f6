from __future__ import annotations

import pytest

from tests.support.waiting import wait_for


def test_the_fact_is_returned() -> None:
    answers = iter([None, "", "it is so"])
    assert wait_for(lambda: next(answers)) == "it is so"


def test_the_last_thing_seen_is_in_the_message() -> None:
    with pytest.raises(AssertionError, match=r"last seen: \[\]"):
        wait_for(list, timeout=0)
