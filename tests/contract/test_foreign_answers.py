"""Answers of another form than Proxmox documents: each method that reads says so, and takes nothing for absent."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.ports import CloneOrder
from phoenix_worker.proxmox.api import ProxmoxApi
from tests.contract.test_privileges import SAMPLES
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from tests.support.proxmox import Simulator

LIST: tuple[object, ...] = (None, {}, {"a": 1}, "", "x", 0, True, [None], ["x"], [[]])
OBJECT: tuple[object, ...] = (None, [], [{}], "", "x", 0, True)
STATES = tuple({"status": state} for state in (None, "", "Running", "unknown", 1, True, ["running"]))
GUEST = {"type": "lxc", "vmid": 103, "node": NODE}
"""A line of `/cluster/resources`, which lists the nodes too, whatever the token may see."""
READ: dict[str, tuple[str, tuple[object, ...]]] = {
    "observe": ("config", (*OBJECT, {}, {"hostname": "ct103"})),
    "observe_template": ("config", (*OBJECT, {}, {"template": 1})),
    "interfaces": ("interfaces", LIST[1:]),
    "cluster": ("resources", (*LIST, [], [GUEST])),
    "standing": ("resources", (*LIST, [], [GUEST])),
    "glance": ("config", (*OBJECT, {})),
    "machine": ("status", OBJECT),
    "firewall": ("rules", LIST),
    "snapshots": ("snapshot", (*LIST, [{}], [], [{"name": "before"}])),
    "ha_resource": ("ct:103", OBJECT),
    "volumes": ("content", (*LIST, [{}])),
    "storages": ("storage", (*LIST, [{}])),
    "replication_jobs": ("replication", (*LIST, [{}])),
    "tag_rules": ("permissions", (*OBJECT, {"/": None})),
    "firewall_names": ("refs", (*LIST, [{}])),
    "firewall_groups": ("groups", (*LIST, [{}])),
    "tags_keep_case": ("options", (*OBJECT, {"tag-style": 1})),
    "bridges": ("network", (*LIST, [{}])),
    "task_end": ("status", (*OBJECT, {}, *STATES)),
    "recent_tasks": ("tasks", (*LIST, [{}])),
    "running_tasks": ("tasks", (*LIST, [{}])),
    "pool_of": ("pools", (*LIST, [])),
    "os_templates": ("content", (*LIST, [{}])),
    "appliances": ("aplinfo", LIST),
    "version": ("version", (*OBJECT, {}, {"version": None}, {"version": "soon"}, {"version": ["9"]})),
    "privileges": ("permissions", (*OBJECT, {"/vms": ["x"]})),
    "need_quorum": ("status", (*LIST, [], [{}], [{"type": "cluster", "quorate": 1}])),
    "running": ("current", (*OBJECT, {}, *STATES)),
}
"""For each method that reads: the end of the path, and what is not as documented there."""
NO_READ = {"is_free"}
"""It reads no answer: that there is one says that the id is free."""


@pytest.fixture
def door(simulator: Simulator) -> ProxmoxApi:
    simulator.add_template(900)
    for ctid in (101, 103):
        simulator.do(simulator.pve.add_ct, ctid)
    simulator.do(simulator.pve.add_ct, 102, status="running")
    simulator.pve.pools["prod"] = {103}
    return ProxmoxApi(simulator.access)


def told(door: ProxmoxApi, method: str, upid: str) -> str:
    """The cause of what a method raises; nothing if it takes the answer."""
    try:
        SAMPLES[method][0](door, upid)
    except TransientError as error:
        return error.cause if "not as documented" in error.message and "no proxy in between" in error.remedy else "else"
    return ""


def test_what_is_not_as_documented_is_told_and_taken_for_nothing(door: ProxmoxApi, simulator: Simulator) -> None:
    upid, taken = door.start(NODE, 103) or "", []
    for method, (suffix, answers) in READ.items():
        fresh = ProxmoxApi(simulator.access)  # which has read nothing that would serve
        for answer in answers:
            simulator.set(simulator.pve, foreign=(suffix, answer))
            if told(fresh, method, upid) != "proxmox-answer":
                taken.append((method, answer))
    assert taken == []


def test_every_method_that_reads_is_here(door: ProxmoxApi, simulator: Simulator) -> None:
    upid = door.start(NODE, 103) or ""
    reading = set()
    for method, (sample, *_) in SAMPLES.items():
        before = len(simulator.calls())
        with suppress(TransientError, PermanentError):  # not every sample finds what it is about here
            sample(door, upid)
        if {verb for verb, _ in simulator.calls()[before:]} == {"GET"}:
            reading.add(method)
    assert reading <= READ.keys() | NO_READ, reading - READ.keys()


def test_an_order_whose_answer_is_no_upid_may_have_been_carried_out(
    door: ProxmoxApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: tuple[object, ...] = (None, {}, [], 0, True)
    for answer in answers:
        monkeypatch.setattr(type(door._connection), "call", lambda *_, told=answer, **__: told)
        with pytest.raises(TransientError, match="Proxmox may have done it anyway") as raised:
            door.clone(CloneOrder(NODE, 900, 104, "b", "", full=True, storage="local-lvm"))
        assert raised.value.cause == "unknown-outcome", answer
