"""The real adapter against the simulator: start, stop, conversion and destroy, and which server is trusted."""

from __future__ import annotations

import hashlib
import ssl
from dataclasses import replace
from pathlib import Path

import pytest
from fakepve.certs import make_cert

from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.marker import Marker, Stage, write_marker
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.core.model.ports import CloneOrder, CreateOrder, Proxmox
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.translate import Request
from tests.support.proxmox import NODE, Simulator
from tests.support.waiting import wait_for

OS_TEMPLATE = "local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst"
MARKER = Marker(103, "c1", Role.CONTAINER, Stage.MADE, "abc")
CLONE = CloneOrder(NODE, 900, 103, "Step-CA", write_marker(MARKER, "of two lines\nand ours"), full=True)
CREATE = CreateOrder(NODE, 900, OS_TEMPLATE, unprivileged=True, config={"hostname": "base", "rootfs": "local-lvm:8"})


def test_start_and_stop_say_none_when_it_is_so_already(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    assert door.stop(NODE, 103) is None
    assert simulator.end_of(door, door.start(NODE, 103)).succeeded
    assert door.start(NODE, 103) is None
    assert simulator.end_of(door, door.stop(NODE, 103)).succeeded
    assert not door.observe(NODE, 103).running


def test_a_container_that_does_not_shut_down_is_stopped_by_force(simulator: Simulator, door: Proxmox) -> None:
    container = simulator.do(simulator.pve.add_ct, 103, status="running")
    simulator.set(container, shutdown_secs=1e6)
    simulator.set(simulator.pve, shutdown_default_timeout=0.05)
    assert simulator.end_of(door, door.stop(NODE, 103)).succeeded
    assert not door.observe(NODE, 103).running


@pytest.mark.parametrize("verb", ["start", "stop"])
def test_what_could_not_be_done_is_named(simulator: Simulator, door: Proxmox, verb: str) -> None:
    for action in ("start", "shutdown"):
        simulator.do(simulator.pve.fail, "POST", f"/status/{action}", 500, "boom")
    with pytest.raises(PermanentError, match=f"^Unable to {verb} CT 103 on pve1: boom"):
        getattr(door, verb)(NODE, 103)


def test_warnings_are_a_success(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.warnings.add, "vzstart")
    end = simulator.end_of(door, door.start(NODE, 103))
    assert (end.exit_status, end.succeeded) == ("WARNINGS: 1", True)
    assert end.warned == ("something is odd about this vzstart",)
    assert door.observe(NODE, 103).running


@pytest.mark.parametrize(
    ("config", "cause", "kind"),
    [({"template": 1}, "is-template", PermanentError), ({"lock": "backup"}, "locked", TransientError)],
)
def test_what_forbids_a_start_shows_in_its_task(
    simulator: Simulator, door: Proxmox, config: dict[str, object], cause: str, kind: type[Exception]
) -> None:
    simulator.do(simulator.pve.add_ct, 103, config=config)
    failure = door.task_failure("start CT 103", simulator.end_of(door, door.start(NODE, 103)))
    assert (type(failure), failure.cause) == (kind, cause)


def test_a_start_of_a_missing_container_fails_in_its_task(simulator: Simulator, door: Proxmox) -> None:
    assert door.task_failure("start CT 103", simulator.end_of(door, door.start(NODE, 103))).cause == "missing"


def test_a_conversion_answers_before_it_is_done(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 900)
    simulator.do(simulator.pve.ct_secs.update, {"template": 0.2})
    door.convert_to_template(NODE, 900)
    assert not door.observe_template(NODE, 900).template_flag
    wait_for(lambda: door.observe_template(NODE, 900).is_template)
    door.convert_to_template(NODE, 900)


def test_a_conversion_fails_unseen_but_for_its_task(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 900)
    simulator.do(simulator.pve.task_failures["vztemplate"].append, "no space left")
    door.convert_to_template(NODE, 900)
    (task,) = wait_for(lambda: [task for task in door.recent_tasks(NODE, 900) if not task.running])
    assert (task.kind, simulator.end_of(door, task.upid).exit_status) == ("vztemplate", "no space left")
    assert not door.observe_template(NODE, 900).is_template


def test_destroy_takes_unreferenced_disks_along(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    assert simulator.end_of(door, door.destroy(NODE, 103)).succeeded
    assert simulator.pve.destroyed == [{"node": NODE, "vmid": 103, "destroy-unreferenced-disks": 1}]
    assert door.observe(NODE, 103).presence is Presence.ABSENT


# Who answers


def fingerprint_of(simulator: Simulator) -> str:
    certificate = ssl.PEM_cert_to_DER_cert(Path(simulator.ca_file).read_text())
    return hashlib.sha256(certificate).digest().hex(":").upper()


def served_by(simulator: Simulator, **access: str | None) -> ProxmoxApi:
    return ProxmoxApi(replace(simulator.access, **access))  # type: ignore[arg-type]  # fields by name


VERSION = Request("GET", "version", "look")


@pytest.mark.parametrize("with_ca", [True, False], ids=["with its CA", "alone"])
def test_a_certificate_with_the_fingerprint_is_accepted(simulator: Simulator, *, with_ca: bool) -> None:
    ca_file = simulator.ca_file if with_ca else None
    door = served_by(simulator, ca_file=ca_file, fingerprint=fingerprint_of(simulator).replace(":", ""))
    assert door.call(VERSION)["version"]


def test_another_certificate_is_refused_before_the_token_is_sent(simulator: Simulator) -> None:
    door = served_by(simulator, fingerprint=":".join(["AB"] * 32))
    with pytest.raises(PermanentError, match="Fingerprints did not match") as refused:
        door.call(VERSION)
    assert refused.value.cause == "tls"
    assert "pvenode cert info" in refused.value.remedy
    assert simulator.calls() == []


def test_the_right_fingerprint_does_not_make_up_for_a_wrong_ca(simulator: Simulator, tmp_path: Path) -> None:
    """With both, both must hold."""
    other, *_ = make_cert(str(tmp_path), hosts=("127.0.0.1",))
    door = served_by(simulator, ca_file=other, fingerprint=fingerprint_of(simulator))
    with pytest.raises(PermanentError, match="certificate verify failed"):
        door.call(VERSION)
    assert simulator.calls() == []
