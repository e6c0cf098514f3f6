"""The remedies of missing privileges, typed as printed: afterwards nothing is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.checkup import privileges
from phoenix_worker.core.checkup.line import Level
from tests.unit.test_checkup import TOKEN, declared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from phoenix_worker.core.allowed.grants import Need

USER = "phoenix@pve"
STAND_IN = Path(__file__).parents[1] / "support" / "pveum_stand_in.py"
WANTED = privileges.needs({ctid: declared(ctid, snapshots=True) for ctid in (103, 104, 900)})
EVERYTHING = frozenset(need.privilege for need in WANTED)


class Cluster:
    """Roles and grants, as `pveum` changes them; what is granted on a path holds below it."""

    def __init__(self, directory: Path, roles: Mapping[str, list[str]], acl: list[list[str]]) -> None:
        self._file = directory / "state.json"
        self._file.write_text(json.dumps({"roles": roles, "acl": acl}))
        command = directory / "pveum"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
        command.chmod(0o755)
        self._environ = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}", "PVEUM_STATE": str(self._file)}

    def type(self, remedy: str) -> None:
        subprocess.run(["sh", "-e", "-c", remedy], check=True, env=self._environ, timeout=60)

    def held(self, wanted: frozenset[Need]) -> dict[str, frozenset[str]]:
        state = json.loads(self._file.read_text())
        granted = [(path, state["roles"][role]) for path, who, role in state["acl"] if who == TOKEN]
        return {
            path: frozenset(one for above, those in granted if _holds(above, path) for one in those)
            for path in privileges.paths(wanted)
        }


def _holds(above: str, path: str) -> bool:
    return above in {"/", path} or path.startswith(f"{above}/")


NODES = [["/nodes", TOKEN, "Phoenix"]]


@pytest.mark.parametrize(
    ("roles", "acl"),
    [
        ({}, []),
        ({"Phoenix": ["VM.Clone"]}, []),
        ({"Phoenix": sorted(EVERYTHING - {"VM.PowerMgmt"})}, [["/", TOKEN, "Phoenix"]]),
        ({"Phoenix": sorted(EVERYTHING)}, NODES),
        ({"Phoenix": sorted(EVERYTHING), "Other": sorted(EVERYTHING)}, [["/vms", TOKEN, "Other"], *NODES]),
        ({"Other": ["VM.Audit"]}, [["/", TOKEN, "Other"]]),
    ],
    ids=["nothing", "a role", "a privilege less", "grants elsewhere", "most grants", "another's role"],
)
def test_after_one_command_nothing_is_missing(
    tmp_path: Path, roles: dict[str, list[str]], acl: list[list[str]]
) -> None:
    cluster = Cluster(tmp_path, roles, acl)
    (line,) = privileges.judge_privileges(WANTED, cluster.held(WANTED), USER, TOKEN)
    assert line.level is Level.ERROR
    cluster.type(line.remedy)
    (line,) = privileges.judge_privileges(WANTED, cluster.held(WANTED), USER, TOKEN)
    assert line.level is Level.OK, line.text
