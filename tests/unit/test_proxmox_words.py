"""Whatever Proxmox says: whether trying again may help, and the whole remedy that somebody reads."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.proxmox import translate
from phoenix_worker.proxmox.error_table import TABLE
from phoenix_worker.proxmox.translate import Answer, Request, _row, error_of_answer
from tests.mutants.rows import alternatives_left_out

if TYPE_CHECKING:
    from phoenix_worker.proxmox.error_row import Row

EVERY: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "every_saying.json").read_text())
SAID = [(status, said, one) for one in EVERY for status, said in one["said"]]
LOOK = Request("GET", "nodes/pve1/lxc/103/config", "look at CT 103 on pve1", "VM.Audit on /vms/103")


BAD_REQUEST = 400
"""Of a look it is something else that is wrong."""


def told(status: int, said: str) -> tuple[str, str, str]:
    request = replace(LOOK, method="PUT") if status == BAD_REQUEST else LOOK
    error = error_of_answer(request, Answer(status, message=said))
    return "transient" if isinstance(error, TransientError) else "permanent", error.cause, error.remedy


@pytest.mark.parametrize(("status", "said", "means"), SAID, ids=lambda one: "" if isinstance(one, dict) else str(one))
def test_what_is_said_has_its_kind_its_cause_and_its_remedy(status: int, said: str, means: dict[str, Any]) -> None:
    assert told(status, said) == (means["kind"], means["cause"], means["remedy"])


def test_a_value_that_is_refused_in_a_look_need_not_be_in_the_catalog() -> None:
    """Its parameters are names of nodes and storages, and what an older Proxmox does not know."""
    error = error_of_answer(LOOK, Answer(BAD_REQUEST, message="Parameter verification failed."))
    assert (error.cause, isinstance(error, TransientError)) == ("bad-parameter", False)
    assert "PHOENIX_NODE" in error.remedy


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.cause} {row.pattern} {row.statuses}")
def test_every_row_of_the_table_is_for_something_that_is_said(row: Row) -> None:
    assert any(_row(status, said, TABLE)[0] is row for status, said, _ in SAID)


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.cause} {row.pattern} {row.statuses}")
def test_every_alternative_of_a_pattern_is_for_something_that_is_said(
    row: Row, monkeypatch: pytest.MonkeyPatch
) -> None:
    meant = {(status, said): told(status, said) for status, said, _ in SAID if _row(status, said, TABLE)[0] is row}
    for pattern in alternatives_left_out(row.pattern):
        lost = re.compile(row.pattern).groupindex.keys() - re.compile(pattern).groupindex.keys()
        # Its remedy names them all the same.
        without = replace(row, pattern="|".join((pattern, *(f"(?!)(?P<{name}>)" for name in lost))))
        monkeypatch.setattr(translate, "TABLE", tuple(without if one is row else one for one in TABLE))
        assert any(told(*said) != means for said, means in meant.items()), pattern
