"""compose.yaml, read as Compose reads it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "tests" / "data" / "compose-spec.json"


def interpolated(text: str, environ: Mapping[str, str]) -> str:
    """Fill in variables as Compose does. Raises KeyError with what a required one is for."""

    def fill(found: re.Match[str]) -> str:
        name, kind, rest = found["name"], found["kind"], found["rest"]
        if environ.get(name):
            return environ[name]
        if kind == ":?":
            raise KeyError(f"{name}: {rest}")
        return str(rest or "")

    filled = re.sub(r"(?<!\$)\$\{(?P<name>\w+)(?P<kind>:[-?])?(?P<rest>[^}]*)\}", fill, text)
    return filled.replace("$$", "$")


def compose(environ: Mapping[str, str], *more: Path) -> dict[str, Any]:
    """Read the file, and others put over it as Compose does: mappings key by key, lists one after the other."""
    merged: dict[str, Any] = {}
    for file in (ROOT / "compose.yaml", *more):
        merged = over(merged, yaml.safe_load(interpolated(file.read_text(), environ)))
    return merged


def over(under: Any, given: Any) -> Any:
    if isinstance(under, dict) and isinstance(given, dict):
        return under | {key: over(under.get(key), value) for key, value in given.items()}
    return [*under, *given] if isinstance(under, list) and isinstance(given, list) else given


def schema() -> dict[str, Any]:
    """The specification's schema, with two of its newer keys: https://docs.docker.com/reference/compose-file/services/."""
    read: dict[str, Any] = json.loads(SCHEMA.read_text())
    duration = {"type": "string", "format": "duration"}
    read["definitions"]["healthcheck"]["properties"]["start_interval"] = duration
    file = {"path": {"type": "string"}, "required": {"type": "boolean"}}
    one = {"type": "object", "properties": file, "required": ["path"], "additionalProperties": False}
    read["definitions"]["service"]["properties"]["env_file"] = {"type": "array", "items": one}
    return read


def variables(file: Path) -> dict[str, str]:
    lines = [line for line in file.read_text().splitlines() if line and not line.startswith("#")]
    return dict(line.split("=", 1) for line in lines)
