"""Tables fit the terminal that shows them, whatever is in them."""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from phoenix_producer.cli.tables import job_lines, lock_lines, node_lines, standing_lines
from phoenix_producer.cli.terminal import time_of_day
from phoenix_producer.contract import DesiredState
from phoenix_producer.ledger.entries import Job, JobState, Lock, Reference, Wait, WaitsFor
from phoenix_producer.nodes import Node, NodeState
from phoenix_producer.standing import Exists, Standing

if TYPE_CHECKING:
    from collections.abc import Iterator

TEXT = st.text(
    st.characters(categories=["L", "N", "P", "Zs", "Mn"]) | st.sampled_from("\u65e5\u672c \U0001f680"), max_size=60
)
NODE = Node(
    name="pve2-with-a-long-name",
    state=NodeState.DRAINED,
    drained_at=1.0,
    drained_by="somebody@a-machine.example",
    cpus=16,
    cpu_used=0.2,
    memory=64 << 30,
    memory_free=32 << 30,
    reserved=(101, 102),
    reserved_memory=3 << 30,
    in_flight=2,
    places=4,
    waiting=1,
    templates=tuple(range(900, 960)),
)


def tables(text: str, width: int | None) -> Iterator[str]:
    """Every table, with what others have written in each of its columns."""
    wait = Wait(WaitsFor.LOCK, text, text, 1.0, (Reference("a", text),), (Reference("b", text),))
    yield from job_lines([Job("a", "ensure 103", JobState.WAITING, text, 1.0, None, text, 1.0, wait)], width)
    yield from lock_lines([Lock("ct/900", 1, (Reference("a", text),), (Reference("b", text),))], width)
    yield from node_lines([NODE, NODE.model_copy(update={"drained_by": text})], width)
    yield from standing_lines(
        [
            Standing(
                ctid=103,
                name=text,
                role=text,
                state=DesiredState.RUNNING,
                node=text,
                exists=Exists.CONTAINER,
                problem=text,
            )
        ],
        width,
    )


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_no_line_is_wider_than_the_terminal_unless_it_is_one_word(width: int) -> None:
    @given(TEXT)
    def fits(text: str) -> None:
        for line in tables(text, width):
            assert cell_len(line) <= width or len(line.split()) == 1, line

    fits()


@given(TEXT)
def test_columns_stand_below_their_heads_whatever_is_wide(text: str) -> None:
    wait = Wait(WaitsFor.OTHER, "", "it")
    head, line = job_lines([Job("a", "ensure 103", JobState.WAITING, text, 1.0, None, "", 1.0, wait)])
    assert cell_len(line.removesuffix("it")) == cell_len(head[: head.index("WAITS")])


def test_one_hostile_name_makes_no_line_of_the_others_long() -> None:
    wait = Wait(WaitsFor.OTHER, "", "it")
    names = {"a": "x" * 1_000_000} | dict.fromkeys(string.ascii_lowercase[1:], "me")
    jobs = [Job(one, "ensure 103", JobState.RUNNING, who, 1.0, None, "", 1.0, wait) for one, who in names.items()]
    assert max(map(len, [*job_lines(jobs)][2:])) < 500


@pytest.mark.parametrize("at", [1e12, -1e12, 1e17, 1e300, float("inf"), float("nan")])
def test_a_time_in_no_year_is_shown_and_hides_nothing_else(at: float) -> None:
    assert time_of_day(at) == "?"
    (_, line) = job_lines([Job("a", "103", JobState.RUNNING, "phoenix.ensure", at, None, "x", at)])
    assert "  ?" in line
