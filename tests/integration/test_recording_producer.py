"""The producer for tests of services behaves as the real one, which the same tests ask."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import (
    Cancelled,
    ContractError,
    EnsureFailed,
    Exists,
    Failure,
    Outcome,
    Plan,
    Producer,
    ProgressKind,
    Standing,
)
from phoenix_producer.contract import PLAN
from phoenix_producer.testing import RecordingProducer

if TYPE_CHECKING:
    from collections.abc import Iterator

REFUSED = 404
SOME_ID = "5b0e2f0a-9a3e-4d6b-8a69-0d0c54a3c001"
NOBODYS_ID = "5b0e2f0a-9a3e-4d6b-8a69-0d0c54a3c002"


def standing(ctid: int) -> Standing:
    return Standing(ctid=ctid, name=f"ct{ctid}", role="container", state="running", node="pve", exists=Exists.ABSENT)


def recording() -> RecordingProducer:
    producer = RecordingProducer(requester="the tests")
    producer.succeeds(103)
    producer.fails(REFUSED, "CTID 404 is not ours.", cause="not-ours", remedy="Use --adopt.")
    producer.plans(101)
    producer.plans(103, "clone 103 from 900")
    producer.fails(REFUSED, "CTID 404 is not ours.", cause="not-ours", remedy="Use --adopt.", of=PLAN)
    producer.declares(101, 103)
    producer.stands(standing(101), standing(103))
    return producer


@pytest.fixture(params=["real", "recording"])
def producer(request: pytest.FixtureRequest) -> Iterator[Producer]:
    """One that workers answer, and one that answers the same without any."""
    if request.param == "recording":
        yield recording()
        return
    with Producer(request.getfixturevalue("answering_url"), requester="the tests") as real:
        yield real


# --- both


def test_an_ensure_that_succeeds(producer: Producer) -> None:
    handle = producer.ensure(103)
    result = handle.wait(timeout=60)
    assert (result.request_id, result.ctid, result.outcome) == (handle.id, 103, Outcome.CREATED)
    assert handle.done()


def test_an_ensure_that_fails(producer: Producer) -> None:
    handle = producer.ensure(REFUSED)
    with pytest.raises(EnsureFailed, match="CTID 404 is not ours") as failed:
        handle.wait(timeout=60)
    assert (failed.value.failure.request_id, failed.value.failure.cause) == (handle.id, "not-ours")
    with pytest.raises(ExceptionGroup, match="1 of 2 requests failed"):
        producer.ensure_many([103, REFUSED]).wait(timeout=60)


def test_wrong_requests_are_refused(producer: Producer) -> None:
    with pytest.raises(ContractError, match="Not a valid ensure request"):
        producer.ensure(5)
    with pytest.raises(ContractError, match="Not a valid ensure request"):
        producer.status([5])
    with pytest.raises(ContractError, match="Not a valid request id"):
        producer.cancel("deploy-7")


def test_one_id_is_one_request(producer: Producer) -> None:
    assert producer.ensure(103, request_id=SOME_ID).id == producer.ensure(103, request_id=SOME_ID).id
    with pytest.raises(ContractError, match=rf"{SOME_ID} was already used for phoenix\.ensure 103"):
        producer.ensure(101, request_id=SOME_ID)
    with pytest.raises(ContractError, match=rf"{SOME_ID} was already used for phoenix\.ensure 103 with other options"):
        producer.ensure(103, dry_run=True, request_id=SOME_ID)


def test_what_else_is_asked(producer: Producer) -> None:
    assert producer.plan(103).wait(timeout=60).lines == ("clone 103 from 900",)
    assert [one.ctid for one in producer.plan_all().wait(timeout=60)] == [101, 103]
    planned, refused = producer.plan_all([103, REFUSED]).wait(timeout=60)
    assert isinstance(planned, Plan)
    assert planned.lines == ("clone 103 from 900",)
    assert isinstance(refused, Failure)
    assert (refused.ctid, refused.cause, refused.remedy) == (REFUSED, "not-ours", "Use --adopt.")
    assert producer.containers().wait(timeout=60) == [101, 103]
    assert producer.status().wait(timeout=60) == [standing(101), standing(103)]
    assert producer.status([103]).wait(timeout=60) == [standing(103)]


def test_the_history_ends(producer: Producer) -> None:
    ends = {ctid: [*producer.ensure(ctid).progress(timeout=60)][-1] for ctid in (103, REFUSED)}
    assert {ctid: end.kind for ctid, end in ends.items()} == {103: ProgressKind.DONE, REFUSED: ProgressKind.FAILED}
    assert ends[103].ctid == 103


def test_what_is_over_or_unknown_is_not_cancelled(producer: Producer) -> None:
    handle = producer.ensure(103)
    handle.wait(timeout=60)
    assert handle.cancel().wait(timeout=60) is Cancelled.OVER
    assert producer.cancel(NOBODYS_ID).wait(timeout=60) is Cancelled.UNKNOWN


# --- the recording one alone


def test_it_tells_what_was_asked() -> None:
    producer = recording()
    producer.ensure(103, state="stopped", dry_run=True)
    producer.plan(103)
    producer.status()
    asked = [(request.name, request.ctid, request.options) for request in producer.requests]
    assert asked == [
        ("phoenix.ensure", 103, {"state": "stopped", "dry_run": True, "requester": "the tests"}),
        ("phoenix.plan", 103, {}),
        ("phoenix.status", None, {}),
    ]


def test_a_result_may_say_more() -> None:
    producer = RecordingProducer()
    producer.succeeds(103, Outcome.UNCHANGED, node="pve7", not_applied=("features: root only",))
    result = producer.ensure(103, dry_run=True).wait()
    assert (result.outcome, result.node, result.dry_run) == (Outcome.UNCHANGED, "pve7", True)
    assert result.not_applied == ("features: root only",)


def test_an_answer_may_come_later_from_another_thread() -> None:
    producer = RecordingProducer()
    handle = producer.ensure(103)
    with pytest.raises(TimeoutError):
        handle.wait(timeout=0)
    later = threading.Thread(target=producer.succeeds, args=(103,))
    later.start()
    assert handle.wait().ctid == 103
    later.join()


def test_a_request_that_waits_is_cancelled() -> None:
    producer = RecordingProducer()
    handle = producer.ensure(103)
    assert handle.cancel().wait() is Cancelled.CANCELLED
    with pytest.raises(EnsureFailed) as failed:
        handle.wait()
    assert failed.value.failure.cause == "cancelled"
    assert [progress.kind for progress in handle.progress()] == [ProgressKind.REQUESTED, ProgressKind.CANCELLED]


@pytest.mark.parametrize("wait", [lambda handle: handle.wait(), lambda handle: [*handle.progress()]])
def test_what_nobody_answers_fails_the_test_instead_of_hanging_it(wait: Any) -> None:
    producer = RecordingProducer(patience=0.01)
    with pytest.raises(AssertionError, match=r"Nobody answers phoenix\.ensure 103"):
        wait(producer.ensure(103))
