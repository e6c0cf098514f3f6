"""What the documents tell to type for the token, typed: Proxmox takes each line, and the token has what workers use."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.test_privileges import role
from tests.support.pveum_stand_in import PRIVILEGES

ROOT = Path(__file__).parents[2]
STAND_IN = ROOT / "tests" / "support" / "pveum_stand_in.py"
PAGES = {page: (ROOT / page).read_text() for page in ("README.md", "docs/proxmox-access.md", "docs/getting-started.md")}
LINES = re.compile(r"(?:^|`)(pveum (?:[^`\\\n]|\\\n)+)", re.MULTILINE)
TOKEN = ["pveum user add phoenix@pve", "pveum user token add phoenix@pve worker --privsep 0"]


def typed(folder: Path, lines: list[str]) -> dict[str, Any]:
    """The state after each line was typed; fails at the first that is refused."""
    state = folder / "state.json"
    state.write_text(json.dumps({"roles": {}, "acl": [], "users": []}))
    command = folder / "pveum"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} {STAND_IN} "$@"\n')
    command.chmod(0o755)
    environ = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PVEUM_STATE": str(state)}
    for line in lines:
        done = subprocess.run(["sh", "-c", line], check=False, env=environ, capture_output=True, text=True, timeout=180)
        assert done.returncode == 0, (line, done.stderr)
    changed: dict[str, Any] = json.loads(state.read_text())
    return changed


@pytest.mark.parametrize("page", ["README.md", "docs/proxmox-access.md"])
def test_a_page_that_sets_the_token_up_is_taken_line_by_line(tmp_path: Path, page: str) -> None:
    lines = LINES.findall(PAGES[page])
    assert {" ".join(line.split()[1:3]) for line in lines} == {"role add", "user add", "user token", "acl modify"}
    state = typed(tmp_path, lines)
    assert set(state["roles"]["Phoenix"]) == role(PAGES["docs/proxmox-access.md"])
    assert ["/", "phoenix@pve", "Phoenix"] in state["acl"]
    assert "phoenix@pve!worker" in state["users"]


def test_the_narrower_grants_are_taken_too(tmp_path: Path) -> None:
    narrow = LINES.findall(PAGES["docs/getting-started.md"])
    assert len(narrow) >= 5
    state = typed(tmp_path, ["pveum role add Phoenix --privs VM.Audit", TOKEN[0], *narrow])
    assert len(state["acl"]) == len(narrow)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("pveum role add A --privs VM.Monitoring", "invalid privilege"),
        ("pveum role add A --append 1", "unrecognized arguments"),
        ("pveum role modify A --privs VM.Audit", "does not exist"),
        ("pveum acl modify /vm --users phoenix@pve --roles Phoenix", "invalid ACL path"),
        ("pveum acl modify / --user phoenix@pve --roles Phoenix", "unrecognized arguments"),
        ("pveum acl modify / --users other@pve --roles Phoenix", "no such user"),
        ("pveum acl add / --users phoenix@pve --roles Phoenix", "unknown command"),
    ],
)
def test_what_proxmox_refuses_the_stand_in_refuses(tmp_path: Path, line: str, said: str) -> None:
    before = ["pveum role add Phoenix --privs VM.Audit", *TOKEN]
    with pytest.raises(AssertionError, match=said):
        typed(tmp_path, [*before, line])


def test_every_privilege_of_the_role_is_one_of_proxmox() -> None:
    assert role(PAGES["README.md"]) == role(PAGES["docs/proxmox-access.md"]) <= PRIVILEGES
