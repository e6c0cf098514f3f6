"""The catalog changes under load: a job ends with the declaration that it began with, or fails clearly; no mix."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from tests.acceptance.scenes import done, failure_of, refused, writes_to
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult
    from tests.support.product import Product
    from tests.support.worker import WorkerProcess

LONG = 600.0
BIGGER = {"memory_mb": 1024, "cores": 2}
GROWN = {"memory": ("512", "1024"), "cores": ("1", "2")}
SHRUNK = {key: (new, old) for key, (old, new) in GROWN.items()}
_ANSWERED = re.compile(r"job done .* step=containers")


def put(product: Product, text: str) -> None:
    """Exchange the file as a careful administrator does: nobody reads half of it."""
    new = product.catalog.with_suffix(".new")
    new.write_text(text)
    new.replace(product.catalog)


def declare(product: Product, entries: dict[int, dict[str, Any]]) -> None:
    put(product, json.dumps({"lxc_configs": {str(ctid): entry for ctid, entry in entries.items()}}))


def read_by_all(product: Product, *workers: WorkerProcess) -> None:
    """Ask for the list of containers until each worker has answered: it has seen the file as it is now."""

    def answers() -> list[int]:
        return [len(_ANSWERED.findall(worker.log())) for worker in workers]

    before = answers()

    def each_has_answered() -> bool:
        product.producer.containers().wait(timeout=60)
        return all(now > then for now, then in zip(answers(), before, strict=True))

    wait_for(each_has_answered)


def waiting_for(product: Product, ctid: int) -> int:
    return int(product.redis.zcount(f"phoenix:lock:ct/{ctid}", "(0", "+inf"))


def watched(product: Product, made: int) -> None:
    """Wait until a CTID is being made, and its task is waited for."""
    intervals = product.simulator.intervals
    upid = wait_for(lambda: next((one.upid for one in intervals() if one.made == made and one.end is None), ""))
    wait_for(lambda: product.redis.zscore("phoenix:watch", f"upid/{upid}"))


def changes(result: EnsureResult) -> dict[str, tuple[str | None, str | None]]:
    return {change.key: (change.old, change.new) for change in result.changes}


def refusals(worker: WorkerProcess) -> int:
    return worker.log().count("is refused; the last good one stays in use")


def test_what_is_under_way_ends_as_it_began_and_what_is_asked_later_gets_the_new(product: Product) -> None:
    """103 builds the template, 104 to 106 wait for it, 107 is being created: all while the file changes thrice."""
    alone: dict[str, Any] = {"clone_from_ctid": None, "template": OS_TEMPLATE}
    older = {900: template(), **{ctid: container(ctid) for ctid in (103, 104, 105, 106)}, 107: container(107, **alone)}
    newer = older | {900: template(**BIGGER), 104: container(104, **BIGGER), 107: container(107, **alone, **BIGGER)}
    del newer[105]
    pve, ensure = product.simulator.pve, product.producer.ensure
    declare(product, older)
    workers = product.start_worker("w1"), product.start_worker("w2")
    read_by_all(product, *workers)
    pve.ct_secs["create"] = LONG
    began = {ctid: ensure(ctid) for ctid in (103, 107)}
    watched(product, 900)
    watched(product, 107)
    began |= {ctid: ensure(ctid) for ctid in (104, 105, 106)}
    wait_for(lambda: waiting_for(product, 900) == 3)

    declare(product, newer)
    read_by_all(product, *workers)
    assert refused(product, 105).cause == "not-declared"
    later = {ctid: ensure(ctid) for ctid in (104, 107)}
    wait_for(lambda: waiting_for(product, 104) == waiting_for(product, 107) == 1)

    put(product, "{")
    read_by_all(product, *workers)
    assert [refusals(worker) for worker in workers] == [1, 1]
    (standing,) = product.producer.status([103]).wait(timeout=60)
    assert any("uses the last good catalog" in warning for warning in standing.warnings)
    later[103] = ensure(103)
    product.simulator.do(pve.hurry)
    results = {ctid: handle.wait(timeout=60) for ctid, handle in began.items()}
    assert {result.outcome for result in results.values()} == {"created"}
    assert results[103].templates_built == (900,)
    told = later[103].wait(timeout=60)
    assert (told.outcome, told.made_by, told.steps) == ("created", began[103].id, ())
    for ctid in (104, 107):
        result = later[ctid].wait(timeout=60)
        assert (result.outcome, changes(result)) == ("updated", GROWN), "it was made all as it was declared then"
    assert changes(product.ensure(900)) == GROWN
    assert refused(product, 105).cause == "not-declared"

    declare(product, older | {105: container(105, **BIGGER)})
    read_by_all(product, *workers)
    assert {ctid: changes(product.ensure(ctid)) for ctid in (104, 105, 106, 107, 900)} == {
        **dict.fromkeys((104, 107, 900), SHRUNK),
        105: GROWN,
        106: {},
    }
    made = [one.made for one in product.simulator.intervals() if one.made is not None]
    assert sorted(made) == [103, 104, 105, 106, 107, 900]
    assert [refusals(worker) for worker in workers] == [1, 1], "it is said once"
    assert not any("Traceback" in worker.log() for worker in workers)


def test_a_worker_that_never_saw_the_older_declaration_says_so(product: Product) -> None:
    """103 is being cloned, the others stand in line, and the only worker that knew their declarations dies."""
    older = {900: template(), **{ctid: container(ctid) for ctid in (103, 104, 105, 106)}}
    newer = older | {103: container(103, **BIGGER), 104: container(104, **BIGGER)}
    del newer[105]
    pve = product.simulator.pve
    product.simulator.add_template(900)
    declare(product, older)
    pve.ct_secs["clone"] = LONG
    knowing = product.start_worker("w1")
    handles = {103: product.producer.ensure(103)}
    watched(product, 103)
    handles |= {ctid: product.producer.ensure(ctid) for ctid in (104, 105, 106)}
    wait_for(lambda: waiting_for(product, 900) == 3)
    declare(product, newer)
    knowing.kill()
    product.start_worker("w2")
    pve.ct_secs["clone"] = 0.1
    product.simulator.do(pve.hurry)
    failures = {ctid: failure_of(handles[ctid]) for ctid in (103, 104, 105)}
    assert {failure.cause for failure in failures.values()} == {"catalog-changed"}
    assert "The catalog entry of CT 103 changed" in failures[103].message
    assert "The catalog entry of CT 105 was removed" in failures[105].message
    assert handles[106].wait(timeout=60).outcome == "created", "its declaration is the same"
    assert [writes_to(product, ctid) for ctid in (103, 104, 105)] == [[], [], []], "nothing of the new was begun"
    assert [product.status(ctid) for ctid in (103, 104, 105)] == ["stopped", "absent", "absent"]
    wait_for(lambda: not product.redis.keys("phoenix:lock:*"))

    assert done(product.ensure(103)) == [("configure", 103), ("start", 103)], "its clone is taken on"
    assert product.ensure(104).outcome == "created"
    assert [(product.config(ctid)["memory"], product.config(ctid)["cores"]) for ctid in (103, 104)] == [
        ("1024", "2")
    ] * 2
    made = [one.made for one in product.simulator.intervals("vzclone")]
    assert made == [103, 106, 104]
