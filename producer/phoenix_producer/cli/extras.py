"""Which extra of the package a command needs. Imports nothing that is an extra's own."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = "phoenix_lxc.commands"
"""The entry points of commands that other packages plug into `phoenix-lxc`."""
_EXTRAS = {"demo": "demo", "flower": "monitor", "serve": "http", "token": "cli"}
_OF_ALL = "cli"
_WITHOUT_IT = {"monitor": "cli,monitor"}
"""The extras that do not have what each command needs."""


def installing(name: str) -> str:
    """Return the command that installs what a plugged command lacks beside the others."""
    return _command(_EXTRAS.get(name, "worker"))


def installing_all(words: Iterable[str]) -> str:
    """Return the command that installs all that is needed to run a command line, of which nothing is there."""
    plugged = entry_points(group=GROUP).names
    extras = (_EXTRAS.get(word, "worker") for word in words if word in plugged)
    extra = next(extras, _OF_ALL)
    return _command(_WITHOUT_IT.get(extra, extra))


def _command(extra: str) -> str:
    return f"pip install '.[{extra}]'"
