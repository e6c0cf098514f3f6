"""What `phoenix-lxc check` finds is what a request fails of when nobody asked: the same fault, put once, for both."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import failure_of
from tests.integration.test_check import EVERYTHING, alter, grant, lines, prepared
from tests.support.check_sites import recording
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.product import Product
    from tests.support.strict_pve import StrictPve

__all__ = ["prepared"]

BIG = 1 << 20
"""MiB that no node has."""
CLONE: dict[int, dict[str, Any]] = {900: template(), 103: container(103)}


@dataclass(frozen=True)
class Foretold:
    """A fault, the line that a check has of it, and how an ensure of 103 fails."""

    sites: tuple[str, ...]
    level: str
    about: str
    cause: str
    words: str
    fault: Callable[[StrictPve], object] = bool
    entries: Mapping[int, dict[str, Any]] = field(default_factory=lambda: CLONE)
    settings: Mapping[str, str] = field(default_factory=dict)
    first: tuple[int, ...] = ()
    """CTIDs that are ensured before, and go well."""


def storage(name: str, reason: str, cause: str, words: str, fault: Callable[[StrictPve], object]) -> Foretold:
    sites = ("cluster._storages error 1", f"cluster._out_of_use: {reason}")
    return Foretold(sites, "error", f"Storage {name} on {NODE}", cause, words, fault)


def second_node(pve: StrictPve, *, online: bool = True) -> None:
    pve.nodes["pve2"] = {"online": online}


def guest_at_9100(pve: StrictPve) -> None:
    second_node(pve)
    pve.add_vm(9100, name="windows", node=NODE)


def without_room(pve: StrictPve) -> None:
    pve.storages["local-lvm"] |= {"avail": 1 << 30, "type": "lvm"}


def without_os_template(pve: StrictPve, content: str = "vztmpl,iso") -> None:
    pve.storages["local"] |= {"volumes": {}, "content": content}


def apart(*ctids: int) -> dict[int, dict[str, Any]]:
    required: dict[str, Any] = {"spread": {"group": "web", "require": True}}
    return {900: template()} | {ctid: container(ctid, node=[NODE, "pve2"], **required) for ctid in ctids}


OS = f"OS template {OS_TEMPLATE} on {NODE}"
ROWS = (
    Foretold(
        ("cluster.judge_quorum error",), "error", "Proxmox quorum", "no-quorum", "quorum", lambda pve: pve.lose_quorum()
    ),
    Foretold(
        ("cluster.judge_nodes error 1",), "error", "Node pve9", "no-such-node", "pve9",
        entries={103: container(103, None, template=OS_TEMPLATE, node="pve9")},
    ),
    Foretold(
        ("cluster.judge_nodes error 2",), "error", "Node pve2", "unreachable", "pve2",
        lambda pve: second_node(pve, online=False),
        {103: container(103, None, template=OS_TEMPLATE, node="pve2")},
    ),
    storage("local-lvm", "is disabled", "storage-offline", "local-lvm is disabled", alter("local-lvm", disable=1)),
    storage("local-lvm", "is for … only", "storage-missing", "no storage local-lvm", alter("local-lvm", nodes="pve9")),
    storage(
        "local-lvm", "is not there", "storage-missing", "no storage local-lvm",
        lambda pve: pve.storages.pop("local-lvm"),
    ),
    storage("local-lvm", "is not online", "storage-away", "'local-lvm' is not online", alter("local-lvm", active=0)),
    Foretold(
        ("cluster._storages error 2",), "error", f"Storage local-lvm on {NODE}", "storage-content",
        "local-lvm takes no containers", alter("local-lvm", content="images"),
    ),
    Foretold(
        ("cluster._abilities error 1",), "error", f"Storage local-lvm on {NODE}", "template-unavailable",
        "local-lvm is of the type lvm, which has no templates", alter("local-lvm", type="lvm"),
    ),
    Foretold(
        ("cluster._abilities error 2",), "error", f"Storage local-dir on {NODE}", "linked-clone-unavailable",
        "local-dir", entries={
            900: template(storage_pool="local-dir"), 103: container(103, clone="linked", storage_pool=None)
        },
    ),
    Foretold(
        ("cluster._abilities warning",), "warning", f"Storage local-lvm on {NODE}", "no-space",
        "insufficient free space", without_room, {103: container(103, None, template=OS_TEMPLATE)},
    ),
    Foretold(
        ("cluster._bridges error",), "error", f"Bridge vmbr0 on {NODE}", "bridge-missing", "no bridge vmbr0",
        lambda pve: setattr(pve, "bridges", {"vmbr1"}),
    ),
    Foretold(
        ("cluster._os_templates error 1",), "error", OS, "storage-offline", "storage local is disabled",
        alter("local", disable=1),
    ),
    Foretold(
        ("cluster._os_templates error 2",), "error", OS, "storage-content", "local takes no OS templates",
        lambda pve: without_os_template(pve, "iso,backup"),
    ),
    Foretold(("cluster._os_templates error 3",), "error", OS, "no-os-template", OS_TEMPLATE, without_os_template),
    Foretold(
        ("copies.judge_copy_ctids error",), "error", "Template copies", "no-copy-ctid", "PHOENIX_COPY_CTIDS",
        guest_at_9100, CLONE | {103: container(103, node="pve2")}, {"PHOENIX_COPY_CTIDS": "9100-9100"},
    ),
    Foretold(
        ("ha_privileges.judge_ha error",), "error", "Proxmox privileges for HA", "proxmox-permission", "HA",
        grant(*EVERYTHING), CLONE | {103: container(103, ha=True)},
    ),
    Foretold(
        ("placing.judge_placing error",), "error", "Placement of CT 103", "no-node", f"{NODE}: memory has",
        entries={900: template(), 103: container(103, node="any", memory_mb=BIG)},
    ),
    Foretold(
        ("placing._groups error",), "error", "Spread web", "no-node", "CT 102",
        lambda pve: second_node(pve, online=False), apart(102, 103), first=(102,),
    ),
    Foretold(
        ("versions.judge_keys error",), "error", "Proxmox version", "proxmox-too-old", "needs Proxmox VE 9.1",
        lambda pve: setattr(pve, "version", "8.4.1"),
        {103: container(103, None, template="oci://docker.io/library/app:1.2")},
    ),
    Foretold(
        ("shell.judge_need error",), "error", "Shell access", "no-shell", "lxc_options",
        entries=CLONE | {103: container(103, lxc_options=["lxc.mount.auto:sys:rw"])},
    ),
    Foretold(
        ("troubles.or_trouble error 1",), "error", "Proxmox", "proxmox-login", "authentication failure",
        lambda pve: pve.apitokens.clear(),
    ),
    Foretold(
        ("troubles.or_trouble error 1",), "error", f"Node {NODE}", "proxmox-answer", "null where a list is meant",
        lambda pve: setattr(pve, "foreign", ("network", None)),
    ),
    Foretold(
        ("troubles.or_trouble error 2",), "error", "Proxmox", "proxmox-answer", "read by `version`",
        lambda pve: setattr(pve, "foreign", ("version", {"version": "soon"})),
        {103: container(103, None, template="oci://docker.io/library/app:1.2")},
    ),
)  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("row", ROWS, ids=[row.sites[-1] for row in ROWS])
def test_a_request_fails_of_what_a_check_finds(
    prepared: Product, monkeypatch: pytest.MonkeyPatch, row: Foretold
) -> None:
    prepared.declare(dict(row.entries))
    for name, value in row.settings.items():
        monkeypatch.setenv(name, value)
    told = recording(monkeypatch)
    assert row.sites[0] not in told
    prepared.simulator.do(row.fault, prepared.simulator.pve)
    (line,) = [one for one in lines(0 if row.level == "warning" else 1) if one["about"] == row.about]
    assert (line["level"], [one.text for one in told[row.sites[0]]]) == (row.level, [line["text"]])
    for site in row.sites[1:]:
        assert all(part in line["text"] for part in site.partition(": ")[2].split(" … ")), line
    prepared.start_worker(PHOENIX_PATIENCE="0.1", **row.settings)
    for ctid in row.first:
        assert prepared.ensure(ctid).outcome == "created"
    failure = failure_of(prepared.producer.ensure(103))
    assert (failure.cause, row.words in failure.message + failure.remedy) == (row.cause, True), failure
