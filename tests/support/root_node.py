"""The stand-in node with what only root may do there: `pct set`, `pct unlock`, configuration files, directories.

Each command comes through the forced command that docs/proxmox-access.md recommends.
"""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any, Self

from fakepve.model import PveError

from tests.support import root_stand_in
from tests.support.conf_file import conf_text, take_over
from tests.support.proxmox import NODE
from tests.support.ssh_node import SshNode

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.proxmox import Simulator

_PROGRAMS = ("cat", "flock", "python3")


class RootNode(SshNode):
    """An `SshNode` whose commands reach the simulator's containers, and a directory that stands for the node's `/`."""

    def __init__(self, directory: Path, simulator: Simulator) -> None:
        super().__init__(directory, simulator)
        self._pve = simulator.pve
        self._do_there = simulator.do
        self.slash = directory / "slash"
        self.door = ["--ctids", "100-999", "--directories", "/tank", "--hookscripts", "local:snippets/*"]
        self.door += ["--devices", "/dev/nvidia*,/dev/dri/*"]
        self.read: Callable[[int], None] = lambda _: None
        """Called with the CTID when a configuration file was read."""
        self.unlocked: Callable[[int], None] = lambda _: None
        """Called with the CTID when a container was unlocked."""

    def __enter__(self) -> Self:
        for folder in ("etc/pve/lxc", "run/lock/lxc"):
            (self.slash / folder).mkdir(parents=True)
        super().__enter__()
        bin_ = self._directory / "bin"
        for name in _PROGRAMS:
            program = bin_ / name
            program.write_text(
                f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -IS {root_stand_in.__file__} {name} "$@"\n'
            )
            program.chmod(0o755)
        self._environ |= {"NODE_ROOT": str(self.slash), "REAL_PATH": os.environ["PATH"]}
        return self

    @property
    def owners(self) -> dict[str, str]:
        """Whose each directory was made, `uid:gid` by path."""
        written = self.slash / "owners"
        lines = written.read_text().splitlines() if written.exists() else []
        return dict(line.rsplit(" ", 1) for line in lines)

    def conf(self, ctid: int) -> str:
        """The configuration file of a container."""
        return conf_text(self._pve.ct(ctid))

    def _pct_says(self, argv: list[str]) -> dict[str, Any]:
        verbs: dict[str, Callable[..., Any]] = {
            "set": self._set,
            "unlock": self._unlock,
            "file": self._file,
            "written": self._written,
        }
        act = verbs.get(argv[0])
        return super()._pct_says(argv) if act is None else self._do_there(act, *argv[1:])

    async def _set(self, ctid: str, *options: str) -> dict[str, Any]:
        values = dict(zip((option.removeprefix("--") for option in options[::2]), options[1::2], strict=True))
        try:
            await self._pve._lxc_config_put("root@pam", {"node": NODE, "vmid": int(ctid)} | values)
        except PveError as error:
            return {"code": 255, "say": str(error)}
        return {"code": 0, "say": ""}

    def _unlock(self, ctid: str) -> dict[str, Any]:
        found = self._pve.ct(int(ctid))
        if found is None:
            return {"code": 2, "say": f"Configuration file 'nodes/{NODE}/lxc/{ctid}.conf' does not exist"}
        found.lock = None
        self.unlocked(int(ctid))
        return {"code": 0, "say": ""}

    def _file(self, ctid: str) -> dict[str, Any]:
        found = self._pve.ct(int(ctid))
        text = None if found is None else conf_text(found)
        self.read(int(ctid))
        return {"text": text}

    def _written(self, ctid: str, text: str) -> dict[str, Any]:
        take_over(self._pve.ct(int(ctid)), text)
        return {}
