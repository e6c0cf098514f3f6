"""Every key of the catalog as a page for people, made from the same models as the schema."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.schema import catalog_schema

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD = """# The catalog

One JSON file declares every container: `{"lxc_configs": {"103": {"name": …}}}`. Keys beside `lxc_configs`, and keys
of a container that are not named here, are for scripts; names of Proxmox's own options are refused there, and unknown
keys inside the objects below. null and "" mean "not declared"; what is not declared stays as it is, and
a clone has it from its template. `phoenix-lxc catalog schema` prints a JSON Schema for `$schema` and editors.
"""
_TABLE = "| key | values | what |\n|---|---|---|"


def catalog_page() -> str:
    """Return the second half of `docs/configuration.md`."""
    definitions = catalog_schema()["definitions"]
    parts = [_HEAD, _TABLE, *_rows(definitions["Entry"]), ""]
    for name, section in definitions.items():
        if name != "Entry":
            used = [key for key, value in definitions["Entry"]["properties"].items() if _names(value, name)]
            where = ", ".join(f"`{key}`" for key in used) or "`firewall.rules`"
            parts += [f"## In {where}", "", f"{section['description']}", "", _TABLE, *_rows(section), ""]
    return "\n".join(parts)


def _names(value: Any, name: str) -> bool:
    return f"#/definitions/{name}'" in str(value)


def _rows(section: dict[str, Any]) -> Iterator[str]:
    for key, value in section["properties"].items():
        needed = "**required**, " if key in section.get("required", ()) else ""
        default = value.get("default")
        unless = "" if default is None else f" (`{str(default).lower() if isinstance(default, bool) else default}`)"
        what = " ".join(str(value["description"]).split()).replace("|", "\\|")
        yield f"| `{key}` | {needed}{_values(value)}{unless} | {what} |"


def _values(value: dict[str, Any]) -> str:
    """Say what may be written, without null and "" which may be written anywhere."""
    choices = [choice for choice in value.get("anyOf", [value]) if "" not in choice.get("enum", ())]
    return " or ".join(dict.fromkeys(_value(choice) for choice in choices))


def _value(value: dict[str, Any]) -> str:
    if "enum" in value:
        return ", ".join(f"`{one}`" for one in value["enum"])
    if "$ref" in value:
        return "object"
    kinds = value.get("type", "anything")
    return " or ".join(_kind(kind, value) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _kind(kind: str, value: dict[str, Any]) -> str:
    if kind == "integer":
        least, most = value.get("minimum"), value.get("maximum")
        if most is not None:
            return f"{least} to {most}"
        return "number" if least is None else f"number ≥ {least}"
    if kind == "array":
        items = value.get("items", {})
        return "list of objects" if "$ref" in items else "list"
    return {"boolean": "`true`, `false`"}.get(kind, kind)
