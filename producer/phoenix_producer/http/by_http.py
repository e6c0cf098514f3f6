"""The way by HTTP, added to a text that names commands or options of `phoenix-lxc`, as remedies do. Pure."""

from __future__ import annotations

import re
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

from pydantic import BaseModel

Told = TypeVar("Told")


class Way(NamedTuple):
    """A request. Its `path` has the placeholder where the command has its arguments; `order` is that of several."""

    path: str
    placeholder: str = ""
    order: str = ""


COMMANDS: MappingProxyType[str, Way | None] = MappingProxyType(
    {
        "ensure": Way("POST /v1/containers/CTID/ensure", "CTID"),
        "plan": Way("POST /v1/containers/CTID/plan", "CTID"),
        "plan --all": Way("GET /v1/plan"),
        "drift": Way("GET /v1/drift"),
        "status": Way("GET /v1/status"),
        "destroy": Way("POST /v1/containers/CTID/destroy", "CTID", ", clones before their template"),
        "rebuild": Way("POST /v1/containers/CTID/rebuild", "CTID", ", each after the one that it is cloned from"),
        "adopt": Way("POST /v1/containers/CTID/adopt", "CTID"),
        "move": Way("POST /v1/containers/CTID/migrate", "CTID"),
        "templates": Way("GET /v1/templates"),
        "nodes": Way("GET /v1/nodes"),
        "drain": Way("POST /v1/nodes/NODE/drain", "NODE"),
        "undrain": Way("POST /v1/nodes/NODE/undrain", "NODE"),
        "cancel": Way("POST /v1/requests/JOB/cancel", "JOB"),
        "jobs": Way("GET /v1/jobs"),
        "jobs --all": Way("GET /v1/jobs?all=true"),
        "locks": Way("GET /v1/locks"),
        **dict.fromkeys(("catalog", "check", "demo", "flower", "migrate", "serve", "setup", "token", "worker")),
    }
)
"""What each command is by HTTP; None for what there is on the command line alone."""

OPTIONS = MappingProxyType(
    {
        "--accept-not-applied": '"accept_not_applied": true',
        "--adopt": '"adopt": true',
        "--dry-run": '"dry_run": true',
        "--restart": '"restart": true',
        "--seal": '"seal": true',
        "--rerun": '"rerun": ["{}"]',
        "--state": '"state": "{}"',
        "--to": '"to": "{}"',
        "--wait-for-address": '"wait_for_address": {}',
    }
)
"""What each option is in the body of a request."""

_NAMES = {"rerun": "NAME", "state": "STATE", "to": "NODE", "wait-for-address": "SECONDS"}
_WITH_A_VALUE = frozenset({"--seal", *(f"--{name}" for name in _NAMES)})
_FIELDS = frozenset({"remedy", "warnings", "needs_rebuild", "outdated", "problem"})
"""Those of the contract that say what to do."""
_COMMAND = re.compile(r"`phoenix-lxc (?P<quoted>[^`]+)`|phoenix-lxc (?P<bare>[a-z]+(?: (?:--[a-z-]+|\d+|[A-Z]+\b))*)")
_OF_OTHERS = re.compile(r"`(?!-)[^`]*`")
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_PLAIN = re.compile(r"[\w.-]{1,64}")


def told(answer: Told, root_path: str = "") -> Told:
    """Add the ways by HTTP to whatever in an answer says what to do; their paths begin with that of a proxy."""
    changed: Any = answer
    if isinstance(answer, (list, tuple)):
        changed = type(answer)(told(one, root_path) for one in answer)
    elif isinstance(answer, BaseModel):
        fields = {name: getattr(answer, name) for name in type(answer).model_fields}
        changed = answer.model_copy(
            update={
                name: _worded(value, root_path) if name in _FIELDS else told(value, root_path)
                for name, value in fields.items()
            }
        )
    return changed  # type: ignore[no-any-return]  # it is what it was


def with_ways(text: str, root_path: str = "") -> str:
    """Add the ways by HTTP to a text; one that names no command and no option stays as it is."""
    named = list(_COMMAND.finditer(text))
    rest = _OF_OTHERS.sub("", _COMMAND.sub("", text))
    ways = [_of_command(one["quoted"] or one["bare"], root_path) for one in named]
    ways += [_of_option(one) for one in _OPTION.findall(rest)]
    distinct = [way for way in dict.fromkeys(ways) if way]
    return f"{text}{'' if text.endswith('.') else '.'} By HTTP: {'; '.join(distinct)}." if distinct else text


def _worded(value: Any, root_path: str) -> Any:
    if isinstance(value, str):
        return with_ways(value, root_path)
    return tuple(with_ways(one, root_path) for one in value)


def _of_command(command: str, root_path: str) -> str:
    name, *words = command.split()
    if name not in COMMANDS:
        return ""
    way = COMMANDS.get(f"{name} --all", COMMANDS[name]) if "--all" in words else COMMANDS[name]
    arguments, body = _read(words)
    if name == "migrate" and "--to" in words:  # the other name of `move`
        way = COMMANDS["move"]
    if way is None:
        return f"`phoenix-lxc {name}` is on the command line alone"
    several = arguments if way.placeholder and arguments else [way.placeholder]
    path = way.path.replace(" /", f" {root_path}/", 1)
    paths = [f"`{path.replace(way.placeholder, one) if way.placeholder else path}`" for one in several]
    with_body = f" with `{{{', '.join(body)}}}`" if body else ""
    return f"`phoenix-lxc {command}` is {' and '.join(paths)}{with_body}{way.order if len(several) > 1 else ''}"


def _read(words: list[str]) -> tuple[list[str], list[str]]:
    """Part the words of a command: its arguments, and what its options are in a body."""
    arguments: list[str] = []
    body: list[str] = []
    rest = iter(words)
    for word in rest:
        if word.startswith("--"):
            value = next(rest, "") if word in _WITH_A_VALUE else ""
            body += [OPTIONS[word].format(_plain(value))] if word in OPTIONS else []
        else:
            arguments.append(_plain(word))
    return arguments, body


def _of_option(option: str) -> str:
    if option not in OPTIONS:
        return ""
    return f"`{option}` is `{OPTIONS[option].format(_NAMES.get(option[2:], ''))}` in the body"


def _plain(word: str) -> str:
    return word if _PLAIN.fullmatch(word) else "…"
