from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.catalog.findings import CatalogError
from phoenix_worker.catalog.migration import migrate

OLD = """{
    "$schema": "x",
    "lxc_templates": {
        "copy-base-v1.tar.gz": {"source_ctid": "900"},
        "copy-cuda-v1.tar.gz": {"source_ctid": 901}
    },
  "kept": [ 1,2 ,3 ],  "number": 1.50e1, "text": "\\u00e9\\/ü",
    "lxc_configs": {
        "900": {
            "name": "base",
            "template": "/cache/x.tar.zst",
            "template_file": "copy-base-v1.tar.gz",
            "template_snapshot_name": "final-form",
            "cores": 2
        },
        "901": {
            "template_snapshot_name": "final-form",
            "template_file": "copy-cuda-v1.tar.gz", "clone_from_ctid": "900",
\t\t\t"name": "cuda"
        },
        "101": { "name": "web", "template_file"  :  "copy-base-v1.tar.gz", "features": [] },
        "102": {"template_file": "copy-cuda-v1.tar.gz"},
        "103": {"clone_from_ctid": "", "name": "null", "template_file": "copy-base-v1.tar.gz"}
    }
}
"""

NEW = """{
    "$schema": "x",
  "kept": [ 1,2 ,3 ],  "number": 1.50e1, "text": "\\u00e9\\/ü",
    "lxc_configs": {
        "900": {
            "name": "base",
            "template": "/cache/x.tar.zst",
            "cores": 2
        },
        "901": {
            "clone_from_ctid": "900",
\t\t\t"name": "cuda"
        },
        "101": { "name": "web", "clone_from_ctid"  :  "900", "features": [] },
        "102": {"clone_from_ctid": 901},
        "103": {"name": "null", "clone_from_ctid": "900"}
    }
}
"""


def test_everything_else_stays_to_the_letter() -> None:
    assert migrate(OLD) == NEW


def test_line_ends_of_windows_stay() -> None:
    assert migrate(OLD.replace("\n", "\r\n")) == NEW.replace("\n", "\r\n")


def test_a_migrated_file_needs_no_migration() -> None:
    assert migrate(NEW) == NEW


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('{"lxc_templates":{},"lxc_configs":{}}', '{"lxc_configs":{}}'),
        ('{ "lxc_configs": {} , "lxc_templates": {} }', '{ "lxc_configs": {} }'),
        ('{"lxc_configs":{"9":{"template_snapshot_name":"x"}}}', '{"lxc_configs":{"9":{}}}'),
        ('{"lxc_configs":{"900":{"template":"x","template_file":""}}}', '{"lxc_configs":{"900":{"template":"x"}}}'),
        (
            '{"lxc_configs":{"900":{"clone_from_ctid":1,"template_file":"?"}}}',
            '{"lxc_configs":{"900":{"clone_from_ctid":1}}}',
        ),
        ('{"lxc_configs":{"900":"template_file"}}', '{"lxc_configs":{"900":"template_file"}}'),
        (
            '{"lxc_configs":{"950":{"clone_from_template_ctid" : "900", "template":"x","clone_from_ctid":null}}}',
            '{"lxc_configs":{"950":{"clone_from_ctid" : "900", "template":"x"}}}',
        ),
        (
            '{"lxc_configs":{"950":{"clone_from_template_ctid":900,"clone_from_ctid":"901"}}}',
            '{"lxc_configs":{"950":{"clone_from_ctid":"901"}}}',
        ),
        (
            '{"lxc_configs":{"950":{"template_file":"?","clone_from_template_ctid":900}}}',
            '{"lxc_configs":{"950":{"clone_from_ctid":900}}}',
        ),
        (
            '{"lxc_configs":{"950":{"template":"x","clone_from_template_ctid":""}}}',
            '{"lxc_configs":{"950":{"template":"x"}}}',
        ),
        ('{"template_file":"x","lxc_configs":{}}', '{"template_file":"x","lxc_configs":{}}'),
    ],
)
def test_only_what_is_migrated_is_written_in_another_way(before: str, after: str) -> None:
    assert migrate(before) == after


def refused(content: str) -> list[str]:
    with pytest.raises(CatalogError) as caught:
        migrate(content)
    return [str(refusal) for refusal in caught.value.refusals]


def test_all_files_that_lead_nowhere_are_told() -> None:
    content = {
        "lxc_templates": {"own.tar.gz": {"source_ctid": "900"}, "odd.tar.gz": {"source_ctid": "x"}},
        "lxc_configs": {
            "900": {"template_file": "own.tar.gz"},
            "101": {"template_file": "unknown.tar.gz"},
            "102": {"template_file": "odd.tar.gz"},
            "103": {"template_file": ["own.tar.gz"]},
            "104": {"template_file": None},
        },
    }
    lines = refused(json.dumps(content))
    assert [line.split(":")[0] for line in lines] == ["CT 900", "CT 101", "CT 102", "CT 103", "CT 104"]
    with pytest.raises(CatalogError) as caught:
        migrate(json.dumps({"lxc_configs": {"900": {"template_file": "x"}, "x": {"template_file": "x"}}}))
    assert [refusal.ctid for refusal in caught.value.refusals] == [900, "x"]
    assert "Declare `template`: the OS template" in lines[0]
    assert '"unknown.tar.gz" has no source_ctid' in lines[1]


@pytest.mark.parametrize(
    "section", [{"source_ctid": "900"}, {"source_ctid": 900}, {"source_ctid": 900, "description": "x"}, "900", 900]
)
@pytest.mark.parametrize("file", ["a.tar.gz", "/var/lib/vz/template/cache/a.tar.gz"])
def test_sections_of_several_forms(section: Any, file: str) -> None:
    old = {"lxc_templates": {"a.tar.gz": section}, "lxc_configs": {"101": {"template_file": file}}}
    source = section["source_ctid"] if isinstance(section, dict) else section
    assert json.loads(migrate(json.dumps(old))) == {"lxc_configs": {"101": {"clone_from_ctid": source}}}


def serving(**keys: Any) -> str:
    source = {"template": "x", **keys}
    cloned = {"template_file": "a.tar.gz", "dependencies": ["900", "1002"] if keys.get("name") == "needed" else []}
    sections = {"a.tar.gz": {"source_ctid": "900"}}
    return json.dumps({"lxc_templates": sections, "lxc_configs": {"900": source, "101": cloned}})


@pytest.mark.parametrize(
    ("keys", "sign"),
    [
        ({"start_at_boot": True}, "it starts at boot"),
        ({"ports": ["80:80"]}, "it has ports"),
        ({"name": "needed"}, "CT 101 depends on it"),
        ({"start_at_boot": True, "ports": [1]}, "it starts at boot and it has ports"),
    ],
)
def test_a_running_service_becomes_a_template_only_by_name(keys: dict[str, Any], sign: str) -> None:
    (line,) = refused(serving(**keys))
    assert line.startswith("CT 900: It would become a template, which never runs, and looks like a running service: ")
    assert f": {sign}. " in line
    assert "--seal 900" in line
    assert json.loads(migrate(serving(**keys), seal=[900]))["lxc_configs"]["101"]["clone_from_ctid"] == "900"


def test_an_older_name_of_the_clone_asks_the_same() -> None:
    entries = {"900": {"template": "x", "ports": [80]}, "101": {"clone_from_template_ctid": 900}}
    (line,) = refused(json.dumps({"lxc_configs": entries}))
    assert "looks like a running service: it has ports." in line


def test_what_was_a_template_before_or_serves_nobody_is_not_asked_about() -> None:
    for keys in ({}, {"start_at_boot": False, "ports": []}, {"is_template": True, "start_at_boot": True}):
        assert migrate(serving(**keys))
    content = json.loads(serving(start_at_boot=True))
    content["lxc_configs"]["102"] = {"clone_from_ctid": 900}
    assert migrate(json.dumps(content)), "cloned from before: the catalog said so"


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "\ufeff{}", '{"a": 1, "a": 2}', "\ud800", '{"lxc_templates": {}}', '{"lxc_configs": []}']
)
def test_what_is_no_catalog_is_refused(content: str) -> None:
    assert refused(content)


SPACE = st.text(" \t\r\n", max_size=2)
PLAIN = st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.lists(st.text(max_size=3), max_size=2)
ENTRIES = st.dictionaries(
    st.sampled_from(["name", "template_snapshot_name", "cores", "firewall", "x"]), PLAIN, max_size=5
)
SOURCES: dict[str, dict[str, Any]] = {"a.tar.gz": {"source_ctid": "900"}, "b.tar.gz": {"source_ctid": 901}}


@st.composite
def catalogs(draw: st.DrawFn) -> dict[str, Any]:
    configs: dict[str, Any] = {}
    for ctid in draw(st.lists(st.sampled_from(["100", "101", "102", "900", "901"]), unique=True)):
        entry = {**draw(ENTRIES), "template": "os.tar.gz"}
        if draw(st.booleans()):
            entry["template_file"] = draw(st.sampled_from(list(SOURCES)))
        if draw(st.booleans()):
            entry["clone_from_template_ctid"] = draw(st.sampled_from(["700", 701, "", None]))
        if draw(st.booleans()):
            entry["clone_from_ctid"] = draw(st.sampled_from(["", "800", None]))
        configs[ctid] = dict(draw(st.permutations(list(entry.items()))))
    content = {"lxc_templates": SOURCES, "lxc_configs": configs, "kept": draw(PLAIN)}
    return dict(draw(st.permutations(list(content.items()))))


def spaced(value: Any, draw: st.DrawFn) -> str:
    if isinstance(value, dict):
        inside = (f"{draw(SPACE)}{json.dumps(k)}{draw(SPACE)}:{draw(SPACE)}{spaced(v, draw)}" for k, v in value.items())
        return "{" + ",".join(f"{member}{draw(SPACE)}" for member in inside) + draw(SPACE) + "}"
    return json.dumps(value)


@st.composite
def texts(draw: st.DrawFn) -> tuple[dict[str, Any], str]:
    content = draw(catalogs())
    return content, spaced(content, draw)


@given(drawn=texts())
def test_any_layout_says_the_same_as_the_migration_of_its_content(drawn: tuple[dict[str, Any], str]) -> None:
    content, text = drawn
    migrated = json.loads(migrate(text))
    assert "lxc_templates" not in migrated
    assert migrated["kept"] == content["kept"]
    for ctid, entry in content["lxc_configs"].items():
        source = SOURCES[entry["template_file"]]["source_ctid"] if "template_file" in entry else None
        source = source if str(source) != ctid else None
        cloned = entry.get("clone_from_ctid") or entry.get("clone_from_template_ctid") or source
        rest = {"template_file", "template_snapshot_name", "clone_from_ctid", "clone_from_template_ctid"}
        assert migrated["lxc_configs"][ctid].get("clone_from_ctid") in ([cloned] if cloned else ["", None])
        kept = [pair for pair in migrated["lxc_configs"][ctid].items() if pair[0] != "clone_from_ctid"]
        assert kept == [(key, value) for key, value in entry.items() if key not in rest]


SECOND = """{"lxc_configs": {
    "101": {"name": "gw", "network_config": {"bridge": "vmbr0"},
        "template_snapshot_name": "x",
        "secondary_network_config" : { "name": "eth1",  "hwaddr": "02:00:00:00:01:02" },
        "template_snapshot_name2": 1, "template_file": "x"},
    "102": {"name": "a", "secondary_network_config": {"bridge": "vmbr1"}},
    "103": {"name": "b", "network_config": {}, "networks": [], "secondary_network_config": {"bridge": "vmbr1"}},
    "104": {"name": "c", "network_config": {"bridge": "vmbr0"}, "secondary_network_config": ""}
}, "lxc_templates": {"x": 900}}"""


def test_a_second_interface_becomes_the_item_of_networks_where_it_is_the_second() -> None:
    moved = (
        SECOND.replace(
            '"secondary_network_config" : { "name": "eth1",  "hwaddr"', '"networks" : [{ "name": "eth1",  "mac_address"'
        )
        .replace(':02" }', ':02" }]')
        .replace('\n        "template_snapshot_name": "x",', "")
        .replace('"template_file": "x"', '"clone_from_ctid": 900')
        .replace(', "lxc_templates": {"x": 900}', "")
    )
    assert migrate(SECOND) == moved
    assert migrate(moved) == moved
