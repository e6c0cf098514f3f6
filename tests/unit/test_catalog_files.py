"""Files that the catalog names: what has no end, or waits for a writer, delays nobody who reads the catalog."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from phoenix_worker.catalog.files import read_file

_READ = """
import pathlib, sys
from phoenix_worker.catalog.files import read_file
print(read_file(pathlib.Path(sys.argv[1])).content)
"""


def read_elsewhere(path: Path) -> str:
    """Read in a process of its own, which is killed if the file is waited for."""
    command = [sys.executable, "-c", _READ, str(path)]
    return subprocess.run(command, check=True, capture_output=True, timeout=180, text=True).stdout.strip()


def test_pipes_and_devices_are_not_there(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.sh")
    (tmp_path / "device.sh").symlink_to("/dev/tty")
    assert read_elsewhere(tmp_path / "pipe.sh") == "None"
    assert read_elsewhere(tmp_path / "device.sh") == "None"
    assert read_file(Path("/dev/null")).content is None
    assert read_file(tmp_path).content is None


def test_a_file_is_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "real.sh").write_bytes(b"true")
    (tmp_path / "link.sh").symlink_to("real.sh")
    assert read_file(tmp_path / "link.sh").content == b"true"
