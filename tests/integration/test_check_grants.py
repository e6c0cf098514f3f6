"""`check` foresees what the token may not do: each finding has the grant that is missing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.acceptance.scenes import failure_of
from tests.acceptance.test_scripts import write_scripts
from tests.integration.test_check import EVERYTHING, GRANT, found, grant, lines, prepared
from tests.support.cli import invoke
from tests.support.product import container, template
from tests.support.proxmox import NODE, TOKEN_ID
from tests.support.ssh_node import SshNode, ssh_node

if TYPE_CHECKING:
    from tests.support.product import Product

__all__ = ["prepared", "ssh_node"]

UBUNTU = "ubuntu-24.04-standard_24.04-2_amd64.tar.zst"


def test_a_download_that_the_token_may_not_make_is_found(prepared: Product) -> None:
    """And is what the ensure fails of: the OS template is in the index, and not on the storage."""
    pve = prepared.simulator.pve
    prepared.simulator.do(pve.storages["local"]["volumes"].clear)
    prepared.simulator.set(
        pve, appliances=[UBUNTU], acl={TOKEN_ID: [("/", EVERYTHING - {"Datastore.AllocateTemplate"})]}
    )
    text, remedy = found("error", "Proxmox privileges")
    assert text == f"{TOKEN_ID} lacks Datastore.AllocateTemplate on /storage/local"
    assert f"pveum acl modify /storage/local {GRANT}" in remedy
    prepared.start_worker()
    failure = failure_of(prepared.producer.ensure(103))
    assert (failure.cause, "Datastore.AllocateTemplate" in failure.remedy) == ("proxmox-permission", True)


@pytest.mark.parametrize(
    ("privileges", "missing"), [({"SDN.Use"}, "Bridge"), ({"Datastore.Audit", "Datastore.AllocateSpace"}, "Storage")]
)
def test_what_the_token_may_not_see_is_not_said_to_be_absent(
    prepared: Product, privileges: set[str], missing: str
) -> None:
    prepared.simulator.do(grant(*(EVERYTHING - privileges)), prepared.simulator.pve)
    said = lines(1)
    assert {line["about"] for line in said} == {"Workers", "Proxmox privileges"}, missing


def test_a_vnet_is_used_by_what_is_granted_on_its_zone(prepared: Product) -> None:
    """As `check_vnet_access` of Proxmox looks for it: where it is no bridge of the node, not on `localnetwork`."""
    network = container(103)["network_config"] | {"bridge": "blue", "vlan": 20}
    prepared.declare({900: template(900), 103: container(103, network_config=network)})
    rest = [(path, set(EVERYTHING)) for path in ("/vms", "/nodes", "/storage", "/sdn/zones/localnetwork/vmbr0")]
    prepared.simulator.set(prepared.simulator.pve, vnets={"blue": "lab"})
    for zone, wrong in (("lab", ["Proxmox quorum", "Workers"]), ("lab/blue", ["Proxmox quorum", "Workers"])):
        granted = [*rest, (f"/sdn/zones/{zone}", {"SDN.Use"})]
        prepared.simulator.set(prepared.simulator.pve, acl={TOKEN_ID: granted})
        assert sorted(line["about"] for line in lines(0)) == wrong
    prepared.simulator.set(prepared.simulator.pve, acl={TOKEN_ID: rest})
    assert "SDN.Use on /sdn/zones/localnetwork/blue/20" in found("error", "Proxmox privileges")[0]


ELSEWHERE = [(path, set(EVERYTHING)) for path in ("/nodes", "/storage", "/sdn")]


def on(*paths: str) -> dict[str, list[tuple[str, set[str]]]]:
    """Grant everything on these paths, and on all that is no guest."""
    return {TOKEN_ID: ELSEWHERE + [(path, set(EVERYTHING)) for path in paths]}


def test_grants_that_go_with_the_container_are_found(prepared: Product) -> None:
    """What an ensure fails of after a destroy: `acceptance/test_grants.py`."""
    prepared.simulator.set(prepared.simulator.pve, acl=on("/vms/900", "/vms/103"))
    text, remedy = found("warning", "Proxmox grants", 0)
    assert "on /vms/103, /vms/900 with the container" in text
    assert f"pveum acl modify /vms {GRANT}" in remedy
    prepared.simulator.set(prepared.simulator.pve, acl=on("/vms"))
    assert not [line for line in lines(0) if line["about"] == "Proxmox grants"]


def test_the_scratch_ctid_of_a_template_is_among_what_is_needed(
    prepared: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOENIX_SCRATCH_CTIDS", "9000-9099")
    prepared.simulator.set(prepared.simulator.pve, acl=on("/vms/900", "/vms/103"))
    (line,) = [line for line in lines(1) if line["about"] == "Proxmox privileges"]
    assert "VM.Allocate" in line["text"]
    assert line["text"].endswith("on /vms/9000")
    assert f"pveum acl modify /vms {GRANT}" in line["remedy"]


def test_the_ctids_of_copies_are_among_what_is_needed(prepared: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the nodes that need one, with what each is rebuilt as; nothing where storage is shared, or without CTIDs."""
    prepared.simulator.do(prepared.simulator.pve.nodes.setdefault, "pve2", {"online": True})
    prepared.declare({900: template(900), 103: container(103, node=[NODE, "pve2"])})
    prepared.simulator.set(prepared.simulator.pve, acl=on("/vms/900", "/vms/103"))
    assert [line for line in lines(0) if line["about"] == "Proxmox privileges"] == []
    monkeypatch.setenv("PHOENIX_COPY_CTIDS", "9100-9100")
    (line,) = [line for line in lines(1) if line["about"] == "Proxmox privileges"]
    assert "VM.Allocate" in line["text"]
    assert "VM.Clone" in line["text"]
    assert line["text"].endswith("on /vms/9100")
    assert f"pveum acl modify /vms {GRANT}" in line["remedy"]
    monkeypatch.setenv("PHOENIX_SCRATCH_CTIDS", "9000-9000")
    (line,) = [line for line in lines(1) if line["about"] == "Proxmox privileges"]
    assert line["text"].endswith("on /vms/9000, /vms/9100")


def test_the_ctids_of_copies_are_among_those_that_a_key_must_be_let_into(
    prepared: Product, monkeypatch: pytest.MonkeyPatch, ssh_node: SshNode
) -> None:
    prepared.simulator.do(prepared.simulator.pve.nodes.setdefault, "pve2", {"online": True})
    write_scripts(prepared, setup="#!/bin/sh\n")
    entries = {900: template(features=["setup"]), 103: container(103, node="pve2")}
    prepared.declare(entries)
    ssh_node.door = ["--ctids", "103,900"]
    addresses = ",".join(f"{node}=127.0.0.1:{ssh_node.port}" for node in (NODE, "pve2"))
    copies = {"PHOENIX_COPY_CTIDS": "9100-9100", "PHOENIX_SCRATCH_CTIDS": "9000-9000"}
    for name, value in {**copies, **ssh_node.environ(PHOENIX_SHELL_ADDRESSES=addresses)}.items():
        monkeypatch.setenv(name, value)
    refused = {line["about"]: line["text"] for line in lines(1) if line["level"] == "error"}
    assert [*refused] == [f"Forced command on {NODE}", "Forced command on pve2"]
    assert all("CTID 9000 (--ctids)" in text for text in refused.values())
    assert ["CTID 9100 (--ctids)" in text for text in refused.values()] == [False, True]
    ssh_node.door = ["--ctids", "103,900,9000,9100"]
    assert [line for line in lines(0) if line["level"] == "error"] == []
    report = json.loads(invoke("check", "--json").stdout)
    room, way = (line["text"] for line in report["lines"] if line["about"] == "Template copies")
    assert room.startswith("1 are to be made at CTIDs of PHOENIX_COPY_CTIDS (9100-9100)")
    assert way == "a copy of template 900 on pve2 is cloned from it and migrated there, where the storages allow it"


def test_a_grant_on_the_pool_is_enough_but_for_what_is_created(prepared: Product) -> None:
    """Proxmox sets no tags at a creation by a grant on the pool; clones get theirs afterwards."""
    prepared.declare({900: template(900, pool="prod"), 103: container(103, pool="prod")})
    prepared.simulator.set(prepared.simulator.pve, pools={"prod": set()}, acl=on("/pool/prod"))
    (line,) = [line for line in lines(1) if line["about"] == "Proxmox privileges"]
    assert line["text"] == f"{TOKEN_ID} lacks VM.Config.Options on /vms/900"
    prepared.start_worker()
    failure = failure_of(prepared.producer.ensure(103))
    assert (failure.cause, "VM.Config.Options on /vms/900" in failure.remedy) == ("proxmox-permission", True)
