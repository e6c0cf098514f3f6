"""What is asked, by whom, and what is told: wrong requests, dependencies, the whole catalog, and a catalog gone bad."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import NAMESPACE_OID, uuid4, uuid5

import pytest
from celery import Celery

from phoenix_producer.contract import EnsureFailed, Failure
from tests.acceptance.scenes import failure_of, refused
from tests.support.asking import hang_up
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.product import Product

EVERY_REFUSAL = Path(__file__).parents[1] / "data" / "every_refusal.json"


@pytest.fixture
def plain(redis_url: str) -> Iterator[Celery]:
    """A Celery client that has nothing of ours."""
    app = Celery("anyone", broker=redis_url, backend=redis_url, set_as_current=False)
    yield app
    hang_up(app)


def why(plain: Celery, *args: Any, task_id: str | None = None, name: str = "phoenix.ensure", **options: Any) -> Failure:
    """Send a request that is refused, and return why."""
    result = plain.send_task(name, args=args, kwargs=options, queue="phoenix.ensure", task_id=task_id)
    with pytest.raises(EnsureFailed) as failed:
        result.get(timeout=60)
    assert result.state == "FAILURE"
    return failed.value.failure


def test_wrong_requests_of_any_client_fail_with_what_is_wrong(product: Product, plain: Celery) -> None:
    worker = product.start_worker()
    no_ctid = "ctid: a CTID is a number from 100 to 999999999, in digits alone"
    wrong = {
        f"{no_ctid}, not '99'": why(plain, 99),
        f"{no_ctid}, not 'web'": why(plain, "web"),
        f"{no_ctid}, not '0103'": why(plain, "0103"),
        "ctid: Field required": why(plain),
        "only the CTID may be positional; pass all else by keyword": why(plain, 103, 104),
        "only the CTID may be positional": why(plain, 103, ctid=103),
        "a_dopt: Extra inputs are not permitted": why(plain, 103, a_dopt=True),
        "state: Input should be 'running' or 'stopped'": why(plain, 103, state="paused"),
        "is not a UUID": why(plain, 103, task_id="my-own-id"),
        "memory: Extra inputs": why(plain, 103, name="phoenix.plan", memory=512),
        "phoenix.clone is not a public task; public are phoenix.": why(plain, 103, name="phoenix.clone"),
        "Not a valid request for phoenix.containers: too many": why(plain, 1, name="phoenix.containers"),
        "adopt: Input should be a valid boolean": why(plain, 103, adopt="yes"),
        "phoenix.enure is not a public task": why(plain, 103, name="phoenix.enure"),
    }
    for words, failure in wrong.items():
        assert failure.cause == "bad-request"
        assert words in failure.message
        assert failure.remedy
    packed = plain.send_task("phoenix.ensure", args=[103], queue="phoenix.ensure", compression="zlib")
    with pytest.raises(EnsureFailed, match="compression"):
        packed.get(timeout=60)
    assert why(plain, 555).cause == "not-declared"
    assert product.calls() == []
    good = plain.send_task("phoenix.ensure", args=["103"], kwargs={"state": "stopped"}, queue="phoenix.ensure")
    assert good.get(timeout=60)["outcome"] == "created"
    for priority in (3, 9):
        urgent = plain.send_task("phoenix.plan", args=[103], queue="phoenix.ensure", priority=priority)
        assert urgent.get(timeout=60)["ctid"] == 103, "each priority is a list of its own in Redis"
    log = worker.log()
    assert "Traceback" not in log
    refusal = uuid5(NAMESPACE_OID, repr("my-own-id"))
    begun = [line for line in log.splitlines() if f"job={refusal}" in line and "begins" in line]
    assert len(begun) == 1, "it is not tried again"


def test_dependencies_come_first_and_their_failure_is_told(product: Product) -> None:
    needy = {
        101: container(101, dependencies=["103"]),
        104: container(104, dependencies=["105"]),
        106: container(106, dependencies=["1002"]),
        107: container(107, dependencies=["1003"]),
        108: container(108, dependencies=["1004"]),
    }
    product.declare(
        {900: template(), 103: container(103), 105: container(105, None, template="local:vztmpl/gone.tar.zst"), **needy}
    )
    pve = product.simulator.pve
    product.simulator.do(pve.add_vm, 1002, name="dc", node=NODE, status="running")
    product.simulator.do(pve.add_vm, 1003, name="dc2", node=NODE, status="stopped")
    product.start_worker()
    handles = {ctid: product.producer.ensure(ctid) for ctid in needy}
    assert [handles[ctid].wait(timeout=60).outcome for ctid in (101, 106)] == ["created", "created"]
    starts = [interval.guest for interval in product.simulator.intervals("vzstart") if interval.guest in {"101", "103"}]
    assert starts == ["103", "101"]
    failures = {ctid: failure_of(handles[ctid]) for ctid in (104, 107, 108)}
    assert {failure.cause for failure in failures.values()} == {"dependency"}
    assert "it depends on CT 105. Unable to create CT 105 on pve1: local:vztmpl/gone.tar.zst" in failures[104].message
    assert "The storage has debian-13-standard_13.1-1_amd64.tar.zst" in failures[104].remedy
    assert "1003, which is not in the catalog and does not run" in failures[107].message
    assert "1004, which is not in the catalog and does not exist" in failures[108].message
    assert [product.status(ctid) for ctid in (104, 107, 108)] == ["absent"] * 3


def test_all_of_the_example_catalog_on_an_empty_node(product: Product) -> None:
    product.start_worker()
    everything = product.producer.containers().wait(timeout=60)
    results = product.producer.ensure_many(everything).wait(timeout=120)
    assert {result.ctid: str(result.outcome) for result in results} == dict.fromkeys((101, 103, 801), "created")
    made = sorted(interval.made for interval in product.simulator.intervals() if interval.made)
    assert made == [101, 103, 801, 900, 901]
    count = len(product.writes())
    again = product.producer.ensure_many(everything).wait(timeout=60)
    assert {str(result.outcome) for result in again} == {"unchanged"}
    assert len(product.writes()) == count


def test_a_catalog_that_turns_bad_leaves_the_last_good_one_in_use(product: Product) -> None:
    product.declare({103: container(103, None, template=OS_TEMPLATE)})
    worker = product.start_worker()
    assert product.producer.containers().wait(timeout=60) == [103]
    assert product.ensure(103, dry_run=True).warnings == ()
    product.catalog.write_bytes(EVERY_REFUSAL.read_bytes())
    result = product.ensure(103)
    assert result.outcome == "created"
    wait_for(lambda: "the last good one stays in use" in worker.log())
    log = worker.log()
    refused_ctids = [ctid for ctid in json.loads(EVERY_REFUSAL.read_text())["lxc_configs"] if f" {ctid}" in log]
    assert len(refused_ctids) > 15
    (warning,) = result.warnings
    assert warning.startswith("The worker uses the last good catalog; the one on its disk is refused: ")
    assert warning.partition("is refused: ")[2] in log, "the first of those in the log"
    failure = refused(product, 555)
    assert (failure.cause, failure.warnings) == ("not-declared", (warning,))
    assert (
        "it is not in the last good catalog, which the worker uses because the current file is refused"
        in failure.message
    )
    assert failure.remedy == f"Correct the file, which must declare 555 too: {warning.partition('is refused: ')[2]}"
    product.catalog.unlink()
    assert "cannot be read" in product.producer.plan(103).wait(timeout=60).warnings[0]
    unchanged = product.ensure(103)
    assert (unchanged.outcome, len(unchanged.warnings)) == ("unchanged", 1)
    product.declare({104: container(104, None, template=OS_TEMPLATE)})
    failure = refused(product, 103)
    assert (failure.cause, failure.warnings) == ("not-declared", ())
    assert product.ensure(104, request_id=uuid4()).outcome == "created"


def test_what_an_entry_has_without_effect_reaches_who_asks_for_it(product: Product) -> None:
    product.declare({900: template(), 103: container(103, memmory_mb=512), 104: container(104, coers=1)})
    product.start_worker()
    told = ('CT 103: "memmory_mb" has no effect. memory_mb was probably meant.',)
    assert product.producer.plan(103).wait(timeout=60).warnings == told
    assert product.ensure(103).warnings == told, "what is created"
    assert product.ensure(103).warnings == told, "what is so already"
