"""Whose look a start may rely on: that of the configuration of a clone of its own job, while it is new."""

from __future__ import annotations

from typing import Any

import pytest

from phoenix_worker.actions.look import looked_just_now

NOW = 1000.0
CLONE = {"name": "clone", "ctid": 103, "started": 990.0}
CONFIGURE = {"name": "configure", "ctid": 103, "started": 999.5}


@pytest.mark.parametrize(
    ("steps", "fresh"),
    [
        ([CLONE, CONFIGURE], True),
        ([CONFIGURE], False),
        ([], False),
        ([CLONE], False),
        ([{**CLONE, "ctid": 900}, CONFIGURE], False),
        ([CLONE, CONFIGURE | {"ctid": 900}], False),
        ([CLONE, CONFIGURE | {"started": 990.0}], False),
        ([CLONE, CONFIGURE | {"started": 1010.0}], False),
        ([CLONE, CONFIGURE, {"name": "stop", "ctid": 103, "started": 999.9}], False),
    ],
)
def test_only_the_configuration_of_its_own_new_clone_counts(steps: list[dict[str, Any]], fresh: bool) -> None:
    assert looked_just_now(steps, 103, NOW) is fresh
