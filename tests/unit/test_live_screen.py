from __future__ import annotations

import io
from collections import Counter
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, ConsoleDimensions

from phoenix_producer.cli.live_lines import LiveLines, display_for
from phoenix_producer.cli.live_screen import JobLine, Rank, cell, count_of, screen_of
from phoenix_producer.cli.tables import job_lines
from phoenix_producer.cli.terminal import Lines
from phoenix_producer.cli.watched_jobs import Watched, watched_lines
from phoenix_producer.contract import Progress, ProgressKind
from phoenix_producer.ledger.entries import Job, JobState, Reference, Wait, WaitsFor

WIDTH, HEIGHT = 80, 24


def drawn(renderable: Any, width: int = WIDTH) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=HEIGHT, legacy_windows=False)
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
    monkeypatch.setattr(type(lines._console), "size", ConsoleDimensions(WIDTH, HEIGHT))
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


class Stream(io.StringIO):
    def __init__(self, *, terminal: bool) -> None:
        super().__init__()
        self.isatty = lambda: terminal  # type: ignore[method-assign]  # of one stream


@pytest.mark.parametrize(
    ("terminal", "environ", "shown"),
    [
        (True, {"TERM": "xterm"}, LiveLines),
        (True, {"FORCE_COLOR": "", "TTY_COMPATIBLE": "0"}, LiveLines),
        (True, {"TERM": "dumb"}, Lines),
        (False, {"TERM": "xterm", "FORCE_COLOR": "1", "TTY_COMPATIBLE": "1"}, Lines),
    ],
)
def test_only_a_terminal_that_can_redraw_has_live_lines(
    terminal: bool, environ: dict[str, str], shown: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("TERM", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.stdout", Stream(terminal=terminal))
    assert type(display_for([], as_json=False)) is shown


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
    lines.show(event("j100", ProgressKind.STEP_STARTED, 100))
    lines.show(event("j100", ProgressKind.WAITING, 100, detail="ct/900"))
    (only,) = drawn(lines.screen())
    assert "template 900" in only, "what Redis said before that is over"


def waits_for(job: str, other: str) -> Wait:
    return Wait(WaitsFor.JOB, job, f"CT {job}, on which CT {other} depends", owners=(Reference(job, f"ensure {job}"),))


def test_each_of_a_chain_of_dependencies_has_a_line_that_says_where_it_is() -> None:
    """Also when they wait for each other in a circle, which no catalog declares: it ends."""
    chain = {one: Job(one, f"ensure {one}", JobState.WAITING, "", 1.0, None, f"ensure {one}", 1.0) for one in "345"}
    known = {
        "j100": replace(job("j100", "ensure 100"), waits_for=waits_for("3", "100")),
        "3": replace(chain["3"], waits_for=waits_for("4", "3")),
        "4": replace(chain["4"], waits_for=waits_for("5", "4")),
        "5": replace(chain["5"], step="clone 5", waits_for=Wait(WaitsFor.PROXMOX, detail="Proxmox: clone it")),
    }
    lines = live(1, open_jobs=lambda: known)
    lines.show(event("j100", ProgressKind.WAITING, 100, "phoenix.ensure", detail="CT 3, on which CT 100 depends"))
    assert [" ".join(line.split()) for line in drawn(lines.screen())[1:]] == [
        "└ ensure 3 CT 4, on which CT 3 depends (ensure 4, job 4)",
        "└ ensure 4 CT 5, on which CT 4 depends (ensure 5, job 5)",
        "└ ensure 5 clone 5 Proxmox: clone it",
    ]
    assert count_of(lines.lines()) == "0 of 1 done, 1 waiting for CT 3"
    known["5"] = replace(chain["5"], waits_for=waits_for("3", "5"))
    assert len(drawn(lines.screen())) == 4


MANY = [
    JobLine(Rank.ACTIVE, (cell(str(ctid)),), waits_for=f"template {900 + ctid % 2}" if ctid < 130 else "")
    for ctid in range(100, 140)
]


def test_who_runs_comes_before_who_waits_where_not_all_have_room() -> None:
    shown = drawn(screen_of(MANY, HEIGHT, WIDTH))
    assert [int(line) for line in shown[:20]] == [*range(130, 140), *range(100, 110)]


def test_what_no_worker_has_taken_yet_is_queued_and_comes_after_who_waits() -> None:
    many = live(40)
    for number in range(40):
        job, ctid = f"j{100 + number}", 100 + number
        many.show(event(job, ProgressKind.REQUESTED, ctid, "phoenix.ensure"))
        if number == 30:
            many.show(event(job, ProgressKind.STEP_STARTED, ctid))
        elif number > 30:
            many.show(event(job, ProgressKind.WAITING, ctid, detail="ct/900"))
    shown = drawn(screen_of(many.lines(), HEIGHT, WIDTH))
    assert [line.split()[:2] for line in shown[10:12]] == [["100", "requested"], ["101", "requested"]]
    assert [int(line.split()[0]) for line in shown[:-1]] == [*range(130, 140), *range(100, 113)]
    assert shown[-1] == "0 of 40 done, 9 waiting for template 900, 30 queued, 1 running; 17 not shown"
    assert not [line for line in shown if line.count("requested") > 1]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (40, 12), (200, 20), (20, 10)])
def test_the_count_is_whole_on_each_width(width: int, height: int) -> None:
    shown = drawn(screen_of(MANY, height, width), width)
    assert len(shown) <= height
    counted = " ".join(line.strip() for line in shown if not line.isdecimal())
    not_shown = len(MANY) - sum(line.isdecimal() for line in shown)
    waiting = "15 waiting for template 900, 15 waiting for template 901"
    assert counted == f"0 of 40 done, {waiting}, 10 running; {not_shown} not shown"


def test_a_narrow_screen_has_no_gaps() -> None:
    lines = live(2)
    lines.show(event("j101", ProgressKind.WAITING, 101, detail="ct/900"))
    narrow = [" ".join(line.split()) for line in drawn(screen_of(lines.lines(), 12, 40), 40)]
    assert narrow == ["100 0 s", "101 clone waits for its turn at templ…"]


@given(
    st.lists(
        st.builds(
            JobLine,
            rank=st.sampled_from(Rank),
            cells=st.tuples(st.text(max_size=200).map(cell), st.text(max_size=200).map(cell)),
            below=st.lists(st.tuples(st.text(max_size=200).map(cell)), max_size=3).map(tuple),
            waits_for=st.sampled_from(["", "template 900", "CT 5", "a free place on node pve"]),
            queued=st.booleans(),
        ),
        max_size=60,
    ),
    st.integers(min_value=1, max_value=50),
    st.integers(min_value=1, max_value=90),
)
def test_it_is_never_taller_than_the_screen(lines: list[JobLine], height: int, width: int) -> None:
    assert len(drawn(screen_of(lines, height, width), width)) <= height


def job(job_id: str, what: str, requester: str = "me", waits_for: Wait | None = None, outcome: str = "") -> Job:
    state = JobState.DONE if outcome else JobState.WAITING if waits_for else JobState.RUNNING
    ended = 3.0 if outcome else None
    return Job(job_id, what, state, requester, 1.0, ended, step=what, since=1.0, waits_for=waits_for, outcome=outcome)


def test_watched_jobs_that_nobody_requested_stand_below_who_waits_for_them() -> None:
    jobs = [
        job("a", "ensure 101", "me", Wait(WaitsFor.JOB, "b", "it needs it")),
        job("b", "ensure 500", "", Wait(WaitsFor.JOB, "c", "it needs it")),
        job("c", "ensure 501", ""),
        job("d", "ensure 101", "you", Wait(WaitsFor.JOB, "a", "it needs it")),
        job("e", "ensure 102", "me", Wait(WaitsFor.JOB, "b", "it needs it")),
    ]
    lines = watched_lines(jobs)
    assert [line.cells[0].plain for line in lines] == ["a", "d", "e"]
    assert [[row[0].plain for row in line.below] for line in lines] == [["└ b", "  └ c"], [], []]
    assert len(drawn(screen_of(lines, HEIGHT, WIDTH))) == len(jobs)


def test_a_watched_job_says_where_it_is_once() -> None:
    """A template that is built for it has the line below."""
    proxmox = Wait(WaitsFor.PROXMOX, "UPID:", "Proxmox: create CT 900")
    jobs = [
        replace(job("a", "ensure 101", waits_for=proxmox), step="create 900"),
        replace(job("b", "ensure 102", waits_for=proxmox), step="clone 102"),
        replace(job("c", "ensure 103", waits_for=Wait(WaitsFor.RETRY, detail="HTTP 503")), step="ensure 103"),
        replace(job("d", "rebuild 900"), step="create 9000"),
        job("e", "destroy 104", waits_for=Wait(WaitsFor.WORKER, "q", "a worker that takes from q; none does")),
        replace(job("f", "destroy 105"), state=JobState.QUEUED),
    ]
    shown = [[text.plain for text in row] for line in watched_lines(jobs) for row in (line.cells, *line.below)]
    assert [[*row[:4], *row[5:]] for row in shown] == [
        ["a", "ensure 101", "builds 900"],
        ["└", "create 900", "waiting", "", "Proxmox: create CT 900 UPID:"],
        ["b", "ensure 102", "waiting", "clone", "Proxmox: create CT 900 UPID:"],
        ["c", "ensure 103", "waiting", "", "tries again: HTTP 503"],
        ["d", "rebuild 900", "running", "create 9000", ""],
        ["e", "destroy 104", "waiting", "", "a worker that takes from q; none does"],
        ["f", "destroy 105", "queued", "", ""],
    ]
    told = "0 of 6 done, 1 waiting for a retry, 1 waiting for a worker of q, 1 queued, 3 running"
    assert count_of(watched_lines(jobs)) == told


def test_watched_jobs_that_end_stay_but_for_those_below_others() -> None:
    done = {one.id: one for one in (job("a", "ensure 101", outcome="created"), job("c", "ensure 500", ""))}
    watched = Watched(done.get)
    waiting = job("a", "ensure 101", waits_for=Wait(WaitsFor.JOB, "c", "it needs it"))
    assert [one.id for one in watched.with_ended([waiting, job("b", "status"), job("c", "ensure 500", "")])] == [*"abc"]
    assert [one.id for one in watched.with_ended([waiting, job("b", "status")])] == [*"ab"]
    for _ in range(2):
        assert [(one.id, one.outcome) for one in watched.with_ended([job("d", "ensure 1")])] == [
            ("d", ""),
            ("a", "created"),
        ]
    assert count_of(watched_lines(watched.with_ended([]))) == "1 of 1 done"
    done["e"] = job("e", "ensure 2", outcome="created")
    for look in [[job("e", "ensure 2", outcome="created")], []]:
        kept = [one.id for one in watched.with_ended(look)]
        assert {"a", "e"} == set(kept), "it ended between the two reads of one look"
    assert [one.id for one in watched.with_ended([*done.values()])] == [*"ace"], "with --all"


LANE = Wait(WaitsFor.LOCK, "ct/900", owners=(Reference("b", "ensure 102"),))


def test_columns_that_a_terminal_has_no_room_for_go_below() -> None:
    jobs = [job("aaaaaaaa", "ensure 900", "somebody@a-machine", LANE), job("bbbbbbbb", "ensure 102", "me", LANE)]
    assert [*job_lines(jobs, 200)] == [*job_lines(jobs)]
    head, *lines = job_lines(jobs, 60)
    assert head.split() == ["JOB", "WHAT", "STATE", "STEP", "SINCE"]
    assert [line for line in lines if line.startswith(" ")] == [
        "          requester somebody@a-machine; waits for its turn",
        "          at CT 900 (next): held by ensure 102",
        "          requester me; waits for its turn at template 900",
        "          (next): held by ensure 102",
    ]


@given(st.text("ab -é", max_size=90), st.text("ab -é", max_size=90), st.integers(min_value=1, max_value=120))
def test_no_word_is_lost_below(who: str, why: str, width: int) -> None:
    lines = [job("aaaaaaaa", "ensure 900", who, Wait(WaitsFor.OTHER, detail=why))]
    words = Counter([*job_lines(lines)][1].split())
    assert words <= Counter(" ".join([*job_lines(lines, width)][1:]).replace(";", " ").split())
