from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from phoenix_producer.client.channel import Entry
from phoenix_producer.contract import (
    ContractError,
    DesiredState,
    EnsureFailed,
    EnsureRequest,
    EnsureResult,
    Failure,
    Outcome,
    Progress,
    ProgressKind,
    Step,
    parse_request,
)

FAILURE = Failure(request_id="a", ctid=103, message="CTID 103 is not ours.", cause="not-ours", remedy="Use --adopt.")


def test_a_request_needs_only_a_ctid() -> None:
    assert parse_request({"ctid": 103}) == EnsureRequest(ctid=103)


def test_options_are_read_from_json() -> None:
    request = parse_request(json.loads('{"ctid": 103, "adopt": true, "state": "stopped", "requester": "ci"}'))
    assert (request.adopt, request.dry_run, request.state) == (True, False, DesiredState.STOPPED)


_NO_CTIDS = [99, 1_000_000_000, -1, 0, True, None, "x", 103.5, [103]]
_OTHERWISE_WRITTEN = ["+103", "0103", " 103", "103\n", "1_03", "103.0", 103.0, "1e3", "\u0661\u0660\u0663", ""]


@pytest.mark.parametrize("ctid", [*_NO_CTIDS, *_OTHERWISE_WRITTEN])
def test_what_is_no_ctid_is_refused_by_name(ctid: Any) -> None:
    with pytest.raises(ContractError, match=r"Not a valid ensure request: ctid: "):
        parse_request({"ctid": ctid})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"force": True}, "force"),
        ({"state": "paused"}, "state"),
        ({"adopt": "perhaps"}, "adopt"),
        ({"requester": "x" * 201}, "requester"),
        ({"wait_for_address": 0}, "wait_for_address"),
        ({"wait_for_address": 3601}, "wait_for_address"),
        ({"wait_for_address": "30"}, "wait_for_address"),
        ({"wait_for_address": 1.5}, "wait_for_address"),
        ({"wait_for_address": True}, "wait_for_address"),
    ],
)
def test_a_wrong_field_is_refused_by_name_with_the_right_ones(wrong: dict[str, Any], named: str) -> None:
    with pytest.raises(ContractError, match=rf"{named}: .*Fields: ctid, adopt, .*, requester\.") as refused:
        parse_request({"ctid": 103, **wrong})
    assert "\n" not in str(refused.value)


def test_all_that_is_wrong_is_said_at_once() -> None:
    with pytest.raises(ContractError, match=r"ctid: .*; force: "):
        parse_request({"ctid": 1, "force": True})


def test_a_request_without_a_ctid_is_refused() -> None:
    with pytest.raises(ContractError, match="ctid: Field required"):
        parse_request({})


def test_messages_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        EnsureRequest(ctid=103).ctid = 104  # type: ignore[misc]  # that is the point


def test_a_result_survives_json() -> None:
    step = Step(name="clone", ctid=103, started=1.5, seconds=2.0, upid="UPID:x", source=900)
    result = EnsureResult(request_id="a", ctid=103, node="pve", outcome=Outcome.CREATED, steps=(step,))
    assert EnsureResult.model_validate_json(result.model_dump_json()) == result


def test_a_failure_is_carried_as_json_and_read_as_a_message() -> None:
    raised = EnsureFailed.of(FAILURE)
    again = EnsureFailed(*json.loads(json.dumps(raised.args)))
    assert again.failure == FAILURE
    assert str(again) == "CTID 103 is not ours. Use --adopt."


def test_progress_of_a_newer_worker_is_readable() -> None:
    assert Progress(at=1.0, kind=ProgressKind.DONE, job="a", color="red").job == "a"


@pytest.mark.parametrize(
    ("kind", "stored", "shown"),
    [
        ("failed", FAILURE.model_dump_json(), "CTID 103 is not ours. Use --adopt."),
        ("cancelled", FAILURE.model_dump_json(), "CTID 103 is not ours. Use --adopt."),
        ("failed", '"the words of an exception"', "the words of an exception"),
        ("failed", "not JSON", "not JSON"),
        ("failed", "[" * 100_000, "[" * 100_000),
        ("output", FAILURE.model_dump_json(), FAILURE.model_dump_json()),
    ],
)
def test_the_history_of_a_job_says_for_people_why_it_failed(kind: str, stored: str, shown: str) -> None:
    """The ledger has the failure as JSON; what a script prints is nobody's to read."""
    entry = Entry("5b0e2f0a", "1-0", {"at": "1", "kind": kind, "detail": stored})
    assert entry.progress().detail == shown


@pytest.mark.parametrize(("subject", "ctid"), [("103", 103), ("9" * 5000, None), ("0103", None), ("pve1", None)])
def test_a_subject_that_is_no_ctid_is_shown_without(subject: str, ctid: int | None) -> None:
    entry = Entry("5b0e2f0a", "1-0", {"at": "1", "kind": "step-started", "subject": subject})

    assert entry.progress().ctid == ctid
