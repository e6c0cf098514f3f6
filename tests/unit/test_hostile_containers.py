"""Whoever is root in a container writes what comes out of it: its shell and its `cat` are its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.catalog.declaration import Script
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.ports import Ran
from phoenix_worker.proxmox import scripts
from phoenix_worker.proxmox.scripts import Place, ScriptState
from tests.support.declared import DECLARED

if TYPE_CHECKING:
    from collections.abc import Sequence

SCRIPT = Script("base", "features/base.sh", "00aa", content="")
PLACE = Place("pve1", 103, creation="c1")


class Says:
    """A node shell at whose other end a container answers."""

    def __init__(self, out: bytes) -> None:
        self._out = out

    def run(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Ran:  # noqa: ARG002
        return Ran(0, self._out, b"")


@pytest.mark.parametrize("size", [b"9" * 5000, "\u0663".encode(), b"-1", b"1_0", b""])
def test_a_size_that_is_none_is_another_try(size: bytes) -> None:
    with pytest.raises(TransientError) as caught:
        scripts.look(Says(b"running\n" + size + b"\nlog"), PLACE, "run", 0)
    assert caught.value.cause == "shell-cut"


@pytest.mark.parametrize("code", ["0 and more", "1" * 1000, "\x1b[31m", "nought"])
def test_a_code_that_is_none_is_that_of_a_run_that_is_lost(code: str) -> None:
    seen = scripts.look(Says(f"ended {code}\n3\nlog".encode()), PLACE, "run", 0)
    assert seen == ScriptState("ended", "", 3, b"log")


@pytest.mark.parametrize("run", ["", "x" * 100_000, "two\nlines"])
def test_what_no_directory_of_a_run_can_be_is_none(run: str) -> None:
    with pytest.raises(PermanentError) as caught:
        scripts.start(Says(f"starting\n{run}\n".encode()), PLACE, DECLARED, SCRIPT, "t1")
    assert caught.value.cause == "script-start"


def test_a_line_is_cut_where_nobody_reads_on() -> None:
    (line,) = scripts.readable(b"x" * 1_000_000)
    assert line == f"{'x' * 2000}…"
