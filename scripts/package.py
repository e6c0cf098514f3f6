"""Build wheel and sdist, install both in fresh environments of every Python on this machine, and use what is there.

`make package`; `--keep DIR` keeps the two files. Dependencies come from the package index, the newest that fit.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
TESTED = ("3.11", "3.12", "3.13", "3.14")
_LIMIT_S = 600
_REFUSED = 2
_NOWHERE = "redis://127.0.0.1:1/0"


@dataclass(frozen=True)
class Use:
    """Something that an installation must do: its exit code, and words of its output."""

    command: tuple[str, ...]
    code: int
    words: str


BASE = (Use(("python", "-c", "from phoenix_producer import Producer; Producer().close()"), 0, ""),)
ALONE = (
    Use(("phoenix-lxc", "--version"), _REFUSED, "pip install '.[cli]'"),
    Use(("celery", "-A", "phoenix_worker", "worker"), _REFUSED, "pip install '.[worker]'"),
    Use(("python", "-c", "from importlib.util import find_spec; exit(find_spec('typer') is not None)"), 0, ""),
)
COMMAND = (
    Use(("phoenix-lxc", "--version"), 0, "phoenix-lxc "),
    Use(("phoenix-lxc", "--help"), 0, "ensure"),
    Use(("phoenix-lxc", "--redis-url", _NOWHERE, "ensure", "103"), 1, "cannot be used"),
)
COMMAND_ALONE = (
    Use(("phoenix-lxc", "demo"), _REFUSED, "pip install '.[demo]'"),
    Use(("phoenix-lxc", "check"), _REFUSED, "pip install '.[worker]'"),
    Use(("phoenix-lxc", "serve"), _REFUSED, "pip install '.[http]'"),
    Use(("python", "-c", "from importlib.util import find_spec; exit(find_spec('proxmoxer') is not None)"), 0, ""),
)
WITH_EXTRAS = (
    Use(("phoenix-lxc", "check"), 1, "PHOENIX_PROXMOX_HOST"),
    Use(("celery", "-A", "phoenix_worker", "worker"), _REFUSED, "PHOENIX_PROXMOX_HOST"),
    Use(("celery", "--help"), 0, "flower"),
    Use(("phoenix-lxc", "serve", "--host", "192.0.2.1"), _REFUSED, "this machine only"),
    Use(("phoenix-lxc", "demo"), 0, "nothing is left behind"),
)


def say(text: str) -> None:
    """Tell what goes on."""
    print(text, flush=True)  # noqa: T201 - this is the program's output


def build(into: Path) -> tuple[Path, Path]:
    """Build the sdist, and the wheel from the sdist, as an index's users do."""
    run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", str(into)], ROOT)
    (sdist,) = into.glob("*.tar.gz")
    run([sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(into), str(sdist)], ROOT)
    (wheel,) = into.glob("*.whl")
    return wheel, sdist


def run(command: list[str], folder: Path) -> None:
    """Run a step that must succeed."""
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, timeout=_LIMIT_S)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def pythons() -> dict[str, Path]:
    """Find one interpreter for each minor version: on PATH, and where pyenv has them."""
    places = [Path(part) for part in os.environ.get("PATH", "").split(os.pathsep)]
    places += sorted((Path.home() / ".pyenv/versions").glob("*/bin"))
    found: dict[str, Path] = {}
    for place in places:
        for program in sorted(place.glob("python3.*")):
            version = program.name.removeprefix("python")
            if re.fullmatch(r"3\.\d+", version) and version not in found and _works(program):
                found[version] = program
    return dict(sorted(found.items(), key=lambda entry: _minor(entry[0])))


def _minor(version: str) -> int:
    return int(version.partition(".")[2])


def _works(python: Path) -> bool:
    probe = [str(python), "-c", "import ensurepip, venv"]
    return subprocess.run(probe, check=False, capture_output=True, timeout=_LIMIT_S).returncode == 0


def installs(python: Path, what: str, folder: Path, *, too_old: bool) -> Path | None:
    """Install into a fresh environment; its folder of programs, or None when pip refuses a Python that is too old."""
    run([str(python), "-m", "venv", str(folder)], ROOT)
    command = [str(folder / "bin/python"), "-m", "pip", "install", "-q", "--disable-pip-version-check", what]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_LIMIT_S)
    if too_old is (done.returncode == 0):
        raise SystemExit(f"{what} with {python}: pip ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return None if too_old else folder / "bin"


def use(programs: Path, uses: tuple[Use, ...], folder: Path) -> None:
    """Do what must work, in an empty folder that is the home too (it may have tokens), and without any setting."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("PHOENIX_", "PYTHON", "XDG_"))}
    environ |= {"PATH": f"{programs}{os.pathsep}{environ['PATH']}", "COLUMNS": "120", "HOME": str(folder)}
    environ.pop("REDIS_URL", None)
    for one in uses:
        done = subprocess.run(
            [str(programs / one.command[0]), *one.command[1:]],
            check=False,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            cwd=folder,
            env=environ,
        )
        said = done.stdout + done.stderr
        if done.returncode != one.code or one.words not in said or "Traceback" in said:
            expected = f"exit code {one.code} and {one.words!r}"
            raise SystemExit(f"{' '.join(one.command)}: expected {expected}, got {done.returncode}:\n{said}")


def verify(version: str, python: Path, wheel: Path, sdist: Path) -> None:
    """Try one Python: the wheel alone, with the command, with all extras; the sdist alone."""
    for what, uses in (
        (str(wheel), (*BASE, *ALONE)),
        (f"{wheel}[cli]", (*BASE, *COMMAND, *COMMAND_ALONE)),
        (f"{wheel}[worker,monitor,http,otel,demo]", (*BASE, *COMMAND, *WITH_EXTRAS)),
        (str(sdist), (*BASE, *ALONE)),
    ):
        began = time.monotonic()
        with tempfile.TemporaryDirectory() as folder:
            programs = installs(python, what, Path(folder, "env"), too_old=_minor(version) < _minor(TESTED[0]))
            told = "refused by pip, as it should be"
            if programs is not None:
                Path(folder, "empty").mkdir()
                use(programs, uses, Path(folder, "empty"))
                told = f"{len(uses)} uses in order"
        say(f"{version:5} {Path(what).name:48} {told} ({time.monotonic() - began:.0f} s)")
        if programs is None:
            return


def main() -> None:
    """Do all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path, help="where to leave wheel and sdist")
    kept = parser.parse_args().keep
    with tempfile.TemporaryDirectory() as folder:
        wheel, sdist = build(Path(folder))
        if kept is not None:
            kept.mkdir(parents=True, exist_ok=True)
            for file in (wheel, sdist):
                shutil.copy(file, kept)
        found = pythons()
        for version, python in found.items():
            verify(version, python, wheel, sdist)
    missing = [version for version in TESTED if version not in found]
    if missing:
        say(f"Not on this machine, so unverified: Python {', '.join(missing)}.")


if __name__ == "__main__":
    try:
        main()
    except subprocess.TimeoutExpired as late:
        raise SystemExit(f"{' '.join(late.cmd)} has not ended in {late.timeout:.0f} s. Is this machine busy?") from None
