from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from phoenix_producer.cli.live_lines import LiveLines
from phoenix_producer.cli.live_screen import JobLine, Rank, cell, screen_of
from phoenix_producer.cli.watched_jobs import watched_lines
from phoenix_producer.contract import Progress, ProgressKind
from phoenix_producer.ledger.entries import Job, JobState, Wait, WaitsFor

WIDTH, HEIGHT = 80, 24


def drawn(renderable: Any) -> list[str]:
    console = Console(file=io.StringIO(), width=WIDTH, height=HEIGHT, legacy_windows=False)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get().rstrip("\n").splitlines()


def event(job: str, kind: ProgressKind, ctid: int, step: str = "phoenix.clone", **more: Any) -> Progress:
    return Progress(at=1.0, kind=kind, job=job, step=step, ctid=ctid, **more)


def live(count: int, **more: Any) -> LiveLines:
    handles: list[Any] = [SimpleNamespace(id=f"j{ctid}", ctid=ctid) for ctid in range(100, 100 + count)]
    return LiveLines(handles, **more)


@pytest.fixture
def forty(monkeypatch: pytest.MonkeyPatch) -> LiveLines:
    lines = live(40)
    monkeypatch.setattr(type(lines._console), "size", SimpleNamespace(height=HEIGHT, width=WIDTH))
    for number in range(40):
        job, ctid = f"j{100 + number}", 100 + number
        lines.show(event(job, ProgressKind.STEP_STARTED, ctid))
        if number < 23:
            lines.show(event(job, ProgressKind.DONE, ctid))
        elif number == 23:
            lines.show(event(job, ProgressKind.FAILED, ctid))
        elif number >= 36:
            lines.show(event(job, ProgressKind.WAITING, ctid, detail="ct/900"))
    return lines


def test_forty_jobs_fit_on_a_screen_and_what_is_done_is_a_count(forty: LiveLines) -> None:
    shown = drawn(forty.screen())
    assert len(shown) <= HEIGHT - 1
    assert shown[-1] == "23 of 40 done, 1 failed, 4 waiting for template 900, 12 running"
    ctids = [int(line.split()[0]) for line in shown[:-1]]
    assert ctids == [*range(124, 140), 123], "who runs and waits first, who failed next"


def test_few_jobs_have_a_line_each_whatever_became_of_them() -> None:
    lines = live(3)
    lines.show(event("j101", ProgressKind.DONE, 101))
    lines.show(event("j102", ProgressKind.FAILED, 102))
    assert [line.split()[0] for line in drawn(lines.screen())] == ["100", "101", "102"]


def test_a_template_that_is_built_for_a_job_has_the_line_below_it() -> None:
    lines = live(2)
    lines.show(event("j100", ProgressKind.STEP_STARTED, 900, "phoenix.create"))
    lines.show(event("j100", ProgressKind.REMOTE_TASK, 900, "phoenix.create", upid="UPID:a:1:2:3:vzcreate:900:u@p:"))
    first, second, third = drawn(lines.screen())
    assert first.split()[:3] == ["100", "builds", "900"]
    assert second.split()[:5] == ["└", "create", "900", "vzcreate", "900"]
    assert third.split()[0] == "101"


def test_a_dependency_has_the_line_below_the_one_that_waits_for_it() -> None:
    wait = Wait(WaitsFor.JOB, "dep", "CT 500, on which CT 100 depends")
    waiting = Job("j100", "ensure 100", JobState.WAITING, "me", 1.0, None, "ensure 100", 1.0, wait)
    known = {"j100": waiting, "dep": Job("dep", "ensure 500", JobState.RUNNING, "", 1.0, None, "clone 500", 1.0)}
    lines = live(1, open_jobs=lambda: known)
    lines.show(event("j100", ProgressKind.WAITING, 100, "phoenix.ensure", detail="CT 500, on which CT 100 depends"))
    first, second = drawn(lines.screen())
    assert "CT 500, on which CT 100 depends" in first
    assert second.split() == ["└", "ensure", "500", "clone", "500", "running"]


@given(
    st.lists(
        st.builds(
            JobLine,
            rank=st.sampled_from(Rank),
            cells=st.tuples(st.text(max_size=200).map(cell), st.text(max_size=200).map(cell)),
            below=st.lists(st.tuples(st.text(max_size=200).map(cell)), max_size=3).map(tuple),
            waits_for=st.sampled_from(["", "template 900", "CT 5", "a free place on node pve"]),
        ),
        max_size=60,
    ),
    st.integers(min_value=2, max_value=50),
)
def test_it_is_never_taller_than_the_screen(lines: list[JobLine], height: int) -> None:
    assert len(drawn(screen_of(lines, height))) <= height


def test_watched_jobs_that_nobody_requested_stand_below_who_waits_for_them() -> None:
    def job(job_id: str, what: str, requester: str, waits_for: str = "") -> Job:
        wait = Wait(WaitsFor.JOB, waits_for, "it needs it") if waits_for else None
        state = JobState.WAITING if wait else JobState.RUNNING
        return Job(job_id, what, state, requester, 1.0, None, step=what, since=1.0, waits_for=wait)

    jobs = [
        job("a", "ensure 101", "me", "b"),
        job("b", "ensure 500", "", "c"),
        job("c", "ensure 501", ""),
        job("d", "ensure 101", "you", "a"),
        job("e", "ensure 102", "me", "b"),
    ]
    lines = watched_lines(jobs)
    assert [line.cells[0].plain for line in lines] == ["a", "d", "e"]
    assert [[row[0].plain for row in line.below] for line in lines] == [["└ b", "  └ c"], [], []]
    assert len(drawn(screen_of(lines, HEIGHT))) == len(jobs)
