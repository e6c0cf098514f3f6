"""Files that can be read at once."""

from __future__ import annotations

import subprocess

from tests.support.worker import ROOT

LINES = 350


def test_no_file_of_code_is_too_long() -> None:
    git = ["git", "ls-files", "*.py", "*.lua"]
    files = subprocess.run(git, check=True, capture_output=True, text=True, cwd=ROOT, timeout=60).stdout.splitlines()
    counted = {file: len((ROOT / file).read_text(encoding="utf-8").splitlines()) for file in files}
    assert {file: lines for file, lines in counted.items() if lines > LINES} == {}
