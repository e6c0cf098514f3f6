"""The remedies of missing privileges, typed as printed: afterwards nothing is missing."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.core.allowed.grants import Need, of_rebuild, refuse_vanishing
from phoenix_worker.core.checkup import ha_privileges, privileges
from phoenix_worker.core.checkup.line import Level
from tests.support.refusing import refusal_of
from tests.unit.test_checkup import TOKEN, declared

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

USER = "phoenix@pve"
STAND_IN = Path(__file__).parents[1] / "support" / "pveum_stand_in.py"
WANTED = privileges.needs(
    {ctid: declared(ctid, snapshots=True) for ctid in (103, 900)} | {104: declared(104, snapshots=True, storage="fast")}
)
EVERYTHING = frozenset(need.privilege for need in WANTED)


class Cluster:
    """Roles and grants, as `pveum` changes them.

    What is granted on a path holds below it, down to where something else is granted: that takes its place
    (`PVE::AccessControl::roles`).
    """

    def __init__(self, directory: Path, roles: Mapping[str, list[str]], acl: list[list[str]]) -> None:
        self._file = directory / "state.json"
        self._file.write_text(json.dumps({"roles": roles, "acl": acl}))
        command = directory / "pveum"
        command.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
        command.chmod(0o755)
        self._environ = {**os.environ, "PATH": f"{directory}:{os.environ['PATH']}", "PVEUM_STATE": str(self._file)}

    def type(self, remedy: str) -> None:
        subprocess.run(["sh", "-e", "-c", remedy], check=True, env=self._environ, timeout=60)

    def drop(self, paths: Collection[str]) -> None:
        """Delete the grants on guests, as their destruction does."""
        state = json.loads(self._file.read_text())
        state["acl"] = [grant for grant in state["acl"] if grant[0] not in paths]
        self._file.write_text(json.dumps(state))

    def held(self, wanted: frozenset[Need]) -> dict[str, frozenset[str]]:
        state = json.loads(self._file.read_text())
        granted = [(path, state["roles"][role]) for path, who, role in state["acl"] if who == TOKEN]
        return {path: _effective(granted, path) for path in privileges.paths(wanted)}


def _effective(granted: list[tuple[str, list[str]]], path: str) -> frozenset[str]:
    nearest = max((above for above, _ in granted if _holds(above, path)), key=len, default="")
    return frozenset(one for above, those in granted if above == nearest for one in those)


def _holds(above: str, path: str) -> bool:
    return above in {"/", path} or path.startswith(f"{above}/")


ROLES = {"Phoenix": sorted(EVERYTHING), "Narrow": ["VM.Audit", "Datastore.Audit", "Pool.Audit"]}
STORAGES = sorted({need.path.split("/")[2] for need in WANTED if need.path.startswith("/storage/")})
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
        (ROLES, [["/", TOKEN, "Phoenix"], ["/vms/103", TOKEN, "Narrow"]]),
        (ROLES, [["/", TOKEN, "Phoenix"], ["/vms", TOKEN, "Narrow"]]),
        (ROLES, [["/", TOKEN, "Phoenix"], *([f"/storage/{one}", TOKEN, "Narrow"] for one in STORAGES)]),
        (ROLES, [["/", TOKEN, "Phoenix"], ["/storage/other", TOKEN, "Narrow"], ["/nodes", TOKEN, "Narrow"]]),
        (ROLES, [["/", TOKEN, "Narrow"], ["/vms/900", TOKEN, "Phoenix"], ["/sdn", TOKEN, "Narrow"]]),
    ],
    ids=[
        "nothing",
        "a role",
        "a privilege less",
        "grants elsewhere",
        "most grants",
        "another's role",
        "less on a guest",
        "less on all guests",
        "less on each storage",
        "less on nodes",
        "more on a guest",
    ],
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


def test_after_the_command_for_grants_that_go_with_guests_all_can_be_made_again(tmp_path: Path) -> None:
    on_guests = [[f"/vms/{ctid}", TOKEN, "Own"] for ctid in (103, 104, 900)]
    elsewhere = [["/", TOKEN, "Narrow"], *([path, TOKEN, "Own"] for path in ("/nodes", "/storage", "/sdn"))]
    roles = ROLES | {"Own": sorted(EVERYTHING)}
    del roles["Phoenix"]
    cluster = Cluster(tmp_path, roles, [*elsewhere, *on_guests])
    (line,) = privileges.judge_lasting(WANTED, cluster.held(WANTED), USER, TOKEN)
    cluster.type(line.remedy)
    cluster.drop([path for path, _, _ in on_guests])
    (line,) = privileges.judge_privileges(WANTED, cluster.held(WANTED), USER, TOKEN)
    assert line.level is Level.OK, line.text


OVER_ALL = [["/", TOKEN, "Narrow"], ["/vms/900", TOKEN, "Own"], ["/vms/9000", TOKEN, "Own"]]


@pytest.mark.parametrize("roles", [{}, {"Phoenix": ["VM.Audit"]}], ids=["without our role", "with a poorer one"])
def test_after_the_command_of_a_refused_rebuild_it_is_refused_no_more(
    tmp_path: Path, roles: dict[str, list[str]]
) -> None:
    """And what holds on other guests holds there still."""
    template = declared(900)
    asked = of_rebuild(template, declared(9000))
    every = {"Own": sorted(EVERYTHING), "Narrow": ["VM.Audit", "VM.Snapshot"]}
    cluster = Cluster(tmp_path, every | roles, OVER_ALL)

    def rebuild() -> None:
        refuse_vanishing(template, asked, cluster.held(frozenset(asked)), TOKEN)

    cluster.type(refusal_of(rebuild).remedy)
    rebuild()
    assert "VM.Snapshot" in cluster.held(frozenset(asked))["/vms"]


@pytest.mark.parametrize("roles", [{}, {"PhoenixHA": ["Sys.Audit"]}], ids=["without the role", "with a poorer one"])
def test_after_the_command_for_ha_nothing_is_missing(tmp_path: Path, roles: dict[str, list[str]]) -> None:
    cluster = Cluster(tmp_path, roles, [["/", TOKEN, one] for one in roles])
    wanted = frozenset({Need("/", "Sys.Audit")})
    (line,) = ha_privileges.judge_ha([103], cluster.held(wanted)["/"], USER, TOKEN)
    cluster.type(line.remedy)
    (line,) = ha_privileges.judge_ha([103], cluster.held(wanted)["/"], USER, TOKEN)
    assert line.level is Level.OK, line.text
