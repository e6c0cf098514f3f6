"""Every subcommand of `phoenix-lxc`, as the parser has it, with words that it takes: new ones are tested unasked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import typer

from phoenix_producer.cli.phoenix_lxc import app

if TYPE_CHECKING:
    from collections.abc import Iterator

JOB = "5b0e2f0a-0000-4000-8000-000000000001"
_WORDS = {
    "ctids": ["103"],
    "names": [JOB],
    "job": [JOB],
    "node": ["pve"],
    "to": ["--to", "pve2"],
    "name": ["billing"],
    "file": ["phoenix_lxc_configs.json"],
}
"""What is given for each parameter that must be given. A new one needs its line here."""
_CHOSEN = {("ensure",): ["103"], ("plan",): ["103"], ("adopt",): ["103"], ("setup", "systemd"): ["--print"]}
"""What makes sense of commands that would otherwise refuse themselves."""
_WITHOUT_REDIS = {"setup", "catalog", "check", "demo", "flower", "migrate", "serve", "token", "worker"}
"""`check` and what serves speak with Redis in their own ways, and have tests of their own."""


class Subcommand(NamedTuple):
    """One command, with all that must be given."""

    path: tuple[str, ...]
    words: tuple[str, ...]
    options: frozenset[str]

    @property
    def asks_redis(self) -> bool:
        """Whether it speaks with Redis as most do."""
        return self.path[0] not in _WITHOUT_REDIS

    @property
    def sends(self) -> bool:
        """Whether it sends a request, which it then waits for."""
        return self.asks_redis and "timeout" in self.options

    def __str__(self) -> str:
        return " ".join(self.path)


def subcommands() -> list[Subcommand]:
    """List them."""
    return list(_below(typer.main.get_command(app), None, ()))


def _below(command: Any, parent: Any, path: tuple[str, ...]) -> Iterator[Subcommand]:
    context = command.context_class(command, parent=parent, info_name=path[-1] if path else "phoenix-lxc")
    names = command.list_commands(context) if hasattr(command, "list_commands") else []
    for name in names:
        yield from _below(command.get_command(context, name), context, (*path, name))
    if path and (not names or command.invoke_without_command):
        given = [word for one in command.params if one.required for word in _WORDS[one.name]]
        words = (*path, *(_CHOSEN.get(path) or given), *(["--yes"] if "yes" in _names(command) else []))
        yield Subcommand(path, words, frozenset(_names(command)))


def _names(command: Any) -> list[str]:
    return [str(one.name) for one in command.params]
