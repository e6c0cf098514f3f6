"""Redis goes back to each point of a job whose work Proxmox has done: it ends as it had, and does nothing twice."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, cast

import pytest

from tests.acceptance.scenes import done, stand
from tests.acceptance.test_fetched_templates import SHA, URL
from tests.acceptance.test_firewall import SSH, WEB, walled
from tests.acceptance.test_migrating import OTHER, cluster
from tests.acceptance.test_rebuilding import BUILT, REPLACED, SCRATCH
from tests.acceptance.test_scripts import with_features, write_scripts
from tests.support.past import KEEP_AT, KEEP_IN, Past
from tests.support.product import container, template
from tests.support.ssh_node import SshNode, ssh_node
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phoenix_producer import EnsureResult, Handle
    from tests.support.product import Product

__all__ = ["ssh_node"]

POINTS = ("claimed", "intent-recorded", "effect-journalled")
COUNTS = """#!/bin/sh
echo ran >>"ran-$CTID"
"""

pytestmark = [pytest.mark.crash, pytest.mark.long, pytest.mark.timeout(300)]


class Remembering:
    """A worker that keeps the past at each point of one job."""

    def __init__(self, product: Product, directory: Path, **environ: str) -> None:
        self.product = product
        self.pasts = directory / "pasts"
        self.pasts.mkdir()
        more: dict[str, Any] = {KEEP_IN: str(self.pasts), KEEP_AT: " ".join(POINTS)}
        product.start_worker("w1", "tests.support.remembering_worker", **more, **environ)

    def goes_back(self, ask: Callable[[], Handle[EnsureResult]]) -> None:
        """Have a job done; then go back to each point of it, and let it run again; last first."""
        keep = self.pasts / "keep"
        keep.touch()
        handle = ask()
        assert handle.wait(timeout=60)
        wait_for(lambda: self._state(handle) == "done")
        keep.unlink()
        wrong, points = [], sorted(self.pasts.glob("*.json"))
        for file in reversed(points):
            orders, stands = self._orders(), self._stands()
            Past.kept(self.product.redis_url, file).comes_back()
            wait_for(lambda: self._state(handle) in {"done", "failed", "cancelled"}, timeout=60)
            if self._state(handle) != "done":
                wrong.append((file.stem, self.product.redis.get(f"celery-task-meta-{handle.id}")))
            if again := self._orders() - orders:
                wrong.append((file.stem, f"done again: {again}"))
            if self._stands() != stands:
                wrong.append((file.stem, f"{stands} became {self._stands()}"))
        assert not wrong, "\n".join(f"{where}: {what!r}" for where, what in wrong)
        assert len(points) > len(POINTS)

    def _state(self, handle: Handle[EnsureResult]) -> str:
        return cast("str", self.product.redis.hget(f"phoenix:job:{handle.id}", "state"))

    def _orders(self) -> Counter[str]:
        """What Proxmox was told to do, and did."""
        fetched = [f"fetch {one['filename']}" for one in self.product.simulator.pve.fetched]
        return Counter([f"{one.kind} {one.guest}" for one in self.product.simulator.intervals()] + fetched)

    def _stands(self) -> dict[int, tuple[str, str, dict[str, Any]]]:
        return {ct.vmid: (ct.node, ct.status, dict(ct.config)) for ct in self.product.simulator.pve.cts}


def test_a_container_is_made_with_its_template(product: Product, tmp_path: Path) -> None:
    walls = walled(WEB, SSH)
    product.declare({900: template(storage_size_gb=16), 103: container(103, storage_size_gb=32, firewall=walls)})
    Remembering(product, tmp_path).goes_back(lambda: product.producer.ensure(103))


def test_an_os_template_is_fetched_and_created_from(product: Product, tmp_path: Path) -> None:
    product.declare({103: container(103, None, template=URL, checksum=f"sha256:{SHA}", storage_size_gb=32)})
    Remembering(product, tmp_path).goes_back(lambda: product.producer.ensure(103))


@pytest.mark.parametrize("state", ["running", "stopped"])
def test_a_running_container_is_changed(product: Product, tmp_path: Path, state: str) -> None:
    product.declare({900: template(), 103: container(103, firewall=walled(WEB))})
    product.simulator.add_template(900)
    worker = Remembering(product, tmp_path)
    product.ensure(103)
    changed = container(103, memory_mb=1024, storage_size_gb=32, firewall=walled(SSH, WEB), state=state)
    product.declare({900: template(), 103: changed})
    worker.goes_back(lambda: product.producer.ensure(103))


def test_a_container_is_migrated(product: Product, tmp_path: Path) -> None:
    cluster(product)
    product.declare({900: template(), 103: container(103)})
    product.simulator.add_template(900)
    worker = Remembering(product, tmp_path)
    product.ensure(103)
    worker.goes_back(lambda: product.producer.migrate(103, to=OTHER, restart=True))


def test_a_container_is_destroyed(product: Product, tmp_path: Path) -> None:
    product.declare({900: template(), 103: container(103)})
    product.simulator.add_template(900)
    worker = Remembering(product, tmp_path)
    product.ensure(103)
    worker.goes_back(lambda: product.producer.destroy(103))


def test_a_template_is_rebuilt(product: Product, tmp_path: Path) -> None:
    product.declare({900: template(), 103: container(103)})
    worker = Remembering(product, tmp_path, **SCRATCH)
    product.ensure(900)
    worker.goes_back(lambda: product.producer.rebuild(900))
    assert done(product.producer.rebuild(900).wait(timeout=60)) == BUILT + REPLACED


def test_a_container_is_adopted_as_a_template(product: Product, tmp_path: Path) -> None:
    product.declare({900: template()})
    stand(product, 900, running=True, hostname="ct900")
    for name in ("first", "second"):
        product.simulator.do(product.simulator.pve.ct(900).snapshots.__setitem__, name, {"snaptime": 1})
    Remembering(product, tmp_path).goes_back(lambda: product.producer.adopt(900, seal=True))


def test_scripts_run_in_a_template_and_in_its_clone(product: Product, ssh_node: SshNode, tmp_path: Path) -> None:
    base = template(900, features=["base"])
    product.declare({900: base, 103: with_features(103, "more", enable_lifecycle_snapshots=True)})
    write_scripts(product, base=COUNTS, more=COUNTS)
    Remembering(product, tmp_path, **ssh_node.environ()).goes_back(lambda: product.producer.ensure(103))
    ran = {file.name: file.read_text() for file in ssh_node.root(103).glob("ran-*")}
    assert ran == {"ran-900": "ran\n", "ran-103": "ran\n"}


@pytest.mark.parametrize("under_way", ["vzdestroy 900", "vzclone 9000", "vztemplate 900", "vzdestroy 9000"])
def test_a_rebuild_is_thrown_back_to_its_first_steps_while_the_last_are_under_way(
    product: Product, tmp_path: Path, under_way: str
) -> None:
    product.declare({900: template(), 103: container(103)})
    worker = Remembering(product, tmp_path, **SCRATCH)
    product.ensure(900)
    pve, made = product.simulator.pve, len(product.simulator.intervals())
    product.simulator.set(pve, ct_secs=pve.ct_secs | dict.fromkeys(("destroy", "clone", "template"), 1.0))
    (worker.pasts / "keep").touch()
    handle = product.producer.rebuild(900)

    def sent() -> list[str]:
        return [f"{one.kind} {one.guest}" for one in product.simulator.intervals()[made:]]

    wait_for(lambda: under_way in sent())
    (worker.pasts / "keep").unlink()
    created = min(file for file in worker.pasts.glob("*.json") if "effect-journalled create" in file.stem)
    Past.kept(product.redis_url, created).comes_back()
    assert handle.wait(timeout=120).outcome == "rebuilt"
    assert max(Counter(sent()).values()) == 1, "nothing is done twice"
    assert (product.config(900)["template"], product.status(9000)) == ("1", "absent")
