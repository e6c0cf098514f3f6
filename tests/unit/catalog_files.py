"""Catalogs for tests: a good one, and the ways to write and load it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.loading import Advice, Catalog, CatalogError, Defaults, Refusal, load

if TYPE_CHECKING:
    from pathlib import Path

DEFAULTS = Defaults(node="pve", template_storage="iso-store", storage="local-lvm")
OS_TEMPLATE = "local:vztmpl/debian-12.tar.zst"


def template(**keys: Any) -> dict[str, Any]:
    return {"name": "base", "template": OS_TEMPLATE, **keys}


def clone(source: int | str = 900, **keys: Any) -> dict[str, Any]:
    return {"name": "service", "clone_from_ctid": source, **keys}


def network(ip: str = "10.0.0.5/24", **keys: Any) -> dict[str, Any]:
    return {"bridge": "vmbr0", "ip": ip, **keys}


def write(folder: Path, content: Any) -> Path:
    file = folder / "catalog.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def loaded(folder: Path, configs: dict[str, Any], defaults: Defaults = DEFAULTS, **beside: Any) -> Catalog:
    return load(write(folder, {**beside, "lxc_configs": configs}), defaults)


def refusals(folder: Path, content: Any, *, require_scripts: bool = False) -> tuple[Refusal, ...]:
    with pytest.raises(CatalogError) as caught:
        load(write(folder, content), DEFAULTS, require_scripts=require_scripts)
    return caught.value.refusals


def warnings(folder: Path, configs: dict[str, Any]) -> tuple[Advice, ...]:
    return loaded(folder, configs).warnings
