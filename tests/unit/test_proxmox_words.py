"""Whatever Proxmox says: whether trying again may help, and the whole remedy that somebody reads."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.proxmox.error_table import TABLE
from phoenix_worker.proxmox.translate import Answer, Request, _row, error_of_answer

if TYPE_CHECKING:
    from phoenix_worker.proxmox.error_row import Row

EVERY: list[dict[str, Any]] = json.loads((Path(__file__).parents[1] / "data" / "every_saying.json").read_text())
SAID = [(status, said, one) for one in EVERY for status, said in one["said"]]
LOOK = Request("GET", "nodes/pve1/lxc/103/config", "look at CT 103 on pve1", "VM.Audit on /vms/103")


@pytest.mark.parametrize(("status", "said", "means"), SAID, ids=lambda one: "" if isinstance(one, dict) else str(one))
def test_what_is_said_has_its_kind_its_cause_and_its_remedy(status: int, said: str, means: dict[str, Any]) -> None:
    error = error_of_answer(LOOK, Answer(status, message=said))
    kind = "transient" if isinstance(error, TransientError) else "permanent"
    assert (kind, error.cause, error.remedy) == (means["kind"], means["cause"], means["remedy"])


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.cause} {row.pattern} {row.statuses}")
def test_every_row_of_the_table_is_for_something_that_is_said(row: Row) -> None:
    assert any(_row(status, said)[0] is row for status, said, _ in SAID)
