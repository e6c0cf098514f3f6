"""What a person reads of how a job ended."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from phoenix_producer.cli.terminal import Lines, outcome_lines, turn_at
from phoenix_producer.contract import Address, Change, EnsureResult, Failure, Outcome, Progress, ProgressKind, Step
from phoenix_producer.plans import Action


def first_line(outcome: Outcome, *seconds: float, **more: Any) -> str:
    steps = tuple(Step(name="configure", ctid=103, started=1000.0, seconds=one) for one in seconds)
    result = EnsureResult(request_id="a", ctid=103, node="pve", outcome=outcome, steps=steps, **more)
    return next(outcome_lines(result))


@pytest.mark.parametrize(
    ("seconds", "took"), [(12.34, " in 12.3 s"), (0.1, " in 0.1 s"), (0.04, " in 0.04 s"), (0.001, "")]
)
def test_nothing_takes_no_time(seconds: float, took: str) -> None:
    assert first_line(Outcome.UPDATED, seconds) == f"103  updated on pve{took}"


def test_what_is_about_no_ctid_names_none(capsys: pytest.CaptureFixture[str]) -> None:
    refusal = {"message": "Not a message that can be run.", "cause": "bad-request", "remedy": "Correct it."}
    assert [*outcome_lines(Failure(request_id="a", ctid=None, **refusal))] == [
        "failed: Not a message that can be run.",
        "     Correct it.",
    ]
    handles: Any = [SimpleNamespace(id="a", ctid=None)]
    Lines(handles).show(Progress(at=1000.0, kind=ProgressKind.REQUESTED, job="a", step="phoenix.status"))
    assert re.fullmatch(r"\S+ \S*\s+0\.0 s  requested\n", capsys.readouterr().out)


def test_where_it_was_placed_is_told_with_the_reason_and_once() -> None:
    made = {"request_id": "a", "ctid": 103, "node": "pve2", "outcome": Outcome.CREATED, "placed": "pve2: the best"}
    assert "     placed on pve2: the best" in [*outcome_lines(EnsureResult(**made))]
    foreseen = EnsureResult(**made, dry_run=True, plan=("place CT 103 on pve2: the best",))
    assert [line for line in outcome_lines(foreseen) if "the best" in line] == [
        "     would place CT 103 on pve2: the best"
    ]


def test_without_a_step_there_is_no_time_to_tell() -> None:
    assert first_line(Outcome.UNCHANGED) == "103  unchanged on pve"


@pytest.mark.parametrize(
    ("outcome", "words"),
    [
        (Outcome.CREATED, "would be created"),
        (Outcome.UPDATED, "would be updated"),
        (Outcome.UNCHANGED, "would stay unchanged"),
    ],
)
def test_a_dry_run_does_not_read_as_done(outcome: Outcome, words: str) -> None:
    assert first_line(outcome, 2.0, dry_run=True) == f"103  {words} on pve"


def test_what_only_recorded_the_declaration_says_so_in_the_words_of_a_plan() -> None:
    steps = tuple(Step(name=name, ctid=103, started=1000.0, seconds=1.0) for name in ("configure", "verify"))
    result = EnsureResult(request_id="a", ctid=103, node="pve", outcome=Outcome.UPDATED, steps=steps)
    action = Action(kind="record", detail="the marker in the notes, and nothing else")
    assert [*outcome_lines(result)][1:] == [f"     {action.words}"]
    changed = result.model_copy(update={"changes": (Change(key="memory", new="1"),)})
    assert [*outcome_lines(changed)][1:] == ["     memory: unset → 1"]
    new = result.model_copy(update={"outcome": Outcome.CREATED})
    assert [*outcome_lines(new)][1:] == []


def test_the_addresses_are_told() -> None:
    addresses = (Address(interface="eth0", address="10.0.0.5", prefix=24),)
    result = EnsureResult(request_id="a", ctid=103, node="pve", outcome=Outcome.UNCHANGED, addresses=addresses)
    assert [*outcome_lines(result)] == ["103  unchanged on pve", "     eth0 10.0.0.5/24"]


@pytest.mark.parametrize(
    ("name", "outcome", "told"),
    [
        ("start", Outcome.UPDATED, ["     started"]),
        ("stop", Outcome.UPDATED, ["     stopped"]),
        ("start", Outcome.CREATED, []),
    ],
)
def test_a_container_that_stood_there_was_started_or_stopped(name: str, outcome: Outcome, told: list[str]) -> None:
    steps = tuple(Step(name=name, ctid=ctid, started=1000.0, seconds=1.0) for ctid in (103, 900))
    result = EnsureResult(request_id="a", ctid=103, node="pve", outcome=outcome, steps=steps)
    assert [*outcome_lines(result)][1:] == told


def test_a_line_tells_how_long_its_job_has_gone_on(
    capsys: pytest.CaptureFixture[str],
) -> None:
    handles: Any = [SimpleNamespace(id="a", ctid=103), SimpleNamespace(id="b", ctid=104)]
    lines = Lines(handles)
    for at, job in ((1000.0, "a"), (1002.5, "b"), (1012.3, "a")):
        lines.show(Progress(at=at, job=job, kind=ProgressKind.WAITING, step="phoenix.clone", detail="ct/900"))
    shown = capsys.readouterr().out
    assert re.findall(r"([0-9.]+) s  10", shown) == ["0.0", "0.0", "12.3"]
    assert shown.count("clone waits for its turn at CT 900\n") == 3


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ct/900", "its turn at CT 900"),
        ("node/pve1", "a free place on node pve1"),
        ("Proxmox: clone 900", "Proxmox: clone 900"),
        ("ct/", "ct/"),
        (f"ct/{'9' * 5000}", f"ct/{'9' * 5000}"),
        ("ct/\u0663\u0663\u0663", "ct/\u0663\u0663\u0663"),
    ],
)
def test_a_lock_is_named_by_what_it_protects(name: str, words: str) -> None:
    assert turn_at(name) == words
