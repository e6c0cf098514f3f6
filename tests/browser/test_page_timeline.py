"""How the page cuts the history of a job into stretches of time: `timeline.js`, run by Node.js."""

from __future__ import annotations

import json
import subprocess
from importlib.resources import files
from typing import Any

import pytest

pytestmark = pytest.mark.browser
MODULE = files("phoenix_producer.http") / "static" / "timeline.js"


def rows(events: list[dict[str, Any]], until: float) -> dict[str, list[tuple[str, float, float]]]:
    """The stretches of each row: what it is, when it begins, when it ends."""
    asked = f"\nconsole.log(JSON.stringify(rows({json.dumps(events)}, {until})));"
    command = ["node", "--input-type=module", "-"]
    done = subprocess.run(
        command, input=MODULE.read_text() + asked, check=True, capture_output=True, text=True, timeout=180
    )
    return {
        row["name"]: [(one["kind"], one["begin"], one["end"]) for one in row["stretches"]]
        for row in json.loads(done.stdout)
    }


def event(at: float, kind: str, step: str = "ensure", ctid: int = 103, **more: str) -> dict[str, Any]:
    return {"at": at, "kind": kind, "step": f"phoenix.{step}", "ctid": ctid, "detail": "", "upid": None, **more}


def test_each_moment_belongs_to_one_thing() -> None:
    history = [
        event(0, "requested"),
        event(1, "step-started"),
        event(2, "waiting", detail="CT 101, on which CT 103 depends"),
        event(3, "step-started", "clone"),
        event(4, "waiting", "clone", detail="ct/900"),
        event(9, "remote-task", "clone", upid="UPID:pve1:vzclone"),
        event(9.5, "waiting", "clone", detail="Proxmox: clone template 900 to CT 103 on pve1"),
        event(12, "retrying", "clone", detail="Proxmox does not answer"),
        event(13, "step-done", "clone"),
        event(13.5, "step-started", "provision"),
        event(14, "waiting", "provision", detail="features/base.sh on pve1"),
        event(15, "output", "provision", detail="installing"),
        event(18, "step-done", "provision"),
        event(18.5, "done"),
    ]
    assert rows(history, 99) == {
        "ensure 103": [("worker", 0, 1), ("ours", 1, 2), ("job", 2, 3)],
        "clone 103": [("ours", 3, 4), ("lane", 4, 9), ("proxmox", 9, 12), ("retry", 12, 13)],
        "provision 103": [("worker", 13, 13.5), ("ours", 13.5, 14), ("script", 14, 18), ("worker", 18, 18.5)],
    }


def test_what_has_not_ended_goes_on_until_now() -> None:
    assert rows([event(0, "requested"), event(2, "waiting", detail="node/pve1")], 7) == {
        "ensure 103": [("worker", 0, 2), ("lane", 2, 7)],
    }
    assert rows([], 7) == {}
