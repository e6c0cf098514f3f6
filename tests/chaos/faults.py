"""What Proxmox does wrong, for a while. Where its workers die, an administrator has to clear what they leave."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

    from tests.support.proxmox import Simulator

_READS = ("/config", "/status", "/status/current", "/tasks", "/log")
_ORDERS = ("/clone", "/template", "/status/start", "/resize")
_LOCK = "can't lock file '/run/lock/lxc/pve-config.lock' - got timeout"
MAKING = ("vzclone", "vzcreate")
"""Tasks whose workers die; what they leave needs an administrator."""
_TO_DEATH = 0.1
"""Seconds from the begin of a clone or create to its worker's death; it is under way by then."""
TASKS_THAT_FAIL = ("vzclone", "vzcreate", "vzstart", "resize")
CAUSES = {"unreachable", "unknown-outcome", "lock-timeout", "locked", "half-made", "poisonous"}
"""Of failures that an injected fault explains."""


@dataclass(frozen=True)
class Fault:
    """`begin` runs on the simulator's loop; `end_faults` ends all."""

    name: str
    begin: Callable[[Any, Random], None]


def _reads_fail(pve: Any, rng: Random) -> None:
    status, words = rng.choice([(595, "Connection refused"), (596, "Broken pipe"), (503, "Service Unavailable")])
    pve.fail("GET", rng.choice(_READS), status, words, times=rng.randint(1, 6))


def _orders_fail(pve: Any, rng: Random) -> None:
    pve.fail("POST", rng.choice(_ORDERS), 595, "Connection refused", times=rng.randint(1, 4))


def _locks_time_out(pve: Any, rng: Random) -> None:
    method, suffix = rng.choice([("PUT", "/config"), ("POST", "/clone"), ("POST", "/status/start")])
    pve.fail(method, suffix, 500, _LOCK, times=rng.randint(1, 4))


def _connections_drop(pve: Any, rng: Random) -> None:
    pve.network["drop_rate"] = rng.uniform(0.05, 0.4)


def _answers_are_slow(pve: Any, rng: Random) -> None:
    pve.network["latency"] = rng.uniform(0.05, 0.5)


def _tasks_fail(pve: Any, rng: Random) -> None:
    pve.task_failures[rng.choice(TASKS_THAT_FAIL)] += [_LOCK] * rng.randint(1, 2)


def _answers_are_lost(pve: Any, rng: Random) -> None:
    pve.lost_answers = rng.randint(1, 4)


def _workers_die(pve: Any, rng: Random) -> None:
    pve.deaths += rng.randint(1, 2)


FAULTS = (
    Fault("reads fail", _reads_fail),
    Fault("orders fail", _orders_fail),
    Fault("locks time out", _locks_time_out),
    Fault("connections drop", _connections_drop),
    Fault("answers are slow", _answers_are_slow),
    Fault("tasks fail", _tasks_fail),
    Fault("answers are lost", _answers_are_lost),
    Fault("workers die", _workers_die),
)


def make_answers_losable(simulator: Simulator) -> None:
    """While `lost_answers` is above zero, orders are carried out and the connection breaks before the answer."""
    pve = simulator.pve
    answer = pve._answer

    async def answering(request: Any, *rest: Any) -> Any:
        response = await answer(request, *rest)
        if pve.lost_answers and request.method == "POST":
            pve.lost_answers -= 1
            request.transport.close()
            raise ConnectionResetError("the answer is lost")
        return response

    simulator.set(pve, lost_answers=0, _answer=answering)


def make_workers_mortal(simulator: Simulator) -> None:
    """While `deaths` is above zero, the Proxmox worker of each clone and create dies in its middle, its locks stay."""
    pve = simulator.pve
    begin = pve.task

    async def beginning(node: str, kind: str, *rest: Any, **how: Any) -> str:
        upid: str = await begin(node, kind, *rest, **how)
        if pve.deaths and kind in MAKING:
            pve.deaths -= 1
            asyncio.get_running_loop().call_later(_TO_DEATH, kill_maker, pve, upid)
        return upid

    simulator.set(pve, deaths=0, died=0, task=beginning)


def kill_maker(pve: Any, upid: str) -> None:
    """Kill the worker of a task that is under way."""
    if pve.tasks[upid]["status"] == "running" and pve.has_begun(upid):
        pve.kill_worker(upid)
        pve.died += 1


def end_faults(pve: Any) -> None:
    """Let Proxmox behave from now on."""
    pve.failures.clear()
    pve.task_failures.clear()
    pve.network |= {"drop_rate": 0.0, "latency": 0.0}
    pve.lost_answers = 0
    pve.deaths = 0
