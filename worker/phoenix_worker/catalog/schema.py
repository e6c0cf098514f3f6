"""A JSON Schema of the catalog, made from the models that read it, for `$schema` and the editors that know it.

It refuses less than loading does: what entries say together, and what is only a mistake in meaning, it cannot know.
"""

from __future__ import annotations

from typing import Any

from phoenix_worker.catalog.entry import DATA_KEYS, Entry

_DRAFT = "http://json-schema.org/draft-07/schema#"
"""The latest that common editors know in full."""
_NOT_DECLARED = {"enum": [None, ""]}
_GLOBALS = {
    "nvidia_driver_version": "Version of the NVIDIA driver, for scripts.",
    "nvidia_repo_url": "Where the NVIDIA packages are, for scripts.",
}


def catalog_schema() -> dict[str, Any]:
    """Return the schema of the whole file. Keys that it does not name are for scripts, and allowed."""
    entry = Entry.model_json_schema(ref_template="#/definitions/{model}")
    definitions = {name: _section(section) for name, section in entry.pop("$defs").items()}
    definitions["Entry"] = _section(entry) | {
        "description": "One container or template, under its CTID.",
        "anyOf": [{"required": ["template"]}, {"required": ["clone_from_ctid"]}],
    }
    definitions["Entry"]["properties"] |= {key: {"description": what} for key, what in DATA_KEYS.items()}
    return {
        "$schema": _DRAFT,
        "title": "Catalog of LXC containers for phoenix-lxc",
        "type": "object",
        "required": ["lxc_configs"],
        "properties": {
            "$schema": {"type": "string"},
            **{key: {"description": what} for key, what in _GLOBALS.items()},
            "lxc_configs": {
                "description": "Every container and template, by its CTID.",
                "type": "object",
                "patternProperties": {"^[1-9][0-9]{2,8}$": {"$ref": "#/definitions/Entry"}},
                "additionalProperties": False,
            },
        },
        "definitions": definitions,
    }


def _section(section: dict[str, Any]) -> dict[str, Any]:
    required = section.get("required", [])
    properties = {name: _key(key, required=name in required) for name, key in section["properties"].items()}
    return {key: value for key, value in section.items() if key != "title"} | {"properties": properties}


def _key(key: dict[str, Any], *, required: bool) -> dict[str, Any]:
    """Put null and "" where a key need not be there: both mean "not declared"."""
    key = {name: value for name, value in key.items() if name != "title" and (name, value) != ("default", None)}
    if required:
        return key
    about = {name: key.pop(name) for name in ("description", "default") if name in key}
    choices = [choice for choice in key.pop("anyOf", [key]) if choice != {"type": "null"}]
    return about | {"anyOf": [*choices, _NOT_DECLARED]}
