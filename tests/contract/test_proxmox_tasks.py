"""Proxmox tasks, OS templates and the connection itself, through the API door."""

from __future__ import annotations

import logging
import os
import threading
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.actions.makers import running_makers
from phoenix_worker.actions.watch_tasks import Probe
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.ports import Proxmox, TaskEnd
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.connection import Connection
from phoenix_worker.proxmox.translate import Request
from tests.support.proxmox import NODE, SECRET, TOKEN_ID, Simulator
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

OS_TEMPLATE = "local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst"


@pytest.mark.parametrize(
    "upid",
    [
        "UPID:pve1:0:0:0:vzstart:103:phoenix@pve!worker:/../../lxc/555",
        "UPID:pve1/../pve1:0:0:0:vzstart:103:phoenix@pve!worker:",
        "UPID:pve1:0:0:x:vzstart:103:phoenix@pve!worker:",
        "UPID:pve1:0:0:0:vzstart:103:phoenix@pve/../../lxc/555?:",
    ],
)
def test_a_task_id_that_leads_elsewhere_is_none(simulator: Simulator, door: Proxmox, upid: str) -> None:
    """It is kept in Redis until its task is stopped: DELETE …/tasks/UPID would delete what it leads to."""
    simulator.do(simulator.pve.add_ct, 555, node=NODE)
    for ask in (door.abort, door.task_end):
        with pytest.raises(PermanentError, match="it is not a UPID") as refused:
            ask(upid)
        assert refused.value.cause == "bad-upid"
    assert simulator.calls() == []


@pytest.mark.parametrize(
    "node",
    [
        "pve1/qemu/105/status/stop?x=",
        "pve1/lxc/555/../..",
        "..",
        "",
        "pve1#",
        "pve1%2f..",
        "pve1\\x",
        "pve1\n",
    ],
)
def test_a_node_that_leads_elsewhere_is_not_asked(simulator: Simulator, door: Proxmox, node: str) -> None:
    """The node that a job has chosen is kept in Redis."""
    with pytest.raises(PermanentError, match="is not the path of one thing") as refused:
        door.start(node, 103)
    assert refused.value.cause == "bad-parameter"
    assert simulator.calls() == []


def test_running_tasks_are_listed_newest_first_with_the_name_of_the_token(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.set(simulator.pve, start_secs=600)
    door.resize(NODE, 103, disk="rootfs", size_gb=9)
    wait_for(lambda: not any(task.running for task in door.recent_tasks(NODE, 103)))
    started = door.start(NODE, 103)
    start, resize = door.recent_tasks(NODE, 103)
    assert (start.upid, start.kind, start.running) == (started, "vzstart", True)
    assert (resize.kind, resize.running) == ("resize", False)
    assert {start.user, resize.user} == {TOKEN_ID} == {door.whoami()}
    assert start.started == simulator.pve.tasks[started]["starttime"]


@pytest.mark.parametrize(
    ("kind", "guest", "makes_it"),
    [
        ("vzcreate", 103, True),
        ("vzrestore", 103, True),
        ("vzmigrate", 103, True),
        ("vzmtunnel", 103, True),
        ("qmcreate", 103, True),
        ("qmrestore", 103, True),
        ("qmclone", 103, True),
        ("qmigrate", 103, True),
        ("vzclone", 900, True),
        ("vzclone", 555, True),
        ("vzrestore", 104, False),
        ("vzstart", 103, False),
        ("vzdump", 103, False),
    ],
)
def test_every_task_that_can_hold_the_lock_of_a_new_container(
    kind: str, guest: int, makes_it: bool, simulator: Simulator, door: Proxmox
) -> None:
    pve = simulator.pve
    upid = simulator.do(pve.task, NODE, kind, guest, "root@pam", partial(pve.pause, 600))
    simulator.do(pve.task, NODE, "vzclone", 700, TOKEN_ID, partial(pve.pause, 600))
    assert [task.upid for task in running_makers(door, 103, (NODE, NODE), 900)] == ([upid] if makes_it else [])


def test_a_clone_of_ours_that_runs_is_found_although_another_template_is_declared_by_now(
    simulator: Simulator, door: Proxmox
) -> None:
    pve = simulator.pve
    simulator.do(pve.task, NODE, "vzclone", 800, TOKEN_ID, partial(pve.pause, 600))
    upid = simulator.do(pve.task, NODE, "vzclone", 700, TOKEN_ID, partial(pve.pause, 600))
    assert [task.upid for task in running_makers(door, 103, (NODE,), 900, 700)] == [upid]
    assert [task.upid for task in running_makers(door, 103, (NODE,), None, 700)] == [upid]


def test_what_a_success_warned_of_is_read_wherever_its_log_has_it(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.warnings.add, "vzstart")
    upid = door.start(NODE, 103)
    assert upid is not None
    early = ["WARN: Systemd 257 detected. You may need to enable nesting.", "WARNING: a line of LVM's own"]
    simulator.do(
        lambda: simulator.pve.tasks[upid]["log"].__setitem__(slice(0, 0), early + [f"line {n}" for n in range(9_000)])
    )
    end = simulator.end_of(door, upid)
    assert end.warned == (
        "Systemd 257 detected. You may need to enable nesting.",
        "something is odd about this vzstart",
    )
    simulator.do(simulator.pve.tasks[upid]["log"].clear)
    ended = door.task_end(upid)
    assert ended is not None
    assert ended.warned == (f"see the log of {upid}",)


def test_the_tail_of_a_long_log_is_kept(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.task_failures["vzstart"].append, "boom")
    upid = door.start(NODE, 103)
    assert upid is not None
    simulator.do(
        lambda: simulator.pve.tasks[upid]["log"].__setitem__(slice(0, 0), [f"line {n}" for n in range(12_000)])
    )
    end = simulator.end_of(door, upid)
    assert end.exit_status == "boom"
    assert end.log_tail[-3:] == ("line 11999", "boom", "TASK ERROR: boom")
    assert len(end.log_tail) < 100
    assert "TASK ERROR: boom" in door.task_failure("start CT 103", end).message


def test_what_a_log_says_is_cut_and_has_no_secret(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.task_failures["vzstart"].append, f"{SECRET} {'x' * 100_000}")
    upid = door.start(NODE, 103)
    assert upid is not None
    warned = [f"WARN: {number} {SECRET} {'y' * 10_000}" for number in range(200)]
    simulator.do(lambda: simulator.pve.tasks[upid]["log"].__setitem__(slice(0, 0), warned))
    end = simulator.end_of(door, upid)
    told = door.task_failure("start CT 103", end).message
    assert SECRET not in told + repr(end)
    assert len(told) < 20_000
    simulator.do(simulator.pve.tasks[upid].update, {"exitstatus": "WARNINGS: 200"})
    ended = door.task_end(upid)
    assert ended is not None
    assert (len(ended.warned), max(map(len, ended.warned)) <= 2000) == (100, True)


def test_a_log_that_cannot_be_read_does_not_hide_the_end(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.task_failures["vzstart"].append, "boom")
    simulator.do(simulator.pve.fail, "GET", "/log", 500, "no log")
    upid = door.start(NODE, 103)
    assert simulator.end_of(door, upid).exit_status == "boom"


def test_the_log_of_a_success_is_not_read(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    upid = door.start(NODE, 103)
    assert simulator.end_of(door, upid) == TaskEnd("OK")
    assert not any(path.endswith("/log") for _, path in simulator.calls())


def test_a_forgotten_task_has_an_end(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    upid = door.start(NODE, 103)
    assert upid is not None
    simulator.do(simulator.pve.forget, upid)
    with pytest.raises(PermanentError) as forgotten:
        door.task_end(upid)
    assert forgotten.value.cause == "task-forgotten"


def test_the_trouble_of_a_wait_that_was_given_up_is_not_that_of_the_next_one(
    simulator: Simulator, door: Proxmox
) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    watch, probe = {"upid": door.start(NODE, 103) or ""}, Probe(door, None, 0.0)
    simulator.do(simulator.pve.fail, "GET", "/status", 595, "Connection refused")
    for since in ("1", "2"):
        with pytest.raises(TransientError):
            probe(watch | {"since": since}, 1.0)
    end = probe(watch | {"since": "1"}, 1.0).end
    assert end is not None
    assert "(PHOENIX_PATIENCE)" in end["error"]["message"]


def test_another_ones_task_names_the_privilege_to_see_it(simulator: Simulator, door: Proxmox) -> None:
    container = simulator.do(simulator.pve.add_ct, 103)
    upid = simulator.do(simulator.pve._ct_task, container, "vzstart", "root@pam", _nothing)
    simulator.set(simulator.pve, acl={})
    with pytest.raises(PermanentError) as refused:
        door.task_end(upid)
    assert refused.value.cause == "proxmox-permission"
    assert "Sys.Audit on /nodes/pve1" in refused.value.remedy


async def _nothing() -> None:
    return None


@pytest.mark.parametrize("text", ["", "UPID:pve1", "nonsense", "UPID:" * 9])
def test_what_is_no_task_id_is_told(door: Proxmox, text: str) -> None:
    with pytest.raises(PermanentError):
        door.task_end(text)


def test_os_templates_are_listed_by_their_storage(simulator: Simulator, door: Proxmox) -> None:
    assert door.os_templates(NODE, "local") == {OS_TEMPLATE}
    simulator.do(simulator.pve.storages["local"]["volumes"].clear)
    assert door.os_templates(NODE, "local") == frozenset()


def test_an_os_template_of_the_index_is_downloaded(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.appliances.append, "alpine-3.22-default_20250617_amd64.tar.xz")
    assert door.appliances(NODE) == {"alpine-3.22-default_20250617_amd64.tar.xz"}
    upid = door.download_os_template(NODE, "local:vztmpl/alpine-3.22-default_20250617_amd64.tar.xz")
    assert simulator.end_of(door, upid).succeeded
    assert "local:vztmpl/alpine-3.22-default_20250617_amd64.tar.xz" in door.os_templates(NODE, "local")


# The connection


def test_a_certificate_that_nobody_signed_is_refused(simulator: Simulator) -> None:
    with pytest.raises(PermanentError) as refused:
        ProxmoxApi(replace(simulator.access, ca_file=None)).observe(NODE, 103)
    assert refused.value.cause == "tls"
    assert "CERTIFICATE_VERIFY_FAILED" in refused.value.message
    assert simulator.calls() == []


def test_a_missing_ca_file_is_told(simulator: Simulator, tmp_path: Path) -> None:
    with pytest.raises(PermanentError) as refused:
        ProxmoxApi(replace(simulator.access, ca_file=str(tmp_path / "none.pem"))).observe(NODE, 103)
    assert (refused.value.cause, "none.pem" in refused.value.message) == ("tls", True)


def test_nothing_is_taken_from_the_environment(
    simulator: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text(f"machine {simulator.pve.host} login nobody password wrong\n")
    for name in ("HTTPS_PROXY", "ALL_PROXY", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("CURL_CA_BUNDLE", str(tmp_path / "none.pem"))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    ProxmoxApi(simulator.access).observe(NODE, 103)
    # And the other way round: the environment does not make a certificate trusted either.
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", simulator.ca_file)
    with pytest.raises(PermanentError, match="CERTIFICATE_VERIFY_FAILED"):
        ProxmoxApi(replace(simulator.access, ca_file=None)).observe(NODE, 103)


def test_the_secret_is_in_no_log_no_representation_and_no_error(
    simulator: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("proxmoxer", "proxmoxer.core", "proxmoxer.backends.https", "requests", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    door = ProxmoxApi(simulator.access)
    simulator.do(simulator.pve.fail, "GET", "/config", 500, "no")
    with pytest.raises(PermanentError) as refused:
        door.observe(NODE, 103)
    with pytest.raises(PermanentError) as unusable:
        replace(simulator.access, token_value=f"{SECRET}\n")
    assert caplog.records
    assert SECRET not in caplog.text + repr(simulator.access) + repr(refused.value) + repr(unusable.value)


def test_a_port_that_nobody_listens_on_is_unreachable(simulator: Simulator) -> None:
    with Simulator() as gone:
        access = replace(simulator.access, host=gone.host)
    with pytest.raises(TransientError) as refused:
        ProxmoxApi(access).start(NODE, 103)
    assert (refused.value.cause, "refused" in refused.value.message) == ("unreachable", True)
    assert simulator.calls() == []


def test_whether_a_post_without_an_answer_was_done_is_not_known(simulator: Simulator) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.network.update, {"latency": 600})
    door = ProxmoxApi(replace(simulator.access, read_seconds=0.1))
    with pytest.raises(TransientError) as posted:
        door.start(NODE, 103)
    with pytest.raises(TransientError) as read:
        door.observe(NODE, 103)
    assert (posted.value.cause, read.value.cause) == ("unknown-outcome", "unreachable")


def test_a_connection_that_breaks_after_the_post_leaves_it_unknown(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.network.update, {"drop_rate": 1.0})
    with pytest.raises(TransientError) as posted:
        door.start(NODE, 103)
    assert posted.value.cause == "unknown-outcome"


def test_threads_and_forked_processes_have_sessions_of_their_own(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    door = Connection(simulator.access)
    roots = [door._root(0), door._root(0)]
    thread = threading.Thread(target=lambda: roots.append(door._root(0)))
    thread.start()
    thread.join()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    roots.append(door._root(0))
    assert [roots.index(root) for root in roots] == [0, 0, 2, 3]


def test_a_redirect_is_not_followed(simulator: Simulator) -> None:
    simulator.set(simulator.pve, redirect_to="https://127.0.0.1:9/")
    with pytest.raises(PermanentError) as refused:
        Connection(simulator.access).call(Request("GET", "version", "look"))
    assert refused.value.cause == "not-proxmox"


def test_a_page_of_html_is_not_taken_for_an_answer(simulator: Simulator) -> None:
    simulator.do(simulator.pve.fail, "GET", "/config", 200, "<html>log in</html>", html=True)
    simulator.do(simulator.pve.fail, "POST", "/status/start", 200, "<html>log in</html>", html=True)
    door = ProxmoxApi(simulator.access)
    with pytest.raises(TransientError, match="the answer is text/html") as read:
        door.observe(NODE, 103)
    with pytest.raises(TransientError) as posted:
        door.start(NODE, 103)
    assert (read.value.cause, posted.value.cause) == ("unreachable", "unknown-outcome")
