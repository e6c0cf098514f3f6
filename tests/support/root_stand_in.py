"""Root's programs on the stand-in node: the real ones, in a directory that stands for the node's `/`.

Run as a program of its own, with the name of the program first. A configuration file is fetched from the test before
and given back after, if it was changed. Whose a file is, which only root may change, is written down instead.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

WRITTEN_DOWN = """
import os

def fchown(made, uid, gid):
    path = os.readlink(f"/proc/self/fd/{made}").removeprefix(os.environ["NODE_ROOT"])
    with open(os.environ["NODE_ROOT"] + "/owners", "a") as owners:
        owners.write(f"{path} {uid}:{gid}\\n")

os.fchown = fchown
"""
OF_THE_NODE = ("/etc/pve/", "/run/lock/lxc/", "/tank")


def written_down(program: str) -> str:
    """A program that writes down whom it gives a directory to, instead of doing so: only root could."""
    return f"{WRITTEN_DOWN}exec(compile({program!r}, 'node', 'exec'))"


def main(name: str, arguments: list[str]) -> int:
    """Run the program; its exit code."""
    root = os.environ["NODE_ROOT"]
    mapped = [root + word if word.startswith(OF_THE_NODE) else word for word in arguments]
    ctid = next((found[1] for word in arguments if (found := re.fullmatch(r"/etc/pve/lxc/(\d+)\.conf", word))), None)
    before = _fetch(root, ctid) if ctid else None
    if name == "python3":
        mapped[1] = written_down(mapped[1])
        (Path(root) / "tank").mkdir(exist_ok=True)
    program = shutil.which(name, path=os.environ["REAL_PATH"])
    assert program is not None, name
    code = subprocess.run(
        [program, *mapped], check=False, env=os.environ | {"PATH": os.environ["REAL_PATH"]}
    ).returncode
    if ctid and before is not None:
        after = _conf(root, ctid).read_text()
        if after != before:
            _ask(["written", ctid, after])
    return code


def _conf(root: str, ctid: str) -> Path:
    return Path(f"{root}/etc/pve/lxc/{ctid}.conf")


def _fetch(root: str, ctid: str) -> str | None:
    path = _conf(root, ctid)
    text: str | None = _ask(["file", ctid])["text"]
    if text is None:
        path.unlink(missing_ok=True)
    else:
        path.write_text(text)
    return text


def _ask(words: list[str]) -> Any:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(os.environ["PCT_SOCKET"])
        asking.sendall(json.dumps(words).encode() + b"\n")
        return json.loads(asking.makefile().readline())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2:]))
