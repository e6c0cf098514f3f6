"""Settings that a failure names: one after the other is set as it says, until the container is there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.acceptance.scenes import refused
from tests.support.product import container, template
from tests.support.ssh_node import SshNode, ssh_node

if TYPE_CHECKING:
    from tests.support.product import Product

__all__ = ["ssh_node"]

SLOW = '#!/bin/sh\n[ -e "$0.again" ] || { touch "$0.again"; sleep 600; }\nsleep 3\n'
"""It takes longer than a second each time, and the first time as long as it may."""


@pytest.mark.long
def test_each_setting_that_scripts_need_removes_its_complaint(product: Product, ssh_node: SshNode) -> None:
    product.declare({900: template(900), 100: container(100, features=["slow"])})
    on_node = ssh_node.key_file.parent / "scripts"
    on_node.mkdir()
    (on_node / "slow.sh").write_text(SLOW)
    (on_node / "slow.sh").chmod(0o755)
    found = {"PHOENIX_SCRIPTS": f"{on_node}/{{feature}}.sh"}
    shell = ssh_node.environ()
    complaints = {
        "PHOENIX_SHELL": ("no-shell", found),
        "PHOENIX_SCRIPTS": ("script-missing", {**shell, "PHOENIX_SCRIPTS": "/nowhere/{feature}.sh"}),
        "PHOENIX_SCRIPT_TIMEOUT": ("script-timeout", {**shell, **found, "PHOENIX_SCRIPT_TIMEOUT": "1"}),
    }
    for number, (setting, (cause, environ)) in enumerate(complaints.items()):
        worker = product.start_worker(f"w{number}", **environ)
        failure = refused(product, 100)
        assert (failure.cause, setting in failure.remedy) == (cause, True), failure
        worker.term()
        worker.wait()
    product.start_worker("last", **shell, **found, PHOENIX_SCRIPT_TIMEOUT="600")
    assert [step.name for step in product.ensure(100).steps if step.name == "provision"] == ["provision"]
    assert product.ensure(100).outcome == "unchanged"
