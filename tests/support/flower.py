"""Flower as a process of its own, on loopback and behind a password, as its users reach it."""

from __future__ import annotations

import os
import re
import sys
from typing import TYPE_CHECKING, Any, Self

import requests

from phoenix_worker.commands.demo.child import ChildProcess
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

USER, PASSWORD = "looker", "flower-password"
COLUMNS = "name,args,state,result,exception,received,runtime,worker,uuid"
"""As the README has it."""


class Flower:
    """One Flower. Use it in a `with` statement; it is told nothing but where Redis is."""

    def __init__(self, directory: Path, redis_url: str, *, hears: bool = True) -> None:
        self._is_to_hear = hears
        self._log = directory / "flower.log"
        command = [sys.executable, "-m", "celery", "-A", "phoenix_producer.monitor", "flower"]
        command += ["--address=127.0.0.1", "--port=0", f"--basic-auth={USER}:{PASSWORD}", f"--tasks-columns={COLUMNS}"]
        environ = {"PATH": os.environ["PATH"], "HOME": str(directory), "PHOENIX_REDIS_URL": redis_url}
        self._child = ChildProcess(command, log=self._log, environ=environ, directory=directory)
        self.session = requests.Session()
        self.session.auth = (USER, PASSWORD)
        self.session.trust_env = False
        self.url = ""

    def __enter__(self) -> Self:
        """Wait until it hears events: those of before are lost to it."""
        found = wait_for(lambda: re.search(r"Visit me at (http://\S+?)/?$", self.log(), re.MULTILINE))
        assert found is not None
        self.url = found[1]
        if self._is_to_hear:
            wait_for(self._hears)
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self.session.close()

    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def post(self, path: str, **body: Any) -> dict[str, Any]:
        answer = self.session.post(f"{self.url}/api/{path}", json=body, timeout=60)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        told: dict[str, Any] = answer.json()
        return told

    def get(self, path: str) -> dict[str, Any]:
        answer = self.session.get(f"{self.url}/api/{path}", timeout=60)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        told: dict[str, Any] = answer.json()
        return told

    def rows(self, search: str = "") -> list[dict[str, Any]]:
        """What its list of tasks has, the newest last."""
        return sorted(self.get(f"tasks?search={search}").values(), key=lambda row: row["received"] or 0.0)

    def row(self, name: str, ctid: int) -> dict[str, Any]:
        """The newest task of this name for a CTID, {} without one."""
        found = [row for row in self.rows() if row["name"] == name and re.match(rf"{ctid}\b", row["args"] or "")]
        return found[-1] if found else {}

    def _hears(self) -> bool:
        self.post("task/async-apply/phoenix.containers", args=[])
        return bool(self.rows())
