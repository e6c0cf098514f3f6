"""A request that waits for an address: which declarations it fits, and with which other requests it shares a run."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_producer.contract import DesiredState, EnsureRequest
from phoenix_worker.catalog.declaration import Declaration, Role
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.planned.requested import as_requested
from phoenix_worker.tasks.requests import shared_by
from tests.support.declared import DECLARED

WAITING = EnsureRequest(ctid=103, wait_for_address=60)


def test_the_seconds_of_the_request_go_before_those_of_the_catalog() -> None:
    declared = replace(DECLARED, wait_for_address=30)
    assert as_requested(declared, EnsureRequest(ctid=103)).wait_for_address == 30
    assert as_requested(declared, WAITING).wait_for_address == 60


@pytest.mark.parametrize(
    "never", [replace(DECLARED, state=DesiredState.STOPPED), replace(DECLARED, role=Role.TEMPLATE)]
)
def test_what_does_not_run_gets_no_address(never: Declaration) -> None:
    with pytest.raises(PermanentError) as refused:
        as_requested(never, WAITING)
    assert refused.value.cause == "wait-while-stopped"
    assert as_requested(replace(never, wait_for_address=30), EnsureRequest(ctid=103)).wait_for_address == 30


def test_only_who_waits_as_long_shares_a_run() -> None:
    plain = shared_by(EnsureRequest(ctid=103), DECLARED)
    assert plain == "103 h1 0 0 None ", "as workers of earlier versions name it"
    names = {
        plain,
        shared_by(WAITING, DECLARED),
        shared_by(WAITING.model_copy(update={"wait_for_address": 5}), DECLARED),
    }
    assert len(names) == 3
    assert shared_by(WAITING, replace(DECLARED, wait_for_address=30)) == shared_by(WAITING, DECLARED)
