"""Trouble with Proxmox and with Redis: one clear error with a remedy, or work that goes on when it has passed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from fakepve.certs import make_cert
from fakepve.shapes import PRIVILEGES

from phoenix_producer import Producer
from tests.acceptance.scenes import failure_of, refused
from tests.acceptance.test_faults import retrying
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import SECRET, TOKEN_ID
from tests.support.publishing import refusing_port
from tests.support.waiting import wait_for
from tests.support.worker import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from redis import Redis

    from phoenix_worker.commands.demo.embedded import RedisServer
    from tests.support.product import Product


@pytest.fixture
def nobody_listens() -> Iterator[str]:
    with refusing_port() as port:
        yield f"127.0.0.1:{port}"


def test_settings_that_lead_nowhere(product: Product, nobody_listens: str, tmp_path: Path) -> None:
    strange = tmp_path / "strange"
    strange.mkdir()
    other_ca, _, _ = make_cert(str(strange), hosts=("127.0.0.1",))
    told: list[tuple[dict[str, str], str, str, str]] = [
        (
            {"PHOENIX_PROXMOX_TOKEN_VALUE": "wrong"},
            "proxmox-login",
            "authentication failure",
            "(PHOENIX_PROXMOX_TOKEN_VALUE)",
        ),
        (
            {"PHOENIX_PROXMOX_HOST": nobody_listens},
            "unreachable",
            "refused",
            "Check the address in PHOENIX_PROXMOX_HOST",
        ),
        ({"PHOENIX_PROXMOX_CA_FILE": other_ca}, "tls", "certificate verify failed", "PHOENIX_PROXMOX_CA_FILE"),
    ]
    for settings, cause, words, remedy in told:
        worker = product.start_worker(**{"PHOENIX_PATIENCE": "0.1", **settings})
        failure = refused(product, 103)
        assert (failure.cause, failure.ctid) == (cause, 103)
        assert failure.message.startswith("Unable to look at CT 103 on pve1: ")
        assert words in failure.message
        assert remedy in failure.remedy
        assert ("Still failing after 0.1 s (PHOENIX_PATIENCE)." in failure.message) is (cause == "unreachable")
        wait_for(lambda: not product.redis.exists("phoenix:lock:ct/103"))  # a result comes a moment before the end
        worker.kill()


def test_a_missing_privilege_is_named_with_its_path(product: Product) -> None:
    product.declare({900: template(), 103: container(103, None, template=OS_TEMPLATE)})
    pve = product.simulator.pve
    pve.acl[TOKEN_ID] = [("/", set(PRIVILEGES) - {"VM.PowerMgmt"})]
    product.start_worker()
    failure = refused(product, 103)
    assert failure.cause == "proxmox-permission"
    assert failure.message.startswith("Unable to start CT 103 on pve1: Permission check failed")
    assert failure.remedy == "Give the API token the privilege VM.PowerMgmt on /vms/103."
    assert [step.name for step in failure.steps] == ["create"]
    pve.grant(TOKEN_ID, "/", "VM.PowerMgmt")
    assert product.ensure(103).outcome == "updated"


def test_proxmox_is_away_for_a_while_in_the_middle(product: Product) -> None:
    """Once before an order, once under a task that is waited for, once between two steps."""
    product.declare({900: template(), 103: container(103)})
    pve = product.simulator.pve
    product.start_worker()
    pve.ct_secs["clone"] = 0.5
    product.simulator.do(pve.fail, "POST", "/900/clone", 595, "Connection refused", times=2)
    handle = product.producer.ensure(103)
    wait_for(lambda: product.simulator.intervals("vzclone"))
    for suffix in ("/status", "/config"):
        product.simulator.do(pve.fail, "GET", suffix, 596, "Broken pipe", times=3)
    assert handle.wait(timeout=60).outcome == "created"
    assert [interval.made for interval in product.simulator.intervals("vzclone")] == [103]
    kinds = {event.kind for event in handle.progress(timeout=60)}
    assert "retrying" in kinds


def test_trouble_of_the_node_and_a_snapshot_that_is_being_deleted_are_waited_for(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    pve, do = product.simulator.pve, product.simulator.do
    image = "qemu-img: Could not open '/srv/images/900/vm-900-disk-0.raw': No such file or directory"
    do(pve.fail, "GET", "/local/content", 500, image, times=2)
    product.start_worker()
    assert product.ensure(103).outcome == "created"

    product.declare({900: template(), 103: container(103, memory_mb=1024)})
    do(pve.fail, "GET", "/status/current", 500, "failed to read from command socket: Interrupted system call", times=1)
    do(pve.snapshot_lock, 103, "snapshot-delete")
    handle = product.producer.ensure(103)
    wait_for(lambda: "snapshot-delete" in " ".join(retrying(product, handle)))
    do(pve.unlock, 103)
    assert handle.wait(timeout=60).outcome == "updated"

    do(pve.snapshot_lock, 103, "snapshot-delete")
    gone = product.producer.destroy(103)
    wait_for(lambda: "snapshot-delete" in " ".join(retrying(product, gone)))
    do(pve.unlock, 103)
    assert gone.wait(timeout=60).outcome == "destroyed"


def test_redis_that_comes_up_after_the_worker(product: Product, redis_server: RedisServer, tmp_path: Path) -> None:
    redis_server.kill()
    environ = product.environ(PHOENIX_REDIS_URL=redis_server.url)
    worker = WorkerProcess("phoenix_worker", directory=tmp_path, environ=environ)
    try:
        wait_for(lambda: "Redis does not answer" in worker.log() or "Cannot connect to redis" in worker.log())
        redis_server.start()
        worker.wait_until_ready()
        with Producer(redis_server.url) as producer:
            assert producer.ensure(103).wait(timeout=60).outcome == "created"
        assert "Traceback" not in worker.log()
    finally:
        worker.kill()


def everything_in(client: Redis) -> str:
    """The content of every key, whatever its type."""
    read: dict[str, Any] = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1),
        "stream": client.xrange,
    }
    content = {}
    for key in client.scan_iter():
        kind = str(client.type(key))
        if kind != "none":  # it expired since
            content[key] = str(read[kind](key))
    return json.dumps(content)


def test_the_secret_is_nowhere_but_on_its_way_to_proxmox(product: Product) -> None:
    product.simulator.pve.task_failures["vzstart"].append("startup failed")
    worker = product.start_worker()
    handle = product.producer.ensure(103)
    failure = failure_of(handle)
    product.ensure(103)
    kept = everything_in(product.redis)
    assert handle.id in kept
    for text in (worker.log(), kept, failure.model_dump_json()):
        assert SECRET not in text
        assert "PVEAPIToken" not in text
