"""Whatever others write, only text, newlines and tabs of it reach a terminal."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from phoenix_producer.cli import live_lines, terminal
from phoenix_producer.cli.live_lines import LiveLines
from phoenix_producer.cli.look_bar import LookBar
from phoenix_producer.cli.tables import job_lines, lock_lines, node_lines, standing_lines, story_lines
from phoenix_producer.cli.terminal import Lines, outcome_lines, warnings_in
from phoenix_producer.cli.timeline import timeline
from phoenix_producer.cli.trees import DriftLines, PlanLines
from phoenix_producer.contract import Change, DesiredState, EnsureResult, Failure, Outcome, Progress, ProgressKind, Step
from phoenix_producer.ledger.entries import Job, JobState, Lock, Reference, Wait, WaitsFor
from phoenix_producer.nodes import Node, NodeState
from phoenix_producer.plans import Action, Drift, Plan
from phoenix_producer.standing import Exists, Standing
from phoenix_worker.catalog.findings import Refusal
from phoenix_worker.commands import check, printing
from phoenix_worker.commands.demo.screen import Screen
from phoenix_worker.core.checkup.line import Level, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_HARMFUL = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ud800-\udfff\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e00ff"
    "\U000e01f0-\U000e0fff]"
)
_PIECES = (
    "\x1b[0;32m",
    "\x1b]0;t\x07",
    "\x1b",
    "\x9b2J",
    "\r",
    "\n",
    "\n104  created on pve",
    "\u202e",
    "\u200b",
    "\U000e0041",
    "\u3164",
    "[bold]",
    "\x08",
)
TEXT = st.lists(
    st.one_of(st.sampled_from(_PIECES), st.text(st.characters(exclude_categories=[]), max_size=4)), max_size=5
).map("".join)


def jobs(text: str) -> list[Job]:
    waits = [Wait(kind, text, text, 1.0, (Reference("a", text),), (Reference("b", text),)) for kind in WaitsFor]
    return [Job(text, text, JobState.WAITING, text, 1.0, None, text, 1.0, wait) for wait in waits]


def events(text: str) -> list[Progress]:
    return [
        Progress(at=1.0, kind=kind, job="a", step=text, ctid=900, detail=text, upid=upid)
        for kind in ProgressKind
        for upid in (None, text)
    ]


def shown(text: str) -> Iterator[str]:
    """Everything that the command writes of others, each with all fields of it."""
    step = Step(name="start", ctid=103, started=1.0, seconds=1.0, upid=text)
    result = EnsureResult(
        request_id="a",
        ctid=103,
        node=text,
        outcome=Outcome.UPDATED,
        changes=(Change(key=text, old=text, new=text),),
        steps=(step,),
        not_applied=(text,),
        templates_not_applied={900: (text,)},
        pending_restart=(text,),
        plan=(text,),
        needs_rebuild=(text,),
        warnings=(text,),
    )
    failure = Failure(request_id="a", ctid=103, message=text, cause="x", remedy=text, warnings=(text,))
    action = Action(kind=text, key=text, old=text, new=text, source=text, detail=text)
    part: Any = {"ctid": 103, "name": text, "node": text, "role": text, "actions": (action,)}
    part |= {"pending_restart": (text,), "needs_rebuild": (text,)}
    plan = Plan(**part, outcome=Outcome.UPDATED, lines=(text,), not_applied=(text,), warnings=(text,))
    drift = Drift(**part, exists=Exists.CONTAINER, outdated=(text,), problem=text)
    standing = Standing(
        ctid=103, name=text, role=text, state=DesiredState.RUNNING, node=text, exists=Exists.CONTAINER,
        differs=(text,), pending_restart=(text,), outdated=(text,), lock=text, problem=text,
    )  # fmt: skip
    yield from outcome_lines(result)
    yield from outcome_lines(failure)
    yield from warnings_in([result, failure, plan])
    yield from PlanLines([plan], Console(file=io.StringIO()))(plan)
    yield from DriftLines(Console(file=io.StringIO()))([drift])
    yield from standing_lines([standing])
    yield from job_lines(jobs(text))
    yield from story_lines(jobs(text)[0], events(text), [step])
    yield from node_lines([Node(name=text, state=NodeState.DRAINED, drained_by=text, drained_at=1.0)])
    yield from lock_lines([Lock(text, 1, (Reference("a", text),), (Reference("b", text),))])


@given(TEXT)
def test_lines_have_nothing_that_changes_a_terminal(text: str) -> None:
    for line in shown(text):
        assert not _HARMFUL.search(line), line
        assert "\n104  created" not in line, "no line of theirs passes for one of ours"
        assert "[0;32m" not in line.replace("\x1b[0;32m", "") or "[0;32m" in text.replace("\x1b[0;32m", "")


@given(TEXT)
def test_what_is_drawn_on_a_terminal_has_nothing_that_changes_it(text: str) -> None:
    """rich lets escape sequences through."""
    file = io.StringIO()
    console = Console(file=file, width=80, color_system=None, force_terminal=True)
    live = LiveLines([])
    bar = LookBar()
    live._console = bar._console = console
    bar._task, bar._redraws = cast("Any", 1), True
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(live_lines, "redraws", lambda _: True)
        live.tell(text)
    bar.tell(text)
    console.print(timeline([Step(name=text, ctid=103, started=1.0, seconds=1.0)], console))
    assert not _HARMFUL.search(file.getvalue())


@given(TEXT)
def test_live_lines_have_nothing_that_changes_a_terminal(text: str) -> None:
    handle: Any = SimpleNamespace(id="a", ctid=103)
    for event in events(text):
        live = LiveLines([handle])
        live.show(event)
        (line,) = live.lines()
        for cell in (cell for row in (line.cells, *line.below) for cell in row):
            assert not _HARMFUL.search(cell.plain)
            assert "\n" not in cell.plain


def test_what_is_printed_has_nothing_that_changes_a_terminal(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    handle: Any = SimpleNamespace(id="a", ctid=103)
    log = tmp_path / "a.log"

    def progress(text: str) -> None:
        lines = Lines([handle])
        for event in events(text):
            lines.show(event)

    def end_of_log(text: str) -> None:
        log.write_text(text, encoding="utf-8")
        Screen().failed("", log)

    prints: list[Callable[[str], None]] = [
        terminal.complain,
        progress,
        lambda text: printing.print_findings(printing.out(), "refused", "", [Refusal(text, text, text)]),
        lambda text: check._print(Line(text, Level.ERROR, text, text)),
        lambda text: Screen().failed(text),
        lambda text: Screen().say("worker", text),
        end_of_log,
    ]
    for text in (*_PIECES, "".join(_PIECES), "\x00\x7f\x85\u2028\u2066"):
        for show in prints:
            show(text)
            printed = capsys.readouterr()
            assert printed.out + printed.err
            assert not _HARMFUL.search(printed.out + printed.err), (text, show)


def test_colored_output_of_a_script_is_shown_without_remnants() -> None:
    failed = Failure(request_id="a", ctid=103, message="Last output:\n  \x1b[0;32mok\x1b[0m", cause="x", remedy="Look.")
    assert [*outcome_lines(failed)] == ["103  failed: Last output:\n       ok", "     Look."]
