from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from phoenix_worker.catalog.entry import DATA_KEYS, Entry
from phoenix_worker.catalog.schema import catalog_schema
from tests.unit.any_containers import POSSIBLE
from tests.unit.catalog_files import OS_TEMPLATE, template
from tests.unit.test_catalog_entry import RIGHT

EXAMPLES = Path(__file__).parents[2] / "examples"
SCHEMA = catalog_schema()
VALIDATOR = jsonschema.Draft7Validator(SCHEMA)


def wrong(document: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(document)]


def of(entry: dict[str, Any]) -> dict[str, Any]:
    return {"lxc_configs": {"103": entry}}


def test_it_is_a_schema_and_the_one_beside_the_example_is_current() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    kept = (EXAMPLES / "phoenix_lxc_configs.schema.json").read_text()
    assert json.loads(kept) == SCHEMA, (
        "make it anew: phoenix-lxc catalog schema > examples/phoenix_lxc_configs.schema.json"
    )


def test_the_example_names_it_and_fits() -> None:
    example = json.loads((EXAMPLES / "phoenix_lxc_configs.json").read_text())
    assert (EXAMPLES / example["$schema"]).exists()
    assert wrong(example) == []


def test_every_key_is_described() -> None:
    definitions = SCHEMA["definitions"]
    assert set(definitions["Entry"]["properties"]) == {*Entry.model_fields, *DATA_KEYS}
    undescribed = [
        f"{name}.{key}"
        for name, section in definitions.items()
        for key, value in section["properties"].items()
        if not value.get("description")
    ]
    assert undescribed == []


@pytest.mark.parametrize(("key", "value"), RIGHT)
def test_what_users_write_today_fits(key: str, value: Any) -> None:
    assert wrong(of(template(**{key: value}))) == []


@given(POSSIBLE)
def test_what_loads_fits(entry: dict[str, Any]) -> None:
    assert wrong(of(entry)) == []


def test_globals_keys_for_scripts_and_blanks_fit() -> None:
    entry = template(cores=None, mac_address="", my_own={"any": ["thing"]}, vllm_args=["x"])
    assert wrong({"$schema": "x.json", "my_global": 1, **of(entry)}) == []


@pytest.mark.parametrize(
    "entry",
    [
        {"template": OS_TEMPLATE},
        {"name": "from-nothing"},
        template(name="under_score"),
        template(cores="2"),
        template(memory_mb=8),
        template(clone="half"),
        template(clone_from_ctid="nine"),
        template(pct_options=["nested=1"]),
        template(start_at_boot="yes"),
        template(network_config={"ip": "dhcp"}),
        template(network_config={"bridge": "vmbr0", "vlan": 5000}),
        template(firewall={"rules": [{"type": "in", "action": "ALLOW"}]}),
        template(volumes=[{"pool": "tank", "size_gb": 1}]),
    ],
)
def test_an_editor_finds_what_is_wrong(entry: dict[str, Any]) -> None:
    assert wrong(of(entry))


@pytest.mark.parametrize("document", [[], {}, {"lxc_configs": {"99": template()}}, {"lxc_configs": []}])
def test_what_is_no_catalog_does_not_fit(document: Any) -> None:
    assert wrong(document)
