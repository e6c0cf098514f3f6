"""Where a container may be made: its nodes and its spread group, as they are written in the file."""

# No postponed annotations here: pydantic needs the types when the classes are made.
import json
import re
from collections import Counter
from typing import Annotated, Any

from pydantic import (
    BeforeValidator,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from phoenix_worker.catalog.fields import Matching, NodeName, refused
from phoenix_worker.catalog.findings import shown
from phoenix_worker.catalog.nodes import ANY_NODE
from phoenix_worker.catalog.sections import Section

_NAME = TypeAdapter(NodeName)
_MOST_WRITTEN = 25
"""As many names are written out as a list."""
_NODE = {key: value for key, value in _NAME.json_schema().items() if key in {"type", "pattern"}}


def _nodes(value: Any) -> tuple[str, ...]:
    """Read a name, a list of names, or `any`."""
    if not isinstance(value, str | list):
        raise refused("is neither a name nor a list", f'Write the name of a node, a list of names, or "{ANY_NODE}".')
    several = [value] if isinstance(value, str) else value
    if not several:
        raise refused("is an empty list", f'Name at least one node, or write "{ANY_NODE}".')
    for one in several:
        which = "" if isinstance(value, str) else f"has {shown(one)}, which "
        if not _is_name(one):
            raise refused(f"{which}is not the name of a node", _remedy(one))
        if one != ANY_NODE and one.lower() == ANY_NODE:
            raise refused(f"{which}means every node only in lower case", f'Write "{ANY_NODE}" for every node.')
    if len(set(several)) < len(several):
        twice, _ = Counter(several).most_common(1)[0]
        raise refused(f"names {twice} twice", "Name each node once.")
    if ANY_NODE in several and len(several) > 1:
        raise refused(f'has "{ANY_NODE}" beside names', f'Write "{ANY_NODE}" alone, or only the names.')
    return tuple(several)


def _remedy(value: Any) -> str:
    """Say what was meant by several names in one text, as the settings have them, or by a sign for all nodes."""
    words = re.split(r"[\s,;]+", value.strip(" ,;")) if isinstance(value, str) else []
    parts = list(dict.fromkeys(words))
    if words and len(parts) <= _MOST_WRITTEN and all(map(_is_name, parts)):
        if any(part.lower() == ANY_NODE for part in parts):
            return f'Write "{ANY_NODE}" for every node, or only the names.'
        return f"Write {json.dumps(parts if len(parts) > 1 else parts[0])}."
    if value == "*":
        return f'Write "{ANY_NODE}" for every node.'
    return "Use letters, digits and, between them, hyphens; at most 63 characters."


def _is_name(value: Any) -> bool:
    try:
        _NAME.validate_python(value, strict=True)
    except ValidationError:
        return False
    return True


def _spread(value: Any) -> Any:
    """Read the name of a group, which is only preferred, or the whole."""
    if isinstance(value, str):
        return {"group": value}
    if not isinstance(value, dict):
        raise refused("is neither a name nor an object", 'Write the name of a group, or {"group": …, "require": true}.')
    return value


Nodes = Annotated[
    tuple[str, ...],
    BeforeValidator(_nodes),
    WithJsonSchema({"anyOf": [_NODE, {"type": "array", "items": _NODE, "minItems": 1, "uniqueItems": True}]}),
]
GroupName = Annotated[
    str, Matching(r"[\w.-]+", "the name of a group", "Use letters, digits, dots, hyphens and underscores.")
]


class SpreadGroup(Section):
    """Containers that are placed on different nodes. Those that name the same group belong together."""

    group: GroupName
    """Name of the group."""
    require: bool = False
    """Whether no two of them may be placed on one node; by default that is only preferred."""


class _OrItsName:
    """An object that may be written as its group's name alone. Editors learn it from the schema."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(_spread, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        return {"anyOf": [{"type": "string", "pattern": r"^[\w.-]+$"}, handler(schema)]}


Spread = Annotated[SpreadGroup, _OrItsName()]
