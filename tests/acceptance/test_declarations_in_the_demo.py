"""The same catalogs in the demo: as its users run it, and on its simulator with a shell, which the demo has not."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.commands.demo.surroundings import surroundings_of
from tests.acceptance.test_declarations import ALLOWED, CATALOGS, put_beside, read, run_whole
from tests.acceptance.test_demo import QUICK, Demo, demo
from tests.support.demo_pve import DemoSimulator
from tests.support.root_node import RootNode

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.product import Product

__all__ = ["demo"]

pytestmark = pytest.mark.long
EACH = pytest.mark.parametrize("file", CATALOGS, ids=[file.stem for file in CATALOGS])


@EACH
def test_it_runs_in_the_demo(demo: Demo, tmp_path: Path, file: Path) -> None:
    catalog = json.loads(file.read_text())
    put_beside(tmp_path, catalog)
    (tmp_path / "catalog.json").write_text(json.dumps(catalog))
    assert demo.run(QUICK, "--catalog", str(tmp_path / "catalog.json")) == 0, demo.output
    again = demo.output.rpartition(" again\n")[2]
    assert " unchanged: all in " in again
    assert not re.search(r"\d (created|updated)", again)
    assert demo.left() == []


@EACH
def test_it_runs_whole_on_the_simulator_of_the_demo_with_a_shell(
    product: Product, file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = read(file)
    product.catalog.write_text(json.dumps(catalog))
    put_beside(product.catalog.parent, catalog)
    with (
        DemoSimulator(surroundings_of(product.catalog)) as simulator,
        RootNode(tmp_path / "node", simulator) as node,
    ):
        node.door = [*(node.door or ()), *ALLOWED]
        shown = replace(product, simulator=simulator)
        run_whole(shown, catalog, node.environ() | simulator.environ(), monkeypatch)
