"""The conformance run, on the simulated Proxmox: what it tells, what it leaves, and when it begins nothing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from argparse import Namespace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conformance.cases import CASES
from tests.conformance.target import SECRET_VARIABLE, UnfitError, target_of
from tests.support.product import add_os_template
from tests.support.proxmox import NODE
from tests.support.strict_pve import SECRET, TOKEN_ID

if TYPE_CHECKING:
    from tests.support.proxmox import Simulator

ROOT = Path(__file__).parents[2]


def run(simulator: Simulator, *more: str, nodes: tuple[str, ...] = (NODE,)) -> subprocess.CompletedProcess[str]:
    place = ["--pve", f"https://{simulator.host}", "--token", TOKEN_ID, "--ca", simulator.ca_file]
    where = ["--nodes" if len(nodes) > 1 else "--node", ",".join(nodes)]
    what = [*where, "--storage", "local-lvm", "--ctids", "9000-9020", *more]
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PHOENIX_")}
    return subprocess.run(
        [sys.executable, "-m", "tests.conformance", *place, *what],
        check=False,
        capture_output=True,
        text=True,
        timeout=200,
        cwd=ROOT,
        env=environ | {SECRET_VARIABLE: SECRET},
    )


@pytest.mark.long
def test_all_goes_well_and_nothing_is_left(simulator: Simulator, tmp_path: Path) -> None:
    add_os_template(simulator)
    simulator.pve.ct_secs.update(clone=0.3, migrate=1.5)
    simulator.do(simulator.pve.nodes.setdefault, "pve2", {"online": True})
    simulator.set(simulator.pve, tags_case_sensitive=True, hotplug_refused="apparmor_parser failed")
    done = run(simulator, "--report", str(tmp_path / "pve"), nodes=(NODE, "pve2"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"at {simulator.host}, nodes pve1 and pve2, storage local-lvm (lvmthin), CTIDs 9000-9020" in done.stdout
    assert f"{len(CASES)} of {len(CASES)} went well. Left behind: nothing." in done.stdout
    assert re.search(r"^ok +[\d.]+ s  a template is rebuilt$", done.stdout, re.MULTILINE)
    assert "killed while Proxmox ran UPID:pve1:" in done.stdout
    assert SECRET not in done.stdout + done.stderr
    assert simulator.pve.cts == []
    assert (simulator.pve.pools, list(simulator.pve.apitokens)) == ({}, [TOKEN_ID])
    assert [name for name in simulator.pve.storages["local"]["volumes"] if name.startswith("backup/")] == []
    told = json.loads((tmp_path / "pve.json").read_text())
    assert [case["verdict"] for case in told["cases"]] == ["ok"] * len(CASES)
    assert (told["left"], told["product"]) == ([], version("phoenix-lxc"))
    made = next(case for case in told["cases"] if "built on the way" in case["name"])
    assert [upid.split(":")[5] for upid in made["upids"]] == ["vzcreate", "vzclone", "vzstart"]
    page = (tmp_path / "pve.md").read_text()
    assert f"**{len(CASES)} of {len(CASES)} went well. Left behind: nothing.**" in page
    assert made["upids"][0] in page
    assert SECRET not in page + json.dumps(told)


def test_a_report_that_cannot_be_written_is_told_before_anything_is_begun(simulator: Simulator, tmp_path: Path) -> None:
    refused = run(simulator, "--report", str(tmp_path / "nowhere" / "pve"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("Nothing was begun: the report cannot be written")
    assert simulator.calls() == []


def test_what_goes_wrong_is_told_and_cleaned_up_all_the_same(simulator: Simulator) -> None:
    add_os_template(simulator)
    simulator.do(simulator.pve.add_ct, 8999, node=NODE)
    simulator.pve.task_failures["vzcreate"] = ["No space left on device"] * 99
    done = run(simulator, "--storage", "local-dir")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^FAILED +[\d.]+ s  a container is made from the os template$", done.stdout, re.MULTILINE)
    assert "No space left on device" in done.stdout
    assert "Left behind: nothing." in done.stdout
    assert [one.vmid for one in simulator.pve.cts] == [8999]


@pytest.mark.parametrize(
    ("more", "words"), [((), "these CTIDs are not free: 9003."), (("--node", "nowhere"), "'nowhere'")]
)
def test_where_it_cannot_be_tried_nothing_is_begun(simulator: Simulator, more: tuple[str, ...], words: str) -> None:
    simulator.do(simulator.pve.add_ct, 9003, node=NODE)
    refused = run(simulator, *more)
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.startswith("Nothing was begun: ")
    assert words in refused.stderr
    assert [call for call in simulator.calls() if call[0] != "GET"] == []


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"ctids": "9000-9005"}, "at least 12 CTIDs"),
        ({"ctids": "some"}, "is no range"),
        ({"token": "worker"}, "is no token id"),
        ({"node": None}, "name one node with --node, or two with --nodes"),
        ({"nodes": "pve1,pve2"}, "name one node with --node, or two with --nodes"),
        ({"node": None, "nodes": "pve1,pve1"}, "does not name two nodes"),
        ({"node": None, "nodes": "pve1,pve2,pve3"}, "does not name two nodes"),
        ({"secret_file": Path("/no/such/file")}, "cannot be read"),
        ({}, f"Set {SECRET_VARIABLE}"),
    ],
)
def test_what_cannot_be_meant_is_told(wrong: dict[str, Any], words: str) -> None:
    meant = {"pve": "https://pve1.example:8006/", "token": "phoenix@pve!worker", "secret_file": None, "ca": None}
    rest = {"node": "pve1", "nodes": None, "storage": "local-lvm", "bridge": "vmbr0", "ctids": "9000-9020"}
    options = Namespace(**{**meant, **rest, "template_storage": "local", "os_template": None, **wrong})
    with pytest.raises(UnfitError, match=re.escape(words)):
        target_of(options, {SECRET_VARIABLE: SECRET} if wrong else {})
    if not wrong:
        target = target_of(options, {SECRET_VARIABLE: f"{SECRET}\n"})
        assert (target.access.host, target.access.token_value) == ("pve1.example:8006", SECRET)
        assert SECRET not in repr(target)
