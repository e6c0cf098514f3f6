"""What the token needs on a guest, by what is declared; and whether it has it still once the guest is deleted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from phoenix_worker.catalog.declaration import Volume
from phoenix_worker.core.allowed.grants import Need, of_rebuild, on_guest, refuse_vanishing
from tests.support.declared import MINIMAL
from tests.support.refusing import Refusal, refusal_of

ALWAYS = {"VM.Allocate", "VM.Audit", "VM.Config.Network", "VM.Config.Options", "VM.PowerMgmt"}
TEMPLATE = replace(MINIMAL, ctid=900)
SCRATCH = replace(MINIMAL, ctid=9000)
TOKEN = "phoenix@pve!worker"


@pytest.mark.parametrize(
    ("declared", "more"),
    [
        ({}, set()),
        ({"snapshots": True}, {"VM.Snapshot"}),
        ({"cores": 2}, {"VM.Config.CPU"}),
        ({"options": (("cpulimit", "2"),)}, {"VM.Config.CPU"}),
        ({"options": (("cpuunits", "50"),)}, {"VM.Config.CPU"}),
        ({"options": (("tty", "1"),)}, set()),
        ({"memory_mb": 512}, {"VM.Config.Memory"}),
        ({"swap_mb": 0}, {"VM.Config.Memory"}),
        ({"disk_gb": 8}, {"VM.Config.Disk"}),
        ({"storage": "zfs"}, {"VM.Config.Disk"}),
        ({"volumes": (Volume("zfs", 4, "/data"),)}, {"VM.Config.Disk"}),
    ],
)
def test_what_is_declared_takes_its_privilege(declared: dict[str, Any], more: set[str]) -> None:
    needs = list(on_guest(replace(MINIMAL, **declared)))
    assert {need.privilege for need in needs} == ALWAYS | more
    assert {(need.path, need.or_on) for need in needs} == {("/vms/103", None)}


@pytest.mark.parametrize("os_template", [None, "local:vztmpl/x"])
def test_what_is_granted_on_its_pool_will_do_but_for_the_tags_of_what_is_created(os_template: str | None) -> None:
    pooled = replace(MINIMAL, pool="lab", os_template=os_template, cores=1)
    elsewhere = {need.privilege for need in on_guest(pooled) if need.or_on is None}
    assert elsewhere == ({"VM.Config.Options"} if os_template else set())
    assert {need.or_on for need in on_guest(pooled)} == {"/pool/lab", *([None] if os_template else [])}


@pytest.mark.parametrize(
    ("need", "held", "met", "lasts"),
    [
        (Need("/vms/103", "VM.Audit"), {"/vms/103": "VM.Audit"}, True, False),
        (Need("/vms/103", "VM.Audit"), {"/vms/103": "VM.Audit", "/vms": "VM.Audit"}, True, True),
        (Need("/vms/103", "VM.Audit"), {"/vms/103": "VM.Clone"}, False, False),
        (Need("/vms/103", "VM.Audit"), {}, False, False),
        (Need("/vms/103", "VM.Audit", "/pool/lab"), {"/pool/lab": "VM.Audit"}, True, True),
        (Need("/storage/zfs", "Datastore.Audit"), {"/storage/zfs": "Datastore.Audit"}, True, True),
        (Need("/storage/zfs", "Datastore.Audit"), {"/vms": "Datastore.Audit"}, False, False),
        (Need("/storage/zfs", "Datastore.Audit", "/pool/lab"), {"/pool/lab": "Datastore.Audit"}, True, False),
    ],
)
def test_what_is_held_on_the_guest_itself_goes_with_it(
    need: Need, held: dict[str, str], *, met: bool, lasts: bool
) -> None:
    by_path = {path: frozenset({privilege}) for path, privilege in held.items()}
    assert (need.met(by_path), need.lasts(by_path)) == (met, lasts)


def test_a_rebuild_needs_both_guests_and_clones_each() -> None:
    needs = of_rebuild(replace(TEMPLATE, pool="lab", snapshots=True), SCRATCH)
    assert {need for need in needs if need.path == "/vms/9000"} == {
        *(Need("/vms/9000", privilege) for privilege in ALWAYS),
        Need("/vms/9000", "VM.Clone", "/pool/lab"),
    }
    assert {need for need in needs if need.path == "/vms/900"} == {
        Need("/vms/900", privilege, "/pool/lab") for privilege in {*ALWAYS, "VM.Clone", "VM.Snapshot"}
    }


def role(privileges: str) -> str:
    added = f'pveum role add Phoenix --privs "{privileges}" 2>/dev/null'
    return f'{added} || pveum role modify Phoenix --privs "{privileges}" --append 1'


def test_a_rebuild_that_would_lose_its_grants_is_refused_with_the_command_that_keeps_them() -> None:
    needs = [Need("/vms/900", "VM.Clone"), Need("/vms/900", "VM.Audit"), Need("/vms/9000", "VM.Audit")]
    everywhere = {"/vms": frozenset({"VM.Clone", "VM.Audit"})}
    refuse_vanishing(TEMPLATE, needs, everywhere, TOKEN)
    assert refusal_of(
        lambda: refuse_vanishing(TEMPLATE, needs, {"/vms": frozenset({"VM.Allocate"})}, TOKEN)
    ) == Refusal(
        "Unable to rebuild CT 900 on pve1: Proxmox deletes the grants on /vms/900, /vms/9000 with the template, and "
        "elsewhere phoenix@pve!worker has no VM.Audit, VM.Clone to make it again.",
        "grants-vanish",
        f"{role('VM.Allocate VM.Audit VM.Clone')}; "
        "pveum acl modify /vms --users phoenix@pve --tokens 'phoenix@pve!worker' --roles Phoenix",
    )
    needs = [Need("/vms/900", "VM.Clone"), Need("/vms/900", "VM.Audit", "/pool/lab")]
    refused = refusal_of(lambda: refuse_vanishing(TEMPLATE, needs, {}, TOKEN))
    assert refused.remedy == (
        f"{role('VM.Audit VM.Clone')}; "
        "for path in /pool/lab /vms; do pveum acl modify \"$path\" --users phoenix@pve --tokens 'phoenix@pve!worker' "
        "--roles Phoenix; done"
    )
