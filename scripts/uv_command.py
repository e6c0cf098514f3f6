"""The command of uv that installs what pip would: many times faster, and asked for the same with pip's own settings.

uv reads none of pip's configuration, so an index, a proxy or a CA that a machine has for pip is passed on. Where pip is
configured in a way that uv cannot be told, pip installs.
"""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_OPTIONS = {
    "index-url": "--index-url",
    "extra-index-url": "--extra-index-url",
    "find-links": "--find-links",
    "constraint": "--constraints",
    "trusted-host": "--allow-insecure-host",
}
_VARIABLES = {"cert": "SSL_CERT_FILE", "proxy": "ALL_PROXY", "timeout": "UV_HTTP_TIMEOUT"}
_OF_PIP_ALONE = {
    "break-system-packages",
    "cache-dir",
    "disable-pip-version-check",
    "no-input",
    "no-warn-script-location",
    "progress-bar",
    "require-virtualenv",
    "retries",
    "root-user-action",
}
_SECTIONS = ("global", "install", ":env:")
"""Those that count for `pip install`, the strongest last."""
_FETCH_SECONDS = 120
_PIP_FOR_OTHERS = (22, 3)
"""The first pip that has `--python`."""


def uv_install(python: Path) -> tuple[list[str], dict[str, str]] | None:
    """Return `uv pip install` for this Python's environment, and its variables; None if pip is to do it.

    uv is taken from PATH, or installed by pip beside that Python.
    """
    settings = _settings_of_pip(python)
    if not settings.keys() <= _OPTIONS.keys() | _VARIABLES.keys() | _OF_PIP_ALONE:
        return None
    program = shutil.which("uv") or _fetched(python)
    if program is None:
        return None
    command = [program, "pip", "install", "--python", str(python), "--no-progress"]
    for name, option in _OPTIONS.items():
        command += [word for value in settings.get(name, "").split() for word in (option, value)]
    if "extra-index-url" in settings:  # as pip does: the best of all indexes
        command += ["--index-strategy", "unsafe-best-match"]
    return command, {variable: settings[name] for name, variable in _VARIABLES.items() if name in settings}


def pip(python: Path) -> list[str]:
    """Return the command of pip for this Python's environment: its own, or that of the Python which runs this.

    An environment without pip is made in a fifth of a second, one with it in five. It gets its own where nothing else
    can install into it.
    """
    if not _has_pip(python):
        if _pip_serves_others():
            return [sys.executable, "-m", "pip", "--python", str(python)]
        give_pip(python)
    return [str(python), "-m", "pip"]


def give_pip(python: Path) -> None:
    """Install pip into this Python's environment, unless it is there."""
    if not _has_pip(python):
        subprocess.run([python, "-m", "ensurepip", "--upgrade", "--default-pip"], check=True, capture_output=True)


def _has_pip(python: Path) -> bool:
    return any(python.parent.parent.glob("lib/python3*/site-packages/pip"))


def _pip_serves_others() -> bool:
    try:
        return tuple(map(int, version("pip").split(".")[:2])) >= _PIP_FOR_OTHERS
    except (PackageNotFoundError, ValueError):
        return False


def _settings_of_pip(python: Path) -> dict[str, str]:
    said = subprocess.run([*pip(python), "config", "list"], check=False, capture_output=True, text=True)
    return _parsed(said.stdout.splitlines())


def _parsed(lines: Iterable[str]) -> dict[str, str]:
    """Read lines as `global.index-url='https://…'`."""
    found: dict[str, dict[str, str]] = {section: {} for section in _SECTIONS}
    for line in lines:
        key, _, value = line.partition("=")
        section, _, name = key.partition(".")
        if section in found:
            found[section][name.removeprefix("default-")] = str(ast.literal_eval(value))
    return {name: value for section in _SECTIONS for name, value in found[section].items()}


def _fetched(python: Path) -> str | None:
    """Install uv by pip, with one try: where it cannot be had, pip is asked for everything anyway."""
    program = python.with_name("uv")
    if not program.exists():
        fetch = [*pip(python), "install", "-q", "--no-input", "--retries=0", "-c", "constraints.txt", "uv"]
        try:
            subprocess.run(fetch, check=True, capture_output=True, timeout=_FETCH_SECONDS)
        except subprocess.SubprocessError:
            return None
    return str(program) if os.access(program, os.X_OK) else None
