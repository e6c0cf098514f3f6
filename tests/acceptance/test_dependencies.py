"""What a container depends on, and what its templates do: first, side by side, and its failure is theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.commands.demo.proof import steps_of_all_jobs
from tests.acceptance.scenes import failure_of
from tests.support.product import OS_TEMPLATE, container, template

if TYPE_CHECKING:
    from tests.support.product import Product
    from tests.support.proxmox import Interval


def of(product: Product, ctid: int) -> list[Interval]:
    """The tasks that made a CTID, or that it was started by."""
    intervals = product.simulator.intervals()
    return [one for one in intervals if one.made == ctid or (one.kind == "vzstart" and one.guest == str(ctid))]


def span(product: Product, ctid: int) -> tuple[float, float]:
    ends = [one.end for one in of(product, ctid)]
    assert len(ends) == 2, "made once and started once"
    return of(product, ctid)[0].start, max(end for end in ends if end is not None)


def root(ctid: int, *needs: int) -> dict[str, object]:
    return container(ctid, None, template=OS_TEMPLATE, dependencies=[str(need) for need in needs])


def test_those_of_the_templates_count_and_independent_ones_go_side_by_side(product: Product) -> None:
    """101 depends on 103 and 104; its template 901 on 105; that on 106."""
    needed = {103: root(103), 104: root(104), 105: root(105, 106), 106: root(106)}
    templates = {900: template(), 901: container(901, 900, dependencies=["105"])}
    product.declare({**templates, **needed, 101: container(101, 901, dependencies=["103", "104"])})
    product.simulator.do(product.simulator.pve.ct_secs.update, {"create": 1.0})
    product.start_worker()
    assert product.ensure(101).templates_built == (900, 901)
    spans = {ctid: span(product, ctid) for ctid in needed}
    first_of_its_own = min(of(product, ctid)[0].start for ctid in (900, 901, 101))
    assert max(end for _, end in spans.values()) <= first_of_its_own, "all of them run before anything is made for 101"
    assert spans[106][1] <= spans[105][0]
    at_once = (103, 104, 106)
    assert max(spans[one][0] for one in at_once) < min(of(product, one)[0].end or 0.0 for one in at_once)
    started = [one.ctid for one in steps_of_all_jobs(product.redis_url) if one.name == "start"]
    assert sorted(started) == [101, *needed], "the demo shows what jobs of other jobs made"


def test_a_failure_is_that_of_all_that_need_it_and_nothing_is_made_for_them(product: Product) -> None:
    """102 and, through its template, 101 need 107, which cannot be made; 104 does not."""
    gone = container(107, None, template="local:vztmpl/gone.tar.zst")
    clones = {101: container(101, 901), 102: root(102, 107), 103: root(103, 102), 104: container(104)}
    product.declare({900: template(), 901: container(901, 900, dependencies=["107"]), 107: gone, **clones})
    product.start_worker()
    handles = {ctid: product.producer.ensure(ctid) for ctid in clones}
    assert handles[104].wait(timeout=60).outcome == "created"
    for ctid, needs in ((101, 107), (102, 107), (103, 102)):
        failure = failure_of(handles[ctid])
        assert failure.cause == "dependency"
        assert failure.message.startswith(f"Unable to ensure CT {ctid}: it depends on CT {needs}. ")
        assert "local:vztmpl/gone.tar.zst" in failure.message
        assert failure.remedy.startswith("CT 107: ")
        assert product.status(ctid) == "absent"
    assert product.status(901) == "absent"
