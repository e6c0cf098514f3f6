"""`phoenix-lxc check` of a cluster: what lacks where a copy of a template is made, and where things are placed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.loading import Defaults, load
from phoenix_worker.core.differs.diff import marker_for
from phoenix_worker.core.model.marker import Stage, write_marker
from tests.acceptance.scenes import failure_of
from tests.integration.test_check import alter, found, lines, prepared
from tests.support.product import container, template
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.product import Product
    from tests.support.strict_pve import StrictPve

__all__ = ["prepared"]
OTHER = "pve2"
UBUNTU = "local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst"


def without_bridge(pve: StrictPve) -> None:
    pve.bridges_of[OTHER] = {"vmbr7"}


def without_os_template(pve: StrictPve) -> None:
    pve.without_content.add(OTHER)


FAULTS: list[tuple[Callable[[StrictPve], None], str, str]] = [
    (alter("local-lvm", nodes=NODE), f"Storage local-lvm on {OTHER}", "storage-missing"),
    (without_bridge, f"Bridge vmbr0 on {OTHER}", "bridge-missing"),
    (without_os_template, f"OS template {UBUNTU} on {OTHER}", "no-os-template"),
]
NAMES = ["storage", "bridge", "os-template"]
ELSEWHERE: dict[int, dict[str, Any]] = {900: template(900), 103: container(103, node=OTHER)}


@pytest.fixture
def two_nodes(prepared: Product, monkeypatch: pytest.MonkeyPatch) -> Product:
    prepared.simulator.set(prepared.simulator.pve, nodes={NODE: {"online": True}, OTHER: {"online": True}})
    monkeypatch.setenv("PHOENIX_COPY_CTIDS", "9100-9109")
    return prepared


@pytest.mark.parametrize(("fault", "about", "cause"), FAULTS, ids=NAMES)
def test_what_a_copy_lacks_where_it_will_be_made_is_found(
    two_nodes: Product, fault: Callable[[StrictPve], None], about: str, cause: str
) -> None:
    two_nodes.declare(ELSEWHERE)
    assert [line["about"] for line in lines(0)] == ["Workers"]
    two_nodes.simulator.do(fault, two_nodes.simulator.pve)
    text, _ = found("error", about)
    assert "the copy of 900" in text, cause


@pytest.mark.long
def test_what_can_be_migrated_needs_no_os_template(two_nodes: Product) -> None:
    anywhere = {103: container(103, node=OTHER), 104: container(104, node="any")}
    two_nodes.declare({900: template(900), **anywhere})
    two_nodes.simulator.do(without_os_template, two_nodes.simulator.pve)
    found("error", f"OS template {UBUNTU} on {OTHER}")
    marker = marker_for(load(two_nodes.catalog, Defaults(NODE))[900], "made", Stage.CONFIGURED)
    two_nodes.simulator.add_template(900, description=write_marker(marker))
    assert [line["about"] for line in lines(0)] == ["Workers"]


@pytest.mark.long
@pytest.mark.parametrize(("fault", "about", "cause"), FAULTS, ids=NAMES)
def test_without_it_the_first_ensure_that_needs_the_copy_fails(
    two_nodes: Product, fault: Callable[[StrictPve], None], about: str, cause: str
) -> None:
    two_nodes.declare(ELSEWHERE)
    two_nodes.simulator.do(fault, two_nodes.simulator.pve)
    two_nodes.start_worker(PHOENIX_COPY_CTIDS="9100-9109")
    assert failure_of(two_nodes.producer.ensure(103)).cause == cause, about


@pytest.mark.long
def test_a_guest_at_a_ctid_for_copies_is_found_and_passed_over(
    two_nodes: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = {"PHOENIX_COPY_CTIDS": "9100-9101"}
    monkeypatch.setenv("PHOENIX_COPY_CTIDS", few["PHOENIX_COPY_CTIDS"])
    two_nodes.declare(ELSEWHERE)
    two_nodes.simulator.do(two_nodes.simulator.pve.add_vm, 9100, name="windows", node=NODE)
    text, _ = found("warning", "Template copies", 0)
    assert text.startswith("9100 of PHOENIX_COPY_CTIDS (9100-9101) are other guests, which are left alone")
    two_nodes.start_worker(**few)
    assert two_nodes.ensure(103).outcome == "created"
    assert two_nodes.simulator.pve.cloned_from == {103: 9101}


@pytest.mark.long
def test_nothing_is_placed_on_a_node_that_cannot_have_it(two_nodes: Product) -> None:
    two_nodes.declare({900: template(900), 103: container(103, node="any")})
    two_nodes.simulator.do(without_bridge, two_nodes.simulator.pve)
    two_nodes.start_worker()
    result = two_nodes.ensure(103)
    assert (result.node, f"not {OTHER}: there is no bridge vmbr0" in result.placed) == (NODE, True), result.placed


@pytest.mark.parametrize("fault", [fault for fault, *_ in FAULTS], ids=NAMES)
@pytest.mark.parametrize(("created", "nodes"), [(False, "any"), (True, [NODE, OTHER])], ids=["cloned", "created"])
def test_a_node_on_which_nothing_can_be_placed_is_found(
    two_nodes: Product, fault: Callable[[StrictPve], None], nodes: Any, *, created: bool
) -> None:
    placed = container(103, None, template=UBUNTU, node=nodes) if created else container(103, node=nodes)
    two_nodes.declare({103: placed} if created else {900: template(900), 103: placed})
    assert [line["about"] for line in lines(0)] == ["Workers"]
    two_nodes.simulator.do(fault, two_nodes.simulator.pve)
    text, remedy = found("warning", f"Placement on {OTHER}", 0)
    assert text.startswith("CT 103 cannot be placed there: ")
    assert remedy == "Provide it there, or name the other nodes in `node`."
    two_nodes.declare({900: template(900), 103: {**placed, "node": NODE}})
    assert [line["about"] for line in lines(0)] == ["Workers"], "as the remedy says"
