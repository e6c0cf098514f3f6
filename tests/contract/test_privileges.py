"""The role of docs/proxmox-access.md: enough for every call that the API door makes, and nothing in it for nothing.

Each method is called once. What it says that it needs is what the page's table says, and what the simulator, which
knows Proxmox's own rules, refuses it without.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.firewall import Act, RuleWrite
from phoenix_worker.core.model.ha import HaAct, HaWrite
from phoenix_worker.core.model.ports import CloneOrder, CreateOrder, Proxmox
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.error_table import PERMISSION
from phoenix_worker.proxmox.quorum import STATUS, refuse_without_quorum
from phoenix_worker.proxmox.shared_reads import shared_since
from phoenix_worker.proxmox.translate import Request
from phoenix_worker.telemetry.known_labels import ENDPOINTS
from phoenix_worker.telemetry.paths import endpoint
from tests.support.proxmox import NODE, TOKEN_ID, Simulator

if TYPE_CHECKING:
    from collections.abc import Callable


PAGE = (Path(__file__).parents[2] / "docs" / "proxmox-access.md").read_text()
README = (Path(__file__).parents[2] / "README.md").read_text()
OS_TEMPLATE = "local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst"
PRIVILEGE = re.compile(r"\b[A-Z][A-Za-z]+(?:\.[A-Z][A-Za-z]+)+")
STORAGES = ("local", "local-lvm", "local-dir")
RULE = {"type": "in", "action": "ACCEPT", "enable": "1"}
CONFIG = {"hostname": "a", "cores": "1", "memory": "64", "net0": "name=eth0,bridge=vmbr0"}


def _through_ha(door: ProxmoxApi, _: str) -> None:
    for act, properties in (
        (HaAct.ADD, {"state": "stopped"}),
        (HaAct.CHANGE, {"max_restart": "2"}),
        (HaAct.REMOVE, {}),
    ):
        door.write_ha_resource(103, HaWrite(act, properties))


def quorum_unseen(door: ProxmoxApi, _: str) -> None:
    """What is asked for in the place of `cluster/status`."""

    def call(request: Request) -> Any:
        if request is STATUS:
            raise PermanentError("", cause=PERMISSION, remedy="")
        return door.call(request)

    refuse_without_quorum(call, "destroy CT 107", (NODE, 107))


def observe_in_a_crowd(door: ProxmoxApi, _: str) -> None:
    with shared_since(time.monotonic()):
        for _look in range(5):
            door.observe(NODE, 102)


SAMPLES: dict[str, list[Callable[[ProxmoxApi, str], Any]]] = {
    "observe": [lambda door, _: door.observe(NODE, 102, pending=True), observe_in_a_crowd],
    "observe_template": [lambda door, _: door.observe_template(NODE, 900)],
    "interfaces": [lambda door, _: door.interfaces(NODE, 102)],
    "cluster": [lambda door, _: door.cluster()],
    "glance": [lambda door, _: door.glance(NODE, 103)],
    "standing": [lambda door, _: door.standing(range(100, 110))],
    "machine": [lambda door, _: door.machine(NODE)],
    "clone": [lambda door, _: door.clone(CloneOrder(NODE, 900, 104, "b", "", full=True, storage="local-lvm"))],
    "create": [
        lambda door, _: door.create(
            CreateOrder(NODE, 105, OS_TEMPLATE, unprivileged=True, config=CONFIG | {"rootfs": "local-lvm:8"})
        )
    ],
    "configure": [
        lambda door, _: door.configure(
            NODE, 103, changes=CONFIG | {"mp0": "local-lvm:1,mp=/srv", "onboot": "1"}, delete=[], digest=None
        )
    ],
    "resize": [lambda door, _: door.resize(NODE, 103, disk="rootfs", size_gb=32)],
    "firewall": [lambda door, _: door.firewall(NODE, 103)],
    "switch_firewall": [lambda door, _: door.switch_firewall(NODE, 103, on=True)],
    "write_rule": [
        lambda door, _: door.write_rule(NODE, 103, RuleWrite(Act.INSERT, rule=RULE)),
        lambda door, _: door.write_rule(NODE, 103, RuleWrite(Act.UPDATE, rule=RULE)),
        lambda door, _: door.write_rule(NODE, 103, RuleWrite(Act.DELETE)),
    ],
    "snapshots": [lambda door, _: door.snapshots(NODE, 101)],
    "snapshot": [lambda door, _: door.snapshot(NODE, 106, "final-form")],
    "delete_snapshot": [lambda door, _: door.delete_snapshot(NODE, 101, "before")],
    "ha_resource": [lambda door, _: door.ha_resource(103)],
    "migrate": [lambda door, _: door.migrate(NODE, 111, target="pve2", restart=False)],
    "volumes": [lambda door, _: door.volumes(NODE, "local-lvm")],
    "storages": [lambda door, _: door.storages()],
    "replication_jobs": [lambda door, _: door.replication_jobs(103)],
    "tag_rules": [lambda door, _: door.tag_rules()],
    "firewall_names": [lambda door, _: door.firewall_names(), lambda door, _: door.firewall_names(NODE, 103)],
    "firewall_groups": [lambda door, _: door.firewall_groups()],
    "tags_keep_case": [lambda door, _: door.tags_keep_case()],
    "bridges": [lambda door, _: door.bridges(NODE)],
    "running": [lambda door, _: door.running(102)],
    "is_free": [lambda door, _: door.is_free(109)],
    "task_end": [lambda door, upid: door.task_end(upid)],
    "abort": [lambda door, upid: door.abort(upid)],
    "recent_tasks": [lambda door, _: door.recent_tasks(NODE, 103)],
    "running_tasks": [lambda door, _: door.running_tasks(NODE)],
    "pool_of": [lambda door, _: door.pool_of(103, "prod")],
    "join_pool": [lambda door, _: door.join_pool(103, "prod")],
    "os_templates": [lambda door, _: door.os_templates(NODE, "local")],
    "appliances": [lambda door, _: door.appliances(NODE)],
    "download_os_template": [lambda door, _: door.download_os_template(NODE, "local:vztmpl/new.tar.zst")],
    "fetch_os_template": [
        lambda door, _: door.fetch_os_template(
            NODE, "local:vztmpl/x.tar.gz", url="https://example.org/x.tar.gz", checksum=f"sha256:{'0' * 64}"
        )
    ],
    "pull_image": [lambda door, _: door.pull_image(NODE, "local:vztmpl/app_1.tar", "app:1")],
    "version": [lambda door, _: door.version()],
    "stop": [lambda door, _: door.stop(NODE, 102)],
    "start": [lambda door, _: door.start(NODE, 103)],
    "convert_to_template": [lambda door, _: door.convert_to_template(NODE, 108)],
    "privileges": [lambda door, _: door.privileges("/vms")],
    "need_quorum": [lambda door, _: door.need_quorum("destroy CT 107"), quorum_unseen],
    "destroy": [lambda door, _: door.destroy(NODE, 107)],
}
BEYOND_THE_ROLE: dict[str, tuple[str, Callable[[ProxmoxApi, str], Any]]] = {
    "free_volume": (
        "Datastore.Allocate",
        lambda door, _: door.free_volume(NODE, "local-dir:109/vm-109-disk-0.raw"),
    ),
    "write_ha_resource": ("Sys.Console", _through_ha),
}
"""What workers do only if they may, each with the privilege that the role does not have."""
SHOWS_LESS = {"Pool.Audit", "Sys.Audit", "Datastore.Audit"}
"""Without these Proxmox leaves out what may not be seen, instead of refusing."""
WITHOUT_A_CALL = {"task_failure", "whoami"}


def role(text: str) -> frozenset[str]:
    """The privileges of the first `pveum role add` of a page."""
    return frozenset(PRIVILEGE.findall(text.partition('--privs "')[2].partition('"')[0]))


@pytest.fixture
def cluster(simulator: Simulator) -> tuple[Simulator, ProxmoxApi, list[Request], str]:
    pve = simulator.pve
    heard: list[Request] = []
    simulator.add_template(900)
    simulator.set(pve, nodes=pve.nodes | {"pve2": {"online": True}})
    for ctid in (101, 103, 106, 107, 108, 111):
        simulator.do(pve.add_ct, ctid)
    simulator.do(pve.add_ct, 102, status="running")
    pve.ct(101).snapshots["before"] = {"snaptime": 1}
    pve.pools["prod"] = set()
    pve.appliances.append("new.tar.zst")
    door = ProxmoxApi(simulator.access, on_call=heard.append)
    upid = door.start(NODE, 103)
    simulator.end_of(door, upid)
    simulator.end_of(door, door.stop(NODE, 103))
    heard.clear()
    assert upid is not None
    return simulator, door, heard, upid


def trouble(sample: Callable[[ProxmoxApi, str], Any], door: ProxmoxApi, upid: str) -> str:
    """The cause of what a call raises, if it does."""
    try:
        sample(door, upid)
    except (PermanentError, TransientError) as error:
        return error.cause
    return ""


def test_every_method_is_called_here() -> None:
    methods = {name for name in vars(Proxmox) if not name.startswith("_")}
    assert SAMPLES.keys() | BEYOND_THE_ROLE.keys() | WITHOUT_A_CALL == methods


def test_the_role_is_enough_for_every_call(cluster: Any) -> None:
    simulator, door, heard, upid = cluster
    simulator.do(simulator.pve.acl.__setitem__, TOKEN_ID, [("/", set(role(PAGE)))])
    for name, samples in SAMPLES.items():
        for sample in samples:
            assert trouble(sample, door, upid) == "", name
    beyond = {privilege for privilege, _ in BEYOND_THE_ROLE.values()}
    for name, (privilege, sample) in BEYOND_THE_ROLE.items():
        simulator.do(simulator.pve.acl.__setitem__, TOKEN_ID, [("/", set(role(PAGE)))])
        assert trouble(sample, door, upid) == "proxmox-permission", name
        simulator.do(simulator.pve.acl.__setitem__, TOKEN_ID, [("/", set(role(PAGE)) | {privilege})])
        assert trouble(sample, door, upid) == "", name
    rows = {(one.method, _template(one.path), _placed(one.needs)) for one in heard}
    assert _told() == sorted(rows), "docs/proxmox-access.md has another table"
    on_trouble = {("GET", "nodes/{node}/qemu/{vmid}/status/current"), ("GET", "nodes/{node}/tasks/{upid}/log")}
    assert {(one.method, endpoint(one.path)) for one in heard} | on_trouble == ENDPOINTS, "telemetry/known_labels.py"
    assert role(README) == role(PAGE)
    assert {name for one in heard for name in PRIVILEGE.findall(one.needs)} - {"Sys.Modify"} - beyond <= role(PAGE)


def test_without_any_privilege_of_the_role_a_call_that_names_it_is_refused(cluster: Any) -> None:
    simulator, door, heard, upid = cluster
    naming: dict[str, list[Callable[[ProxmoxApi, str], Any]]] = {}
    simulator.do(simulator.pve.acl.__setitem__, TOKEN_ID, [])
    for sample in (one for samples in SAMPLES.values() for one in samples):
        heard.clear()
        trouble(sample, door, upid)
        for privilege in PRIVILEGE.findall(heard[0].needs):
            naming.setdefault(privilege, []).append(sample)
    assert set(re.findall(r"^\| `(\w+\.\w+)` \|", PAGE, re.MULTILINE)) == SHOWS_LESS
    assert len(role(PAGE)) - len(SHOWS_LESS) == 16, "the page names their number"
    for privilege in role(PAGE) - SHOWS_LESS:
        simulator.do(simulator.pve.acl.__setitem__, TOKEN_ID, [("/", set(role(PAGE)) - {privilege})])
        assert "proxmox-permission" in (trouble(sample, door, upid) for sample in naming[privilege]), privilege


def _template(path: str) -> str:
    words = {NODE: "NODE", "900": "CTID", "before": "SNAPSHOT"} | dict.fromkeys(STORAGES, "STORAGE")
    path = re.sub(r"(?<=/content/).+", "VOLUME", path).replace("/ct:103", "/ct:CTID")
    parts = ["UPID" if part.startswith("UPID:") else words.get(part, part) for part in path.split("/")]
    return "/".join("CTID" if re.fullmatch(r"1[01]\d", part) else "N" if part == "0" else part for part in parts)


def _placed(needs: str) -> str:
    needs = "none" if needs == Request("GET", "", "").needs else needs
    needs = re.sub(r"/vms/900, VM.Allocate", "/vms/TEMPLATE, VM.Allocate", needs)
    needs = re.sub(r"/vms/\d+", "/vms/CTID", needs).replace(f"/nodes/{NODE}", "/nodes/NODE")
    return re.sub(r"/pool/prod", "/pool/POOL", re.sub(r"/storage/local(-lvm|-dir)?", "/storage/STORAGE", needs))


def _told() -> list[tuple[str, str, str]]:
    rows = re.findall(r"^\| `(GET|POST|PUT|DELETE) ([^`]+)` \| (.+) \|$", PAGE, re.MULTILINE)
    return sorted(rows)
