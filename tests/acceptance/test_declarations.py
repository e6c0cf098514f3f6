"""Catalogs as people have them run whole: `check`, `plan`, `ensure`, once more, and `drift`.

Those in `data/declarations` say what public declarations for other tools say (Terraform with two providers, Ansible,
the helper scripts, `pct` in a script); they are written by hand, and in our keys.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.cli import invoke
from tests.support.product import EXAMPLE
from tests.support.proxmox import NODE
from tests.support.root_node import RootNode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.product import Product

pytestmark = pytest.mark.long
DATA = Path(__file__).parents[1] / "data"
ALLOWED = ("--raw-keys", "lxc.*", "--devices", "/dev/nvidia*,/dev/dri/*,/dev/net/tun,/dev/kfd")
CATALOGS = [EXAMPLE, DATA / "a_users_file.json", *sorted((DATA / "declarations").iterdir())]


@pytest.fixture
def node(product: Product, tmp_path: Path) -> Iterator[RootNode]:
    with RootNode(tmp_path / "node", product.simulator) as node:
        node.door = [*(node.door or ()), *ALLOWED]
        yield node


def named(value: Any, *keys: str) -> set[str]:
    """All that a catalog has under these keys, however deep."""
    if isinstance(value, list):
        return {name for one in value for name in named(one, *keys)}
    if not isinstance(value, dict):
        return set()
    here = {str(one) for key, one in value.items() if key in keys and isinstance(one, str) and one}
    return here | {name for one in value.values() for name in named(one, *keys)}


def read(file: Path) -> dict[str, Any]:
    """A catalog with what a test's node has: one node, directories below one place, and a health check that can run."""
    catalog: dict[str, Any] = json.loads(file.read_text())
    for entry in catalog["lxc_configs"].values():
        entry.pop("node", None)
        if entry.get("health_check"):  # what it calls is not in a stand-in container
            entry["health_check"]["command"] = "true"
        for mount in entry.get("mount_points") or ():
            mount["host_path"] = "/tank" + mount["host_path"].removeprefix("/tank")
    return catalog


def put_beside(folder: Path, catalog: dict[str, Any]) -> None:
    """Write the scripts, keys and the password that it names into its directory."""
    (folder / "root_password").write_text("hunter2-hunter2\n")
    (folder / "staff.pub").write_text("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey staff@example\n")
    for entry in catalog["lxc_configs"].values():
        application = [entry["application_script"]] if entry.get("application_script") else []
        for name in [*(f"features/{name}.sh" for name in entry.get("features") or ()), *application]:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("#!/bin/sh\necho done\n")


def prepare(product: Product, catalog: dict[str, Any]) -> None:
    """Put there what it names beside itself, and on the one node that there is."""
    product.catalog.write_text(json.dumps(catalog))
    put_beside(product.catalog.parent, catalog)
    pve = product.simulator.pve
    for entry in catalog["lxc_configs"].values():
        file = str(entry.get("template") or "").rpartition("/")[2]
        if file:
            there = pve.storages["local"]["volumes"]
            product.simulator.do(there.__setitem__, f"vztmpl/{file}", {"content": "vztmpl", "format": "tar", "size": 1})
        if entry.get("pool"):
            product.simulator.do(pve.pools.setdefault, entry["pool"], set())
    entries = catalog["lxc_configs"]
    outside = {str(one) for entry in entries.values() for one in entry.get("dependencies") or ()} - entries.keys()
    for guest in outside:
        product.simulator.do(partial(pve.add_vm, int(guest), name="outside", node=NODE, status="running"))
    for storage in named(catalog, "storage_pool", "pool") - pve.pools.keys() - pve.storages.keys():
        product.simulator.do(pve.storages.__setitem__, storage, pve.storages["local-lvm"] | {"files": set()})
    for group in named(catalog, "group"):
        product.simulator.do(pve.firewall_config("cluster")["groups"].setdefault, group, [])
    product.simulator.set(pve, bridges=named(catalog, "bridge"), tags_case_sensitive=True, version="9.2.11")


def run_whole(product: Product, catalog: dict[str, Any], environ: dict[str, str], patch: pytest.MonkeyPatch) -> None:
    """`check`, `plan`, `ensure`, once more, and `drift`."""
    for name in [*os.environ]:
        if name.upper().startswith("PHOENIX_"):
            patch.delenv(name)
    for name, value in (product.environ() | environ).items():
        patch.setenv(name, value)
    product.start_worker(**environ)

    checked = invoke("check", "--json")
    wrong = [line for line in json.loads(checked.stdout)["lines"] if line["level"] == "error"]
    assert (wrong, checked.exit_code) == ([], 0)
    ctids = [int(ctid) for ctid in catalog["lxc_configs"]]
    for ctid in ctids:
        assert product.producer.plan(ctid).wait(timeout=60).outcome == "created"
    made = [product.ensure(ctid, timeout=120) for ctid in ctids]
    assert {result.outcome for result in made} <= {"created", "unchanged"}, "a template of another was there"
    assert [(result.ctid, result.not_applied) for result in made if result.not_applied] == []
    assert [(result.ctid, result.needs_rebuild) for result in made if result.needs_rebuild] == []
    writes = len(product.writes())
    for ctid in ctids:
        again = product.ensure(ctid)
        assert (again.outcome, again.changes) == ("unchanged", ()), again
        assert product.producer.plan(ctid).wait(timeout=60).lines == ()
    assert len(product.writes()) == writes
    drifted = invoke("drift", "--json", "--exit-code")
    assert drifted.exit_code == 0, drifted.output
    assert sorted(one["ctid"] for one in json.loads(drifted.stdout)) == sorted(ctids)


@pytest.mark.parametrize("file", CATALOGS, ids=[file.stem for file in CATALOGS])
def test_it_runs_whole(product: Product, node: RootNode, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = read(file)
    prepare(product, catalog)
    run_whole(product, catalog, node.environ(), monkeypatch)
