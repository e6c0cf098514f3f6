"""The example catalog without scripts and health checks, for which the simulated node has no shell."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_NAME = "phoenix_lxc_configs.json"
_NEED_A_SHELL = ("features", "application_script", "health_check")


def write_example(directory: Path) -> tuple[Path, dict[str, set[int]]]:
    """Write the example into `directory`, to be changed while the demo is kept running.

    Returns the file, and the keys that are left out of it, each with the CTIDs that declare it.
    """
    content = json.loads(files(__package__).joinpath("example_catalog.json").read_text(encoding="utf-8"))
    left_out: dict[str, set[int]] = {}
    for ctid, entry in content["lxc_configs"].items():
        for key in _NEED_A_SHELL:
            if entry.pop(key, None) is not None:
                left_out.setdefault(key, set()).add(int(ctid))
    file = directory / _NAME
    file.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    return file, left_out
