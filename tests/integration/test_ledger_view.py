"""What people and programs are told of a ledger, which its own scripts have written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.client.link import Link
from phoenix_producer.contract import ContractError, ProgressKind
from phoenix_producer.ledger.entries import Job, JobState, Reference, Wait, WaitsFor
from phoenix_producer.ledger.view import LedgerView
from tests.support.driven_ledger import UPID, DrivenLedger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    from phoenix_worker.durable.run import Run


@pytest.fixture
def link(redis_url: str) -> Iterator[Link]:
    link = Link(redis_url)
    yield link
    link.close()


@pytest.fixture
def view(link: Link) -> LedgerView:
    return LedgerView(link.look)


def only(view: LedgerView) -> Job:
    (job,) = view.jobs()
    return job


def test_an_empty_redis_has_nothing(view: LedgerView) -> None:
    assert (view.jobs(ended=True), view.locks()) == ([], [])
    assert view.job("nobody") is None
    assert (view.history("nobody"), view.steps("nobody")) == ([], [])


def test_a_job_is_queued_then_runs(view: LedgerView, driven: DrivenLedger) -> None:
    asked = driven.asked(103)
    job = only(view)
    assert (job.id, job.what, job.state, job.requester) == (asked, "ensure 103", JobState.QUEUED, "the tests")
    assert job.since == job.created
    why = "a worker that takes from phoenix.ensure; none does"
    assert job.waits_for == Wait(WaitsFor.WORKER, "phoenix.ensure", why)
    client = driven.ledger.client
    client.zadd("phoenix:workers", {"w1": client.time()[0] + 60})
    assert only(view).waits_for is None, "for no more than a free one"
    run = driven.claim(asked)
    job = only(view)
    assert (job.state, job.step, job.waits_for) == (JobState.RUNNING, "ensure 103", None)
    link = driven.replaced(run, "clone", 103)
    job = only(view)
    assert (job.state, job.step) == (JobState.RUNNING, "clone 103")
    assert job.since == pytest.approx(link.begun)


def test_how_far_a_job_is_that_looks_at_much(view: LedgerView, driven: DrivenLedger) -> None:
    asked = driven.asked(103)
    run = driven.claim(asked)
    assert (view.looked(asked), view.looked("nobody")) == (None, None)
    assert driven.ledger.note_looked(run, 3, 40) is None
    assert view.looked(asked) == (3, 40)
    driven.ledger.cancel(asked, {"cause": "cancelled"})
    assert driven.ledger.note_looked(run, 3, 40) == '{"cause": "cancelled"}'
    driven.ledger.finish(run, "ok", None)
    driven.ledger.note_looked(run, 40, 40)
    assert view.looked(asked) == (3, 40), "a run that is over says nothing more"


def test_a_link_that_has_landed_is_not_where_the_job_is(view: LedgerView, driven: DrivenLedger) -> None:
    link = driven.replaced(driven.taken(103), "clone", 103)
    driven.say("land", link, f"{link.id[:-4]}next", 0, driven._entry(link, "configure", 103), "{}", "")
    assert (only(view).state, only(view).step) == (JobState.QUEUED, "configure 103")


def test_whoever_waits_for_a_lane_sees_who_is_before_it(view: LedgerView, driven: DrivenLedger) -> None:
    runs = [driven.taken(ctid) for ctid in (101, 102, 103)]
    links = [driven.replaced(run, "clone", ctid) for run, ctid in zip(runs, (101, 102, 103), strict=True)]
    assert [driven.hold(link, "ct/900") for link in links] == ["held", "parked", "parked"]
    first, second, third = view.jobs()
    assert first.state is JobState.RUNNING
    assert (third.state, third.step) == (JobState.WAITING, "clone 103")
    wait = third.waits_for
    assert wait is not None
    assert (wait.kind, wait.what) == (WaitsFor.LOCK, "ct/900")
    assert wait.owners == (Reference(first.id, "ensure 101"),)
    assert wait.before == (Reference(second.id, "ensure 102"),)
    assert third.since is not None
    assert third.since > third.created


def test_a_long_queue_is_told_once_and_not_by_each_who_waits_in_it(view: LedgerView, driven: DrivenLedger) -> None:
    runs = [driven.taken(ctid) for ctid in range(101, 126)]
    for run in runs:
        driven.hold(run, "ct/900")
    waits = [job.waits_for for job in view.jobs() if job.waits_for]
    assert [(len(wait.before), wait.ahead) for wait in waits] == [(min(ahead, 10), ahead) for ahead in range(24)]
    assert [one.what for one in waits[-1].before] == [f"ensure {ctid}" for ctid in range(102, 112)], "in their order"
    assert [len(lock.queue) for lock in view.locks()] == [24]


def test_a_proxmox_task_is_named_with_what_it_does(view: LedgerView, driven: DrivenLedger) -> None:
    driven.wait(driven.taken(103), f"upid/{UPID}", "Proxmox: clone template 900")
    wait = only(view).waits_for
    assert wait is not None
    assert (wait.kind, wait.what, wait.detail) == (WaitsFor.PROXMOX, UPID, "Proxmox: clone template 900")


def test_another_job_is_named(view: LedgerView, driven: DrivenLedger) -> None:
    dependency = driven.taken(104)
    driven.wait(driven.taken(103), f"job/{dependency.id}", "CT 104, on which CT 103 depends")
    wait = view.jobs()[1].waits_for
    assert wait is not None
    assert (wait.kind, wait.what) == (WaitsFor.JOB, dependency.id)
    assert wait.owners == (Reference(dependency.id, "ensure 104"),)


def test_a_time_is_told(view: LedgerView, driven: DrivenLedger) -> None:
    run = driven.taken(103)
    driven.say("sleep", run, "", 1, 50)
    job = only(view)
    assert job.waits_for is not None
    assert job.since is not None
    assert job.waits_for.kind is WaitsFor.TIME
    assert job.waits_for.until == pytest.approx(job.since + 50)


def test_a_retry_says_when_and_why(view: LedgerView, driven: DrivenLedger) -> None:
    run = driven.taken(103)
    driven.say("retry", run, "", 30, "CT is locked (backup)")
    job = only(view)
    assert job.waits_for is not None
    assert job.since is not None
    assert (job.waits_for.kind, job.waits_for.detail) == (WaitsFor.RETRY, "CT is locked (backup)")
    assert job.waits_for.until == pytest.approx(job.since + 30)


def test_a_task_whose_worker_died_is_tried_again_without_old_words(view: LedgerView, driven: DrivenLedger) -> None:
    run = driven.taken(103)
    driven.wait(run, "upid/x", "Proxmox: clone")
    driven.ledger.resolve("upid/x", {})
    driven.claim(run.id)
    driven.ledger.call("farewell", "w1")
    job = only(view)
    assert job.waits_for is not None
    assert (job.state, job.waits_for.kind, job.waits_for.detail) == (JobState.WAITING, WaitsFor.RETRY, "")


def test_ended_jobs_are_shown_on_request(view: LedgerView, driven: DrivenLedger) -> None:
    for verdict in ("ok", "failed", "cancelled"):
        driven.ended(driven.taken(103), verdict)
    assert view.jobs() == []
    ended = view.jobs(ended=True)
    assert [job.state for job in ended] == [JobState.DONE, JobState.FAILED, JobState.CANCELLED]
    assert all(job.ended and job.ended > job.created and not job.step for job in ended)


def test_a_job_that_is_being_cancelled_says_so(view: LedgerView, driven: DrivenLedger) -> None:
    run = driven.taken(103)
    driven.ledger.cancel(run.id, {"message": "no", "cause": "cancelled", "remedy": ""})
    assert only(view).state is JobState.CANCELLING


def test_the_beginning_of_an_id_is_enough(view: LedgerView, driven: DrivenLedger) -> None:
    first, second = driven.asked(103), driven.asked(104)
    different = next(place for place, (a, b) in enumerate(zip(first, second, strict=True), 1) if a != b)
    assert view.find(first[:different].upper()) == first
    assert view.find(second) == second
    with pytest.raises(ContractError, match="No job of the last week begins with zzz"):
        view.find("zzz")
    with pytest.raises(ContractError, match="named by its id"):
        view.find("")


def test_the_beginning_of_several_ids_is_not(view: LedgerView, driven: DrivenLedger) -> None:
    ids = [driven.asked(103) for _ in range(17)]
    beginning = next(one[0] for one in ids if sum(other[0] == one[0] for other in ids) > 1)
    with pytest.raises(ContractError, match=rf"{beginning} is the beginning of \d+ jobs: .*Give more"):
        view.find(beginning)


def test_the_history_and_the_steps(view: LedgerView, driven: DrivenLedger, redis_client: Redis) -> None:
    run = driven.taken(103)
    link = driven.replaced(run, "clone", 103)
    step = {"name": "clone", "ctid": 103, "started": 5.0, "seconds": 2.0, "upid": UPID, "changes": []}
    driven.landed(link, "verify", 103, step)
    kinds = [progress.kind for progress in view.history(run.id)]
    assert kinds == [
        ProgressKind.REQUESTED,
        ProgressKind.STEP_STARTED,
        ProgressKind.STEP_STARTED,
        ProgressKind.STEP_DONE,
    ]
    for started, seconds in (("1e18", "1"), ("NaN", "1"), ("5", "1e400"), ("5", "-1"), ("-1e12", "1"), ("5", '"x"')):
        others = f'{{"name": "clone", "ctid": 104, "started": {started}, "seconds": {seconds}}}'
        redis_client.rpush(f"phoenix:job:{run.id}:steps", others)
    assert [(one.name, one.ctid, one.upid) for one in view.steps(run.id)] == [("clone", 103, UPID)]


def test_locks_tell_owners_queue_and_capacity(view: LedgerView, driven: DrivenLedger) -> None:
    runs = [driven.taken(ctid) for ctid in (101, 102, 103, 104)]
    for run in reversed(runs):
        driven.hold(run, "node/pve1", 2)
    driven.hold(runs[2], "ct/900")
    lane, node = view.locks()
    assert (lane.name, lane.capacity, lane.queue) == ("ct/900", 1, ())
    assert lane.owners == (Reference(runs[2].id, "ensure 103"),)
    assert (node.name, node.capacity) == ("node/pve1", 2)
    assert {one.what for one in node.owners} == {"ensure 103", "ensure 104"}
    assert [one.what for one in node.queue] == ["ensure 101", "ensure 102"], "in the order of the requests"


def scene(driven: DrivenLedger) -> list[Run]:
    """One job that has a lane, one that waits for it, one that waits for a job."""
    runs = [driven.taken(ctid) for ctid in (101, 102, 103)]
    driven.hold(runs[0], "ct/900")
    driven.hold(runs[1], "ct/900")
    driven.wait(runs[2], f"job/{runs[0].id}", "CT 101")
    return runs


def vanish(client: Redis, driven: DrivenLedger, run: Run, *, wholly: bool) -> None:
    driven.ended(run)
    if wholly:
        for key in client.scan_iter(f"phoenix:*{run.id}*"):
            client.delete(key)


@pytest.mark.parametrize("wholly", [False, True])
@pytest.mark.parametrize(
    "read", [lambda view: view.jobs(ended=True), lambda view: view.locks(), lambda view: view.jobs()]
)
def test_what_ends_while_it_is_read_does_no_harm(
    redis_client: Redis, link: Link, driven: DrivenLedger, read: Callable[[LedgerView], Any], wholly: bool
) -> None:
    for turn in range(12):
        redis_client.flushall()
        owner, waiter, _ = scene(driven)
        looks = 0

        def look(questions: Any, turn: int = turn, owner: Run = owner) -> list[Any]:
            nonlocal looks
            if looks == turn:
                vanish(redis_client, driven, owner, wholly=wholly)
            looks += 1
            return link.look(questions)

        told = read(LedgerView(look))
        assert looks > 1
        assert all(owner.id != job.id or job.state in JobState for job in told if isinstance(job, Job))
        if looks <= turn:
            return
        assert driven.claim(waiter.id).id == waiter.id
    raise AssertionError("it never ended after the last look")


def test_a_job_that_ended_between_two_looks_is_told_as_ended(
    redis_client: Redis, link: Link, driven: DrivenLedger
) -> None:
    run = driven.taken(103)
    ended: list[int] = []

    def look(questions: Any) -> list[Any]:
        if len(ended) == 2:
            driven.ended(run)
        ended.append(1)
        return link.look(questions)

    assert [job.state for job in LedgerView(look).jobs()] == [JobState.DONE]
    assert redis_client.hget(f"phoenix:job:{run.id}", "state") == "done"


def test_thousands_of_jobs_are_read_in_a_few_round_trips(link: Link, driven: DrivenLedger) -> None:
    for ctid in range(100, 700):
        driven.asked(ctid)
    looks = []

    def look(questions: Any) -> list[Any]:
        looks.append(1)
        return link.look(questions)

    assert len(LedgerView(look).jobs()) == 600
    assert len(looks) <= 8


def test_jobs_that_have_ended_are_not_read_to_list_those_that_have_not(
    link: Link, driven: DrivenLedger, redis_client: Redis
) -> None:
    driven.ended(driven.taken(104))
    asked = driven.asked(103)
    with redis_client.pipeline(transaction=False) as pipe:
        for number in range(2000):
            pipe.zadd("phoenix:jobs", {f"ended-{number}": number})
            pipe.hset(f"phoenix:job:ended-{number}", mapping={"state": "done", "created": "1"})
        pipe.execute()
    answers: list[list[Any]] = []

    def look(questions: Callable[[Any], object]) -> list[Any]:
        answers.append(link.look(questions))
        return answers[-1]

    assert [job.id for job in LedgerView(look).jobs()] == [asked]
    assert len(answers) <= 8
    assert sum(len(one) for one in answers) <= 8, "as many questions as for one job"
    assert len(LedgerView(link.look).jobs(ended=True)) == 2002
