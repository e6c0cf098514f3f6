"""Starting the worker and Flower the ordinary way: what stops the start is said in lines that help."""

from __future__ import annotations

import json
import os
import sys
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer.contract import QUEUE, RESUME_QUEUE
from phoenix_worker.commands.demo.child import ChildProcess
from tests.support.waiting import wait_for
from tests.support.worker import QUICK_START, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.product import Product
    from tests.support.worker import StartWorker

EVERY_REFUSAL = Path(__file__).parents[1] / "data" / "every_refusal.json"
_INHERITED = ("PATH", "HOME", "LANG", "TMPDIR", "PYTHONPATH")


def environ_of(settings: Mapping[str, str]) -> dict[str, str]:
    return {name: os.environ[name] for name in _INHERITED if name in os.environ} | dict(settings)


def refused(settings: Mapping[str, str], directory: Path, name: str) -> str:
    """Start a worker that ends by itself, as one that is refused does; returns all that it said."""
    worker = WorkerProcess("phoenix_worker", directory=directory, environ=settings, name=name, forked=True)
    try:
        assert (worker.wait(60), "Traceback" in worker.log()) == (2, False), worker.log()
    finally:
        worker.kill()
    return worker.log()


def test_settings_and_catalogs_that_are_wrong_stop_the_start(product: Product, tmp_path: Path) -> None:
    good = product.environ()
    misspelt = {**good, "PHOENIX_PROXMOX_HOTS": good["PHOENIX_PROXMOX_HOST"]}
    del misspelt["PHOENIX_PROXMOX_HOST"]
    said = refused(misspelt, tmp_path, "misspelt")
    assert "PHOENIX_PROXMOX_HOTS: unknown setting. Did you mean PHOENIX_PROXMOX_HOST?" in said
    assert "PHOENIX_PROXMOX_HOST: is not set." in said

    said = refused({**good, "PHOENIX_PROXMOX_CA_FILE": "/nowhere/ca.pem"}, tmp_path, "nowhere")
    assert "PHOENIX_PROXMOX_CA_FILE: cannot be read (/nowhere/ca.pem: No such file or directory)." in said

    product.catalog.write_bytes(EVERY_REFUSAL.read_bytes())
    said = refused(good, tmp_path, "catalog")
    for ctid in ("99", "web", "900", *map(str, (101, 102, *range(105, 109), *range(110, 116), 117))):
        assert f"CT {ctid}: " in said
    assert said.count("CT 107: ") == 1, "everything is said, and once"


@pytest.mark.parametrize(("flags", "warned"), [(["--pool", "prefork"], True), (["-Pprefork"], True), ([], False)])
def test_a_pool_that_celery_takes_for_its_own_default_is_told(
    product: Product, start_worker: StartWorker, flags: list[str], *, warned: bool
) -> None:
    worker = start_worker("phoenix_worker", product.environ(), flags=(*QUICK_START, *flags))
    assert ("This worker runs threads" in worker.log()) is warned
    assert "concurrency: 16 (thread)" in worker.log()


@contextmanager
def flower(product: Product, directory: Path) -> Iterator[str]:
    """Run Flower; hands out its address."""
    log = directory / "flower.log"
    command = [sys.executable, "-m", "celery", "-A", "phoenix_worker", "flower", "--address=127.0.0.1", "--port=0"]
    settings = product.environ(FLOWER_UNAUTHENTICATED_API="1")
    child = ChildProcess(command, log=log, environ=environ_of(settings), directory=directory)
    try:
        yield wait_for(lambda: address_of(child.pid))
    finally:
        child.kill()


def address_of(pid: int) -> str:
    """Where a process listens; empty until it does."""
    inodes = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            inodes.add(str(link.readlink()))
        except OSError:
            continue
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        _, local, _, state, *rest = line.split()
        if state == "0A" and f"socket:[{rest[5]}]" in inodes:
            return f"http://127.0.0.1:{int(local.partition(':')[2], 16)}"
    return ""


def asked(url: str) -> Any:
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:  # noqa: S310 - loopback
            return json.load(answer)
    except (urllib.error.URLError, TimeoutError):
        return {}


def test_flower_shows_the_tasks_of_a_job(product: Product, tmp_path: Path) -> None:
    with flower(product, tmp_path) as address:
        worker = product.start_worker()
        wait_for(lambda: asked(f"{address}/api/workers?refresh=1"))
        # Events of before it listens are lost to it.
        wait_for(lambda: product.producer.containers().wait(timeout=60) and asked(f"{address}/api/tasks"))
        handle = product.producer.ensure(103)
        handle.wait(timeout=60)
        wanted = {"phoenix.create", "phoenix.seal", "phoenix.clone", "phoenix.start", "phoenix.ensure"}
        wait_for(lambda: wanted <= {task["name"] for task in asked(f"{address}/api/tasks").values()})
        ours = asked(f"{address}/api/tasks")
        assert ours[handle.id]["name"] == "phoenix.ensure", "and so has the last link, whose id is the same"
        assert product.environ()["PHOENIX_PROXMOX_TOKEN_VALUE"] not in json.dumps(ours)
        queues = {queue["name"] for queue in asked(f"{address}/api/queues/length")["active_queues"]}
        assert {QUEUE, RESUME_QUEUE} <= queues
    assert worker.running()
