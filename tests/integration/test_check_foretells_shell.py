"""What `phoenix-lxc check` finds of shell access to the nodes is what an ensure fails of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import refused
from tests.acceptance.test_root_only import node, raw_lines
from tests.acceptance.test_scripts import write_scripts
from tests.integration.test_check import found, prepared
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.ssh_node import DOOR

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.product import Product
    from tests.support.root_node import RootNode

__all__ = ["node", "prepared"]
pytestmark = pytest.mark.long
NOT_ALLOWED: dict[str, Any] = {"devices": [{"path": "/dev/kvm"}]}


def test_where_root_s_commands_are_refused_scripts_are_too(
    prepared: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "pct").write_text("#!/bin/sh\necho no root >&2; exit 13\n")
    (tmp_path / "pct").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    monkeypatch.setenv("PATH", path)
    monkeypatch.setenv("PHOENIX_SHELL", "local")
    write_scripts(prepared, setup="#!/bin/sh\n")
    prepared.declare({900: template(), 103: container(103, features=["setup"])})
    assert "ended with 13 there: no root" in found("error", f"Shell access to {NODE}")[0]
    prepared.start_worker(PHOENIX_SHELL="local", PATH=path)
    failure = refused(prepared, 103)
    assert (failure.cause, "no root" in failure.message) == ("script-start", True)


def test_a_raw_key_that_proxmox_does_not_know_is_never_there(
    prepared: Product, node: RootNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared.declare({900: template(), 103: container(103, lxc_options=["lxc.nosuch.key:1"])})
    for name, value in node.environ().items():
        monkeypatch.setenv(name, value)
    assert "lxc.nosuch.key has no effect" in found("warning", "Catalog", 0)[0]
    prepared.start_worker(**node.environ())
    assert prepared.ensure(103).outcome == "created"
    assert raw_lines(node, 103) == []


def test_what_the_forced_command_does_not_allow_is_refused_and_by_an_old_one_only_half_way(
    prepared: Product, node: RootNode, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    prepared.declare({900: template(), 103: container(103, **NOT_ALLOWED)})
    for name, value in node.environ().items():
        monkeypatch.setenv(name, value)
    assert "does not allow device /dev/kvm (--devices)" in found("error", f"Forced command on {NODE}")[0]
    prepared.start_worker(**node.environ())
    assert refused(prepared, 103).cause == "forced-command"
    assert prepared.writes() == []
    old = tmp_path / "node_door.py"
    old.write_text(DOOR.read_text().replace("--foresee", "--other"))
    monkeypatch.setattr("tests.support.ssh_node.DOOR", old)
    assert "it cannot say what it would refuse" in found("warning", f"Forced command on {NODE}", 0)[0]
    assert refused(prepared, 103).cause == "forced-command"
    assert prepared.status(103) == "stopped", "it was cloned before"
