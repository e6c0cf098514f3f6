"""A result of a child process that comes in two parts is read whole, also when the loop begins anew in between."""

from __future__ import annotations

import os
import pickle
import struct
import subprocess
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.durable.pool_results import WholeResults
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator

RESULT = ("ready", "x" * 10_000)
BODY = pickle.dumps(RESULT)
MESSAGE = struct.pack("!i", len(BODY)) + BODY


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    os.set_blocking(ends[0], False)
    yield ends
    for end in ends:
        os.close(end)


def results_of(fd: int) -> Any:
    results: Any = WholeResults.__new__(WholeResults)
    results._begun, results.handle_event, results.fileno_to_outq = {}, None, {fd: object()}
    return results


@pytest.mark.parametrize("begun", [1, 4, 5, 5000])
@pytest.mark.parametrize("anew", [False, True])
def test_the_rest_is_read_as_the_rest(pipe: tuple[int, int], begun: int, anew: bool) -> None:
    read_end, write_end = pipe
    results, came = results_of(read_end), list[Any]()
    os.write(write_end, MESSAGE[:begun])
    reading = results._recv_message(lambda *_: None, read_end, came.append)
    next(reading)
    if anew:
        reading.close()
        reading = results._recv_message(lambda *_: None, read_end, came.append)
    os.write(write_end, MESSAGE[begun:])
    assert (list(islice(reading, 9)), came, results._begun) == ([], [RESULT], {})


def test_a_new_child_at_the_same_pipe_begins_anew(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    results, came = results_of(read_end), list[Any]()
    os.write(write_end, MESSAGE[:5])
    next(results._recv_message(lambda *_: None, read_end, came.append))
    results.fileno_to_outq[read_end] = object()
    os.write(write_end, MESSAGE)
    assert list(islice(results._recv_message(lambda *_: None, read_end, came.append), 9)) == []
    assert came == [RESULT]


def test_a_pipe_that_has_ended_is_told_each_time(pipe: tuple[int, int]) -> None:
    read_end, write_end = pipe
    results = results_of(read_end)
    os.write(write_end, MESSAGE[:5])
    next(results._recv_message(lambda *_: None, read_end, None))
    os.dup2(read_end, write_end)
    for error in (OSError, EOFError):
        with pytest.raises(error):
            next(results._recv_message(lambda *_: None, read_end, None))


@pytest.mark.long
def test_workers_read_so() -> None:
    asks = "import tests.support.durable_app, celery.concurrency.asynpool as a; print(a.AsynPool.ResultHandler)"
    told = subprocess.run(
        [sys.executable, "-c", asks], check=True, capture_output=True, text=True, cwd=ROOT,
        env={**os.environ, "DURABLE_REDIS": "redis://127.0.0.1:1/0"},
    )  # fmt: skip
    assert WholeResults.__name__ in told.stdout
