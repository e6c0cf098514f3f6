"""Who may call a node that does not answer, and for how long."""

from __future__ import annotations

import os
import signal
import threading
from contextlib import ExitStack, suppress

import pytest

from phoenix_worker.proxmox.error_table import UNREACHABLE
from phoenix_worker.proxmox.silence import FIRST_SECONDS, READS_AT_ONCE, NoAnswerError, Silence, Turn, node_of
from phoenix_worker.proxmox.translate import Request
from tests.support.waiting import wait_for

ALL = 15.0
READ = Request("GET", "nodes/pve2/lxc/103/config", "look at CT 103")
HASTY = Request("GET", "nodes/pve2/lxc/103/config", "look at CT 103", patient=False)
ORDER = Request("POST", "nodes/pve2/lxc/103/status/start", "start CT 103")


class Nodes:
    """Silence, with a clock that tests set."""

    def __init__(self) -> None:
        self.now = 100.0
        self.silence = Silence(ALL, lambda: self.now)

    def ask(self, request: Request, takes: float, *, answers: bool = True, longer: bool = False) -> float:
        """Make one call; returns the seconds that it is given."""
        with self.silence.asking("pve2", request, longer=longer) as turn:
            self.now += takes
            if answers:
                turn.answered()
            else:
                turn.unanswered()
            return turn.seconds


@pytest.fixture
def nodes() -> Nodes:
    return Nodes()


@pytest.mark.parametrize(("path", "node"), [("nodes/pve2/lxc", "pve2"), ("nodes", None), ("cluster/nextid", None)])
def test_the_node_is_that_of_the_path(path: str, node: str | None) -> None:
    assert node_of(Request("GET", path, "look")) == node


def test_a_read_is_given_a_second_and_an_order_all_the_time_there_is(nodes: Nodes) -> None:
    assert (nodes.ask(READ, 0.02), nodes.ask(ORDER, 0.02)) == (FIRST_SECONDS, ALL)
    assert nodes.ask(READ, 0.02, longer=True) == ALL


def test_a_slow_node_is_given_more(nodes: Nodes) -> None:
    nodes.ask(READ, 2.0, longer=True)
    assert nodes.ask(READ, 2.0) == 6.0
    assert nodes.ask(READ, 0.02) == 6.0
    for _ in range(5):
        nodes.ask(READ, 0.02)
    assert nodes.ask(READ, 0.02) == FIRST_SECONDS, "it is quick again"


def test_of_a_silent_node_one_call_at_a_time_finds_out(nodes: Nodes) -> None:
    nodes.ask(READ, 1.0, answers=False)
    with nodes.silence.asking("pve2", READ) as probe:
        assert probe.seconds == ALL
        nodes.now += 4.0
        for request in (READ, HASTY, ORDER):
            with pytest.raises(NoAnswerError, match=f"Unable to {request.doing}: pve2 has not answered for 5 s.") as no:
                nodes.ask(request, 0.0)
            assert no.value.cause == UNREACHABLE
        with nodes.silence.asking("pve3", READ) as other:
            assert other.seconds == FIRST_SECONDS, "other nodes are asked as before"
        probe.answered()
    assert nodes.ask(READ, 0.02) < ALL


def test_who_has_another_way_does_not_wait_for_a_silent_node(nodes: Nodes) -> None:
    nodes.ask(HASTY, 1.0, answers=False)
    assert nodes.ask(HASTY, 1.0, answers=False) == FIRST_SECONDS
    with pytest.raises(NoAnswerError):
        nodes.ask(HASTY, 1.0)
    nodes.now += 1.0
    assert nodes.ask(HASTY, 0.02) == FIRST_SECONDS


def test_one_call_that_hangs_makes_no_node_silent_that_answers_others(nodes: Nodes) -> None:
    with nodes.silence.asking("pve2", READ) as hangs:
        nodes.now += 0.5
        nodes.ask(READ, 0.02)
        nodes.now += 0.5
        hangs.unanswered()
    assert nodes.ask(READ, 0.02) == FIRST_SECONDS


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_of_all_processes_one_finds_out(nodes: Nodes) -> None:
    nodes.ask(READ, 1.0, answers=False)
    child = os.fork()
    if child == 0:  # silent to it as well
        with nodes.silence.asking("pve2", READ):
            signal.pause()
    try:

        def is_refused() -> bool:
            with suppress(NoAnswerError):
                nodes.ask(READ, 1.0, answers=False)
                return False
            return True

        wait_for(is_refused)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    assert nodes.ask(READ, 0.02) == ALL, "who dies is at it no longer"


def test_only_so_many_read_at_the_same_time_and_orders_do_not_count() -> None:
    silence, turns = Silence(ALL), list[Turn]()

    def ask() -> None:
        with silence.asking("pve2", READ) as turn:
            turns.append(turn)

    with ExitStack() as stack:
        begun = [stack.enter_context(silence.asking("pve2", READ)) for _ in range(READS_AT_ONCE)]
        stack.enter_context(silence.asking("pve2", ORDER))
        late = threading.Thread(target=ask)
        late.start()
        late.join(0.05)
        assert not turns, "it waits for its turn"
        begun[0].answered()
    wait_for(lambda: turns)
    late.join()
