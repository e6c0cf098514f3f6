"""A health check that is pushed, and one that was meant to be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.acceptance.scenes import refused
from tests.acceptance.test_scripts import declare
from tests.support.product import container, template
from tests.support.ssh_node import SshNode, ssh_node

if TYPE_CHECKING:
    from tests.support.product import Product

__all__ = ["ssh_node"]


def test_a_health_check_outside_the_container_says_so_and_one_beside_the_catalog_is_pushed(
    product: Product, ssh_node: SshNode
) -> None:
    checks = product.catalog.parent / "checks"
    (checks / "files").mkdir(parents=True)
    (checks / "web.sh").write_text('#!/bin/sh\n. "$(dirname "$0")/files/lib"\necho "$1" >>asked\n')
    (checks / "files" / "lib").write_text("test -e well\n")
    command = {"command": "/opt/checks/web.sh", "retries": 1}
    product.simulator.add_template(900)
    declare(product, ct900=template(), ct100=container(100, health_check=command))
    product.start_worker(**ssh_node.environ())
    failure = refused(product, 100)
    assert (failure.cause, "must exist inside the container" in failure.message) == ("not-well", True)
    assert "exit code 127. The command" in failure.message, "one try is not each of them"
    assert "health_check.script" in failure.remedy
    (ssh_node.root(100) / "well").touch()
    declare(product, ct900=template(), ct100=container(100, health_check={"script": "checks/web.sh"}))
    assert product.ensure(100).outcome == "updated"
    assert product.ensure(100).outcome == "unchanged"
    assert (ssh_node.root(100) / "asked").read_text() == "100\n"
    (checks / "files" / "lib").write_text("test -e well; true\n")
    assert product.ensure(100).outcome == "updated"
    (checks / "web.sh").unlink()
    assert refused(product, 100).cause == "script-missing"
    assert product.producer.destroy(100).wait(timeout=60).outcome == "destroyed", "that needs no script"
