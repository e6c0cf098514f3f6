"""Each privilege that a check says is lacking is one that a request fails of, and none that it leaves out is."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import EnsureFailed
from tests.integration.test_check import EVERYTHING, grant, lines, prepared
from tests.support.product import container, template

if TYPE_CHECKING:
    from phoenix_producer.contract import Failure
    from tests.support.product import Product

__all__ = ["prepared"]

UBUNTU = "ubuntu-24.04-standard_24.04-2_amd64.tar.zst"
ONLY_SHOWN = {
    "Datastore.Audit": "the disks of guests are not seen: linked clones of a template, what was left half made",
    "Pool.Audit": "which pool a container is in is not known, so each ensure puts it there again",
    "Sys.Audit": "tasks of others, the quorum, and what the datacenter names, are not seen: see docs/proxmox-access.md",
}
"""Needed for what they show: nothing is refused without them."""
NOT_DECLARED = {"VM.Migrate"}
"""For requests that no catalog declares, and for copies."""
BEFORE, AFTER = 512, 640
DISK: dict[str, Any] = {"volumes": [{"pool": "local-lvm", "size_gb": 1, "mount_point": "/srv"}]}


def everything(memory_mb: int) -> dict[int, dict[str, Any]]:
    """A catalog that takes every privilege, before and after a change, which is of the pool too."""
    address: dict[str, Any] = {"template": "https://example.org/x.tar.xz"}
    pool = "prod" if memory_mb == BEFORE else "other"
    return {
        900: template(memory_mb=memory_mb),
        103: container(103, memory_mb=memory_mb, enable_lifecycle_snapshots=True, pool=pool, **DISK),
        104: container(104, None, memory_mb=memory_mb, **address),
    }


def first_failure(product: Product) -> Failure | None:
    """Make all of it, change it, rebuild its template and destroy it; the first failure."""
    try:
        for memory_mb in (BEFORE, AFTER):
            product.declare(everything(memory_mb))
            for ctid in (103, 104):
                product.ensure(ctid)
        product.producer.rebuild(900).wait(timeout=60)
        for ctid in (103, 104):
            product.producer.destroy(ctid).wait(timeout=60)
    except EnsureFailed as failed:
        return failed.failure
    return None


@pytest.mark.long
@pytest.mark.parametrize("missing", sorted(EVERYTHING))
def test_a_request_fails_of_each_privilege_that_is_said_to_lack(
    prepared: Product, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    scratch = {"PHOENIX_SCRATCH_CTIDS": "9000-9099"}
    monkeypatch.setenv(*next(iter(scratch.items())))
    pve = prepared.simulator.pve
    prepared.declare(everything(BEFORE))
    prepared.simulator.do(pve.storages["local"]["volumes"].clear)
    prepared.simulator.set(pve, appliances=[UBUNTU], pools={"prod": set(), "other": set()})
    prepared.simulator.do(grant(*(EVERYTHING - {missing})), pve)
    code = 0 if missing in NOT_DECLARED else 1
    said = [line["text"] for line in lines(code) if line["about"] == "Proxmox privileges"]
    assert [missing in re.split(r"[ ,;]+", text) for text in said] == [True] * code
    prepared.start_worker(PHOENIX_PATIENCE="0.1", **scratch)
    failure = first_failure(prepared)
    if missing in ONLY_SHOWN or missing in NOT_DECLARED:
        assert failure is None
    else:
        assert failure is not None, "nothing is refused without it"
        assert (failure.cause, missing in failure.remedy) == ("proxmox-permission", True), failure
