"""The lines of `phoenix-lxc check` about workers and shell access, whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.checkup import shell, workers
from phoenix_worker.core.checkup.line import Level, Line
from phoenix_worker.core.checkup.workers import WorkerFacts
from phoenix_worker.core.model.ports import Ran
from tests.support.declared import MINIMAL

if TYPE_CHECKING:
    from collections.abc import Sequence

OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR

W1, W2 = WorkerFacts("w1@a", "1.0", "aaaa"), WorkerFacts("w2@a", "1.0", "aaaa")
CATALOG = "Catalog of the workers"
ALL = Line("Workers", OK, "2: w1@a, w2@a")
FITS = [Line("Versions", OK, "1.0 everywhere"), Line(CATALOG, OK, "the same as here")]
OLDER = replace(W1, version="0.9")


@pytest.mark.parametrize(
    ("alive", "said", "catalog", "lines"),
    [
        (2, [W2, W1], "aaaa", [ALL, *FITS]),
        (1, [W2, W1], "aaaa", [ALL, *FITS]),
        (
            0,
            [W1],
            "aaaa",
            [Line("Workers", WARNING, "none runs: requests wait in Redis", "phoenix-lxc worker")],
        ),
        (
            2,
            [W1],
            "aaaa",
            [
                Line(
                    "Workers",
                    WARNING,
                    "2 workers send a heartbeat, and only 1 answer",
                    "A worker that does not answer is of an older version, or hangs: see the logs of the workers.",
                ),
                Line("Versions", OK, "1.0 of those that answer"),
                FITS[1],
            ],
        ),
        (
            2,
            [W2, OLDER],
            "aaaa",
            [
                ALL,
                Line(
                    "Versions",
                    WARNING,
                    "this is 1.0, and w1@a has 0.9",
                    "Upgrade the workers first, then the clients (docs/operations.md).",
                ),
                FITS[1],
            ],
        ),
        (
            2,
            [replace(W1, catalog=""), W2],
            "aaaa",
            [
                ALL,
                FITS[0],
                Line(CATALOG, ERROR, "there is no usable one at w1@a", "See their logs for what is refused."),
            ],
        ),
        (
            2,
            [W1, replace(W2, catalog="bbbb")],
            "aaaa",
            [
                ALL,
                FITS[0],
                Line(
                    CATALOG,
                    ERROR,
                    "they use 2 different ones: a job that moves to another worker may fail",
                    "Give all workers the same file (PHOENIX_CATALOG).",
                ),
            ],
        ),
        (
            2,
            [W1, W2],
            "cccc",
            [
                ALL,
                FITS[0],
                Line(
                    CATALOG,
                    WARNING,
                    "it differs from the one here",
                    "Decide which file is right, and copy it everywhere.",
                ),
            ],
        ),
        (
            2,
            [W1, W2],
            "",
            [
                ALL,
                FITS[0],
                Line(
                    CATALOG,
                    WARNING,
                    "the same everywhere; the one here is refused, so whether they serve it is not known",
                    "Correct the catalog here, or copy it from the workers.",
                ),
            ],
        ),
    ],
)
def test_lines_about_workers(alive: int, said: Sequence[WorkerFacts], catalog: str, lines: list[Line]) -> None:
    assert list(workers.judge_workers(alive, said, version="1.0", catalog=catalog)) == lines


def test_a_line_about_queues_that_no_worker_takes_from() -> None:
    assert list(workers.judge_queues({"phoenix.resume": 1, "phoenix.upkeep": 2})) == []
    what = "none takes from phoenix.upkeep, phoenix.ensure: what is requested there waits in Redis"
    none = {"phoenix.resume": 1, "phoenix.upkeep": 0, "phoenix.ensure": 0}
    assert list(workers.judge_queues(none)) == [Line("Workers", WARNING, what, "phoenix-lxc worker")]


# Shell access

NEEDY = {
    103: replace(MINIMAL, needs_shell=("scripts", "devices")),
    104: MINIMAL,
    105: replace(MINIMAL, needs_shell=("scripts",)),
}


def test_what_needs_shell_access_is_told_with_its_keys() -> None:
    assert list(shell.judge_need({104: MINIMAL}, accepted=False)) == []
    assert list(shell.judge_need(NEEDY, accepted=True)) == [
        Line("Shell access", OK, "none, as accepted: devices, scripts of CT 103, 105 are not applied")
    ]
    assert list(shell.judge_need(NEEDY, accepted=False)) == [
        Line(
            "Shell access",
            ERROR,
            "is needed for devices, scripts of CT 103, 105, and PHOENIX_SHELL is not set",
            "Set PHOENIX_SHELL=ssh, or local on the node itself; or ensure them with --accept-not-applied, and "
            "`phoenix-lxc check --accept-not-applied` says no more of it.",
        )
    ]


@pytest.mark.parametrize(
    ("ran", "said"),
    [
        (Ran(1, b"out", b"not\n allowed \xff"), "not allowed \ufffd"),
        (Ran(1, b"only out", b""), "only out"),
        (Ran(1, b"", b""), "nothing"),
        (Ran(1, b"", b"x" * 300), "x" * 200),
    ],
)
def test_a_shell_that_runs_nothing_is_told_with_its_words(ran: Ran, said: str) -> None:
    assert shell.judge_probe("pve1", ran) == Line(
        "Shell access to pve1",
        ERROR,
        f"`pct list` ended with 1 there: {said}",
        "Set PHOENIX_SHELL_USER to root, or to a user who may run it by sudo (PHOENIX_SHELL_SUDO=true).",
    )
    assert shell.judge_probe("pve1", Ran(0, b"", b"x")) == Line(
        "Shell access to pve1", OK, "`pct list` runs there as root"
    )


def test_what_a_forced_command_would_refuse_is_told() -> None:
    assert list(shell.judge_forbidden("pve1", [])) == []
    assert list(shell.judge_forbidden("pve1", None)) == [
        Line(
            "Forced command on pve1",
            WARNING,
            "it cannot say what it would refuse: its node_door.py is older than the workers",
            "Install the node_door.py of this version on pve1.",
        )
    ]
    assert list(shell.judge_forbidden("pve1", ["a (--ctids)", "b"])) == [
        Line(
            "Forced command on pve1",
            ERROR,
            "does not allow a (--ctids); b, which the catalog needs",
            "Add it to the arguments of phoenix-node-door in the node's authorized_keys, or remove it from the "
            "catalog: docs/proxmox-access.md.",
        )
    ]
