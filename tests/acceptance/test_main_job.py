"""The main job, as a user sees it: real workers, real Redis, a simulated Proxmox that answers as a real one."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from phoenix_producer import EnsureFailed
from tests.acceptance.scenes import in_line
from tests.support.product import container, example, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product


def test_ensure_103_builds_its_template_clones_configures_and_starts(product: Product) -> None:
    product.start_worker()
    result = product.ensure(103)
    assert result.outcome == "created"
    assert result.templates_built == (900,)
    assert [(step.name, step.ctid) for step in result.steps] == [
        ("create", 900),
        ("seal", 900),
        ("clone", 103),
        ("configure", 103),
        ("start", 103),
    ]
    assert product.status(103) == "running"
    assert product.config(900)["template"] == "1"
    assert "hwaddr=52:54:00:67:89:B3" in product.config(103)["net0"]
    assert "ip=10.0.0.10/24" in product.config(103)["net0"]
    assert product.config(103)["memory"] == "1024"
    assert result.not_applied == ()
    assert result.warnings == ()


def test_a_second_ensure_is_unchanged_and_sends_no_write(product: Product) -> None:
    product.start_worker()
    product.ensure(103)
    before, calls = len(product.writes()), len(product.calls())
    again = product.ensure(103)
    assert (again.outcome, again.changes, again.steps) == ("unchanged", (), ())
    assert len(product.writes()) == before
    assert len(product.calls()) - calls <= 2


def test_the_example_catalog_from_an_empty_node(product: Product) -> None:
    product.catalog.write_text(json.dumps(example(inside=True)))
    product.start_worker()
    handles = product.producer.ensure_many([103, 101, 801], accept_not_applied=True)
    outcomes = {handle.ctid: handle.wait(timeout=60) for handle in handles}
    for result in outcomes.values():
        unapplied = {
            ctid: [line.partition(" ")[0] for line in lines] for ctid, lines in result.templates_not_applied.items()
        }
        assert unapplied == {ctid: ["features:"] for ctid in result.templates_built}, "told whoever built them"
    assert outcomes[801].templates_built == (900, 901)
    assert {ctid: result.outcome for ctid, result in outcomes.items()} == dict.fromkeys((103, 101, 801), "created")
    assert product.config(901)["template"] == "1"
    assert "vm-801-disk-0" in product.config(801)["rootfs"]
    assert product.config(101)["startup"] == "order=2,up=5"
    made = [interval for interval in product.simulator.intervals() if interval.made]
    assert sorted(interval.made for interval in made if interval.made) == [101, 103, 801, 900, 901]


def test_a_chain_of_four_templates(product: Product) -> None:
    chained = {900 + level: container(900 + level, 899 + level) for level in (1, 2, 3)}
    product.declare({900: template(), **chained, 100: container(100, 903)})
    product.start_worker()
    result = product.ensure(100)
    assert result.templates_built == (900, 901, 902, 903)
    assert product.status(100) == "running"


def test_two_requests_for_one_ctid_at_the_same_moment(product: Product) -> None:
    product.start_worker()
    first, second = product.producer.ensure(103), product.producer.ensure(103)
    results = [handle.wait(timeout=60) for handle in (first, second)]
    outcomes = {str(result.outcome) for result in results}
    assert "created" in outcomes
    assert outcomes <= {"created", "unchanged"}, "the later one shares the run, or comes after it"
    maker, other = sorted(results, key=lambda result: not result.steps)
    assert maker.made_by is None
    assert other.outcome == "unchanged" or (other.made_by, other.steps) == (maker.request_id, ())
    assert [interval.made for interval in product.simulator.intervals("vzclone")] == [103]


def test_clones_of_one_template_follow_each_other_in_the_order_of_their_requests(product: Product) -> None:
    ctids = list(range(100, 106))
    product.declare({900: template(), **{ctid: container(ctid) for ctid in ctids}})
    product.simulator.pve.ct_secs["clone"] = 600.0
    product.start_worker()
    handles = product.producer.ensure_many(ctids)
    wait_for(lambda: in_line(product, "ct/900") == len(ctids) - 1)
    product.simulator.pve.ct_secs["clone"] = 0.1
    product.simulator.do(product.simulator.pve.hurry)
    handles.wait(timeout=60)
    clones = product.simulator.intervals("vzclone")
    first, *waited = [clone.made for clone in clones]
    assert waited == sorted(set(ctids) - {first}), "whoever comes to a free lane first has it; the others queue"
    assert all(a.end is not None and a.end <= b.start for a, b in pairwise(clones))


def test_an_empty_catalog_declares_nothing_and_is_no_error(product: Product) -> None:
    product.declare({})
    product.start_worker()
    assert list(product.producer.containers().wait(timeout=60)) == []
    with pytest.raises(EnsureFailed, match="not in the catalog") as failed:
        product.ensure(103)
    assert failed.value.failure.cause == "not-declared"


def test_a_failure_reaches_the_requester_with_cause_and_remedy(product: Product) -> None:
    product.start_worker()
    product.ensure(900)
    product.simulator.pve.task_failures["vzclone"].append("no space left on device")
    with pytest.raises(EnsureFailed) as failed:
        product.ensure(103)
    failure = failed.value.failure
    assert "Unable to clone template 900 to CT 103 on pve1" in failure.message
    assert "no space left on device" in failure.message
    assert failure.remedy
    assert product.ensure(103).outcome == "created", "the next request tries again; its locks are free"


def test_what_changed_in_the_catalog_is_converged_in_one_put(product: Product) -> None:
    product.start_worker()
    product.ensure(103)
    text = json.loads(product.catalog.read_text())
    text["lxc_configs"]["103"] |= {"memory_mb": 2048, "cores": 2, "storage_size_gb": 20}
    product.catalog.write_text(json.dumps(text))
    before = len(product.writes())
    result = product.ensure(103)
    assert result.outcome == "updated"
    assert {change.key: (change.old, change.new) for change in result.changes} == {
        "memory": ("1024", "2048"),
        "cores": ("1", "2"),
        "rootfs": ("16G", "20G"),
    }
    assert [path.rsplit("/", 1)[1] for _, path in product.writes()[before:]] == ["config", "resize"]
    assert product.ensure(103).outcome == "unchanged"
