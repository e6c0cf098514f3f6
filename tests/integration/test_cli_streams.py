"""What the command does when its terminal, its locale or its user's patience is not as usual."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from phoenix_producer.client.secret_files import secret
from tests.support.cli import COMMAND

_INTERRUPTED_WHILE = """
import os, signal, sys

class CtrlC:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, CtrlC())
from phoenix_producer.cli import main
main()
"""
_ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


def command(*arguments: str, environ: dict[str, str] | None = None, **streams: Any) -> subprocess.CompletedProcess[str]:
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, **streams}
    return subprocess.run(
        [COMMAND, *arguments], check=False, text=True, timeout=60, env={**os.environ, **(environ or {})}, **pipes
    )


@pytest.mark.parametrize(
    "module",
    ["celery", "phoenix_producer.contract", "phoenix_producer.cli.phoenix_lxc", "phoenix_producer.cli.trees", "typer"],
)
def test_ctrl_c_while_the_command_is_imported_ends_it_without_a_word(module: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _INTERRUPTED_WHILE.format(module=module), "--version"],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["catalog", "schema"], ["jobs"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_under_stdout_is_one_line_and_a_failure(
    arguments: list[str], unbuffered: str, environ: dict[str, str]
) -> None:
    with Path("/dev/full").open("w") as full:
        done = command(*arguments, environ={**environ, "PYTHONUNBUFFERED": unbuffered}, stdout=full)
    assert done.returncode == 1
    assert done.stderr == "phoenix-lxc cannot write its output: No space left on device.\n"


@pytest.mark.parametrize("locale", [{"PYTHONIOENCODING": "latin-1"}, _ASCII])
def test_a_terminal_that_cannot_show_a_character_gets_another(locale: dict[str, str], tmp_path: Path) -> None:
    catalog = tmp_path / "none→.json"
    done = command("catalog", "check", str(catalog), environ=locale)
    assert done.returncode == 2
    assert f"{str(catalog).replace('→', '?')} cannot be read" in (done.stdout + done.stderr).replace("???", "?")


@pytest.mark.parametrize("locale", [{}, _ASCII])
def test_secret_files_are_read_as_utf_8_whatever_the_locale(locale: dict[str, str], tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text("redis://:pä→ss@127.0.0.1:1/0\n", encoding="utf-8")
    assert secret({"PHOENIX_REDIS_URL_FILE": str(file)}, "PHOENIX_REDIS_URL") == "redis://:pä→ss@127.0.0.1:1/0"
    done = command("jobs", environ={"PHOENIX_REDIS_URL_FILE": str(file), **locale})
    assert (done.returncode, done.stdout) == (1, "")
    assert "127.0.0.1:1/0 cannot be used" in done.stderr


def test_a_reader_of_stdout_that_goes_away_is_no_trouble(environ: dict[str, str]) -> None:
    read, write = os.pipe()
    os.close(read)
    done = command("--help", environ=environ, stdout=write)
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")
