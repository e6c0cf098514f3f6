"""Plans of many CTIDs in one answer: each is told as a request of its own would be, also in what it waits for."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from phoenix_producer import Failure
from phoenix_producer.plans import PlansRequest
from phoenix_worker.answers import plans as answers
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.durable.run import Parked

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_producer.contract import EnsureRequest
    from phoenix_worker.base import PhoenixTask

PATIENCE = 60.0
CREATED = TransientError("CT 103 is being created.", cause="being-created")
SILENT = TransientError("pve2 does not answer.", cause="unreachable")


class Declared(dict[int, str]):
    """As much of a catalog as plans need."""

    def __init__(self) -> None:
        super().__init__({900: "template", 101: "", 103: "", 105: ""})

    def containers(self) -> tuple[int, ...]:
        return (101, 103, 105)


class Task:
    """As much of a task as plans need. It is run again when it has slept, and keeps what it has read, as a real one."""

    def __init__(self) -> None:
        self.running = SimpleNamespace(job="j", claimed_at=100.0, created=100.0, since=None)
        self.engine = SimpleNamespace(patience=PATIENCE, ledger=SimpleNamespace(note_looked=lambda *_: None))
        self.catalog = SimpleNamespace(current=Declared)
        self.proxmox = SimpleNamespace(cluster=dict)
        self.journal: dict[str, Any] = {}
        self.slept = 0.0
        self.sleeps = 0
        self.rung = 0

    def read(self, step: str, look: Callable[[], Any]) -> Any:
        if step not in self.journal:
            self.journal[step] = look()
        return self.journal[step]

    def sleep(self, seconds: float) -> None:
        self.sleeps += 1
        if self.sleeps > self.rung:
            self.rung, self.slept = self.sleeps, self.slept + seconds
            raise Parked

    def failed(self, error: Any, ctid: int) -> Failure:
        return Failure(request_id="j", ctid=ctid, message=error.message, cause=error.cause, remedy=type(error).__name__)

    def runs(self, request: PlansRequest) -> list[dict[str, Any]]:
        while True:
            self.sleeps = 0
            self.running.claimed_at = 100.0 + self.slept
            try:
                return answers.plans(cast("PhoenixTask", self), request)
            except Parked:
                continue


@pytest.fixture
def looked(monkeypatch: pytest.MonkeyPatch) -> dict[int, list[Exception | None]]:
    """By CTID, what each look at it comes to, one after the other and then the last again: an error, or a plan."""
    comes_to: dict[int, list[Exception | None]] = {}

    def forecast(_: PhoenixTask, request: EnsureRequest) -> dict[str, Any]:
        ends = comes_to.get(request.ctid, [None])
        end = ends.pop(0) if len(ends) > 1 else ends[0]
        if end is not None:
            raise end
        return {"ctid": request.ctid, "accepted": request.accept_not_applied}

    monkeypatch.setattr(answers, "forecast", forecast)
    monkeypatch.setattr(answers, "planned", lambda _, forecast: forecast)
    return comes_to


def plan(ctid: int, *, accepted: bool = False) -> dict[str, Any]:
    return {"ctid": ctid, "accepted": accepted}


@pytest.mark.usefixtures("looked")
def test_all_containers_are_meant_when_none_is_named_and_each_once() -> None:
    assert Task().runs(PlansRequest(accept_not_applied=True)) == [plan(it, accepted=True) for it in (101, 103, 105)]
    assert Task().runs(PlansRequest(ctids=(105, 101, 105))) == [plan(105), plan(101)]


@pytest.mark.usefixtures("looked")
def test_the_answer_is_no_longer_than_the_catalog_and_some_others() -> None:
    """It had a failure of half a kilobyte for each CTID that anybody named, and is kept for a week."""
    some, many = range(2000, 2100), range(2000, 9000)
    assert len(Task().runs(PlansRequest(ctids=(101, 900, *some)))) == 102
    with pytest.raises(
        PermanentError, match="7000 of the 7001 CTIDs are not in the catalog; 2000 is the first"
    ) as error:
        Task().runs(PlansRequest(ctids=(101, *many)))
    assert error.value.cause == "not-declared"


def test_what_would_be_refused_has_its_failure_at_once(looked: dict[int, list[Exception | None]]) -> None:
    task = Task()
    looked[103] = [PermanentError("It is not ours.", cause="not-ours", remedy="x")]
    before, refused, after = task.runs(PlansRequest())
    assert (before, after, task.slept) == (plan(101), plan(105), 0.0)
    assert (refused["ctid"], refused["cause"], refused["message"]) == (103, "not-ours", "It is not ours.")


def test_what_passes_is_looked_at_again_and_it_alone(looked: dict[int, list[Exception | None]]) -> None:
    task = Task()
    looked[103] = [CREATED, CREATED, None]
    looked[105] = [None, AssertionError("it has been told")]
    assert task.runs(PlansRequest()) == [plan(101), plan(103), plan(105)]
    assert 1.0 < task.slept < 2.0


@pytest.mark.parametrize(
    ("error", "least", "most", "told_as"),
    [(CREATED, PATIENCE, 130, "TransientError"), (SILENT, 3, 8, "PermanentError")],
)
def test_what_does_not_pass_is_told_when_its_patience_is_over(
    error: TransientError,
    least: float,
    most: float,
    told_as: str,
    looked: dict[int, list[Exception | None]],
) -> None:
    task = Task()
    looked[103] = [error]
    before, late, after = task.runs(PlansRequest())
    assert (before, after) == (plan(101), plan(105))
    assert (late["cause"], late["remedy"]) == (error.cause, told_as)
    assert least <= task.slept < most


def test_a_proxmox_that_is_away_as_a_whole_is_waited_for(looked: dict[int, list[Exception | None]]) -> None:
    task = Task()
    looked.update({ctid: [SILENT] for ctid in (101, 103, 105)})

    def nobody() -> None:
        raise SILENT

    task.proxmox = SimpleNamespace(cluster=nobody)
    with pytest.raises(TransientError):
        task.runs(PlansRequest())
