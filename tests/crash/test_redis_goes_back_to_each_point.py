"""Redis goes back to each point of a job whose work Proxmox has done: it ends as it had, and does nothing twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.past import KEEP_AT, KEEP_IN, Past
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_producer import EnsureResult, Handle
    from tests.support.product import Product

pytestmark = [pytest.mark.crash, pytest.mark.long]


def orders(product: Product) -> Counter[tuple[str, str]]:
    """What Proxmox was told to do, and did."""
    return Counter((one.kind, str(one.guest)) for one in product.simulator.intervals())


def goes_back(product: Product, handle: Handle[EnsureResult], directory: Path) -> None:
    """Go back to each past that was kept while a job ran, from the last to the first, and let it run again."""
    assert handle.wait(timeout=60)
    wait_for(lambda: product.redis.hget(f"phoenix:job:{handle.id}", "state") == "done")
    (directory / "enough").touch()
    done, configs = orders(product), {ct.vmid: dict(ct.config) for ct in product.simulator.pve.cts}
    for file in sorted(directory.glob("*.json"), reverse=True):
        Past.kept(product.redis_url, file).comes_back()
        wait_for(lambda: product.redis.hget(f"phoenix:job:{handle.id}", "state") not in {"open", "running"}, timeout=60)
        state = product.redis.hget(f"phoenix:job:{handle.id}", "state")
        told = product.redis.get(f"celery-task-meta-{handle.id}")
        assert state == "done", (file.name, state, told)
        assert orders(product) == done, (file.name, orders(product) - done)
        assert {ct.vmid: dict(ct.config) for ct in product.simulator.pve.cts} == configs, file.name


def remembering(product: Product, directory: Path, *points: str, **environ: str) -> Path:
    pasts = directory / "pasts"
    pasts.mkdir()
    more: dict[str, Any] = {KEEP_IN: str(pasts), KEEP_AT: " ".join(points)}
    product.start_worker("w1", "tests.support.remembering_worker", **more, **environ)
    return pasts


def test_a_container_is_made_with_its_template(product: Product, tmp_path: Path) -> None:
    product.declare({900: template(storage_size_gb=16), 103: container(103, storage_size_gb=32)})
    pasts = remembering(product, tmp_path, "claimed")
    goes_back(product, product.producer.ensure(103), pasts)
