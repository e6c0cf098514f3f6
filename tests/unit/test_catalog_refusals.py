from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.loading import CatalogError, load
from tests.unit.catalog_files import DEFAULTS, clone, loaded, network, refusals, template, warnings

if TYPE_CHECKING:
    from collections.abc import Mapping

EVERY = Path(__file__).parents[1] / "data" / "every_refusal.json"

EXPECTED: list[tuple[int | str | None, str, str]] = [
    (99, '"99" is not a CTID', "from 100"),
    ("web", '"web" is not a CTID', "from 100"),
    (101, "clone_from_ctid 999 is not in the catalog", "Declare 999, or name one of 102, 900, 901."),
    (102, "102 → 103 → 104 → 102", "Remove one"),
    (105, "neither template nor clone_from_ctid", "Declare one"),
    (106, "depends on 900, which is a template", "Remove 900 from dependencies"),
    (107, "storage_size_gb 8 is less than the 16 GB of its template 900", "at least 16"),
    (108, "unprivileged is false, but true in its template 900", "Remove it"),
    (900, "a template with mount_points", "Move mount_points"),
    (110, "mac_address 52:54:00:00:00:01 is also that of 109", "Give each its own"),
    (110, "The address 10.0.0.9 is also that of 109", "Give each its own"),
    (110, "The address fd00::9 is also that of 109", "Give each its own"),
    (111, "would inherit the address 10.0.0.200 of its template 900", "Declare network_config"),
    (112, 'name "wrong_name" is not a DNS name', 'Write "wrong-name".'),
    (112, 'cores "2" is not a whole number', "Write 2."),
    (112, "memory_mb 8 is below 16", "at least 16"),
    (113, 'network_config.ip "10.0.0.300/24" is not an address in CIDR form', "10.0.0.5/24"),
    (114, "the gateway 10.0.1.1, which is outside its network 10.0.0.0/24", "Correct the gateway"),
    (115, "template_file belongs to an older format", "phoenix-lxc migrate FILE"),
    (116, "features/not_there.sh, nor_this.sh not found beside the catalog", "Put it there"),
    (117, '"name" is given twice', "Keep one"),
    (118, "volume /srv/data has 4 GB, less than the 8 GB of its template 901", "at least 8"),
    (119, 'Two mounts share the path "/srv/data"', ""),
    (None, "lxc_templates belongs to an older format", "phoenix-lxc migrate FILE"),
]


@pytest.fixture(scope="module")
def every() -> CatalogError:
    with pytest.raises(CatalogError) as caught:
        load(EVERY, DEFAULTS, require_scripts=True)
    return caught.value


@pytest.mark.parametrize(("ctid", "problem", "remedy"), EXPECTED)
def test_every_refusal_is_told_with_its_ctid_and_a_remedy(
    every: CatalogError, ctid: int | str | None, problem: str, remedy: str
) -> None:
    told = [one for one in every.refusals if one.ctid == ctid and problem in one.problem]
    assert len(told) == 1
    assert remedy in told[0].remedy


def test_nothing_else_is_told(every: CatalogError) -> None:
    assert len(every.refusals) == len(EXPECTED), str(every)


def test_warnings_are_told_beside_refusals(every: CatalogError) -> None:
    assert [str(one) for one in every.warnings] == ['CT 101: "memroy_mb" has no effect. memory_mb was probably meant.']


def test_the_error_reads_as_one_line_for_each_refusal(every: CatalogError) -> None:
    lines = str(every).splitlines()
    assert len(lines) == len(every.refusals)
    assert "CT 101: clone_from_ctid 999 is not in the catalog. Declare 999, or name one of 102, 900, 901." in lines


def told(folder: Path, configs: Mapping[str, Any]) -> list[str]:
    return [str(refusal) for refusal in refusals(folder, {"lxc_configs": configs})]


def test_a_missing_script_is_a_warning_unless_scripts_are_required(tmp_path: Path) -> None:
    configs = {"103": template(features=["base", "base"], application_script="app.sh")}
    (advice,) = warnings(tmp_path, configs)
    (refusal,) = refusals(tmp_path, {"lxc_configs": configs}, require_scripts=True)
    assert advice.problem == refusal.problem == "features/base.sh, app.sh not found beside the catalog."


def test_a_script_name_too_long_for_the_file_system_is_not_there(tmp_path: Path) -> None:
    (advice,) = warnings(tmp_path, {"103": template(application_script="x" * 5000)})
    assert "not found beside the catalog" in advice.problem


@pytest.mark.parametrize(
    ("configs", "cycles"),
    [
        ({"103": clone(103)}, ["103 → 103"]),
        ({"103": template(dependencies=[103])}, ["103 → 103"]),
        ({"200": clone(100), "100": clone(200)}, ["100 → 200 → 100"]),
        ({"100": template(dependencies=[101]), "101": clone(100)}, ["100 → 101 → 100"]),
        (
            {str(ctid): template(dependencies=[ctid ^ 1]) for ctid in (100, 101, 102, 103)},
            ["100 → 101 → 100", "102 → 103 → 102"],
        ),
    ],
)
def test_each_cycle_is_named_once(tmp_path: Path, configs: Mapping[str, Any], cycles: list[str]) -> None:
    lines = [line for line in told(tmp_path, configs) if "Circular dependency" in line]
    assert len(lines) == len(cycles)
    assert all(f" {cycle}." in line for cycle, line in zip(cycles, lines, strict=True))


def test_a_diamond_is_no_cycle(tmp_path: Path) -> None:
    configs = {
        "900": template(),
        "103": clone(),
        "104": clone(dependencies=["103"]),
        "105": clone(dependencies=["103", "104"]),
    }
    assert loaded(tmp_path, configs).containers() == (103, 104, 105)


def test_sizes_and_privileges_are_compared_through_templates_that_say_nothing(tmp_path: Path) -> None:
    configs = {
        "900": template(storage_size_gb=16, unprivileged=False),
        "901": clone(),
        "103": clone(901, storage_size_gb=15, unprivileged=True),
    }
    shrinks, privileged = told(tmp_path, configs)
    assert shrinks.startswith("CT 103: storage_size_gb 15 is less than the 16 GB of 900, which its template 901")
    assert privileged.startswith("CT 103: unprivileged is true, but false in 900, which its template 901 is made from.")


def test_what_a_root_leaves_out_is_told_as_its_default(tmp_path: Path) -> None:
    (line,) = told(tmp_path, {"900": template(), "103": clone(unprivileged=False)})
    assert line.startswith("CT 103: unprivileged is false, but true by default in its template 900.")


@pytest.mark.parametrize("size", [16, 17])
def test_a_clone_may_be_as_large_or_larger(tmp_path: Path, size: int) -> None:
    assert loaded(tmp_path, {"900": template(storage_size_gb=16), "103": clone(storage_size_gb=size)})


def test_an_address_is_inherited_through_a_template_without_network(tmp_path: Path) -> None:
    configs = {
        "900": template(network_config=network()),
        "901": clone(network_config=network("dhcp")),
        "103": clone(901),
    }
    assert loaded(tmp_path, configs)
    configs["901"] = clone()
    assert [line[:6] for line in told(tmp_path, configs)] == ["CT 901", "CT 103"]


@pytest.mark.parametrize(
    "configs",
    [
        {"103": template(network_config=network("dhcp")), "104": template(network_config=network("dhcp"))},
        {"900": template(network_config=network("dhcp")), "103": clone()},
        {"900": template(mac_address="52:54:00:00:00:01"), "103": clone()},
    ],
)
def test_dhcp_and_generated_macs_are_nobodys(tmp_path: Path, configs: dict[str, Any]) -> None:
    assert loaded(tmp_path, configs)


def test_macs_are_compared_in_one_spelling(tmp_path: Path) -> None:
    configs = {str(ctid): template(mac_address=f"52:54:00:00:00:{end}") for ctid, end in ((103, "aa"), (104, "AA"))}
    assert len(told(tmp_path, configs)) == 1


def test_a_broken_key_does_not_draw_refusals_that_its_correction_would_end(tmp_path: Path) -> None:
    configs = {
        "900": template(unprivileged="no", network_config={"ip": "x"}),
        "103": clone("nine", unprivileged=False),
        "104": clone(unprivileged=False, network_config=network("x")),
        "105": template(template="x"),
    }
    assert sorted({line.split(" is ")[0] for line in told(tmp_path, configs)}) == [
        'CT 103: clone_from_ctid "nine"',
        'CT 104: network_config.ip "x"',
        'CT 105: template "x"',
        "CT 900: network_config.bridge",
        'CT 900: network_config.ip "x"',
        'CT 900: unprivileged "no"',
    ]


@pytest.mark.parametrize("key", ["0100", "\uff11\uff10\uff13", "103.0", " 103", "-103", "9" * 5000])
def test_only_plain_numbers_are_ctids(tmp_path: Path, key: str) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {key: template()}})
    assert "is not a CTID" in refusal.problem
    assert isinstance(refusal.ctid, str)


def test_a_repeated_key_of_no_ctid_is_told_where_it_stands(tmp_path: Path) -> None:
    assert {one.ctid for one in refusals(tmp_path, '{"lxc_configs": {"web": {"a": 1, "a": 2}}}')} == {"web"}


def test_a_snapshot_of_the_older_format_is_a_warning(tmp_path: Path) -> None:
    (advice,) = warnings(tmp_path, {"900": template(template_snapshot_name="final-form")})
    assert "phoenix-lxc migrate" in advice.remedy


def test_a_dependency_outside_the_catalog_is_no_refusal(tmp_path: Path) -> None:
    assert loaded(tmp_path, {"103": template(dependencies=["1002"])})[103].dependencies == (1002,)


def test_a_volume_is_no_smaller_than_that_of_a_template_further_up(tmp_path: Path) -> None:
    """901, between them, says nothing of the volume."""
    data = {"name": "data", "pool": "tank", "mount_point": "/srv/data"}
    configs = {
        "900": template(is_template=True, volumes=[data | {"size_gb": 8}]),
        "901": clone(900, is_template=True),
        "103": clone(901, volumes=[data | {"size_gb": 4}]),
    }
    (refused,) = refusals(tmp_path, {"lxc_configs": configs})
    assert refused.ctid == 103
    assert "4 GB, less than the 8 GB of" in refused.problem
    assert "900" in refused.problem


@pytest.mark.parametrize("told", [{"ostemplate": "local:vztmpl/x.tar.zst"}, {"clone": {"vm_id": 900}}])
def test_what_it_is_made_from_is_not_missed_where_it_is_told_in_another_way(
    tmp_path: Path, told: dict[str, Any]
) -> None:
    entry = {key: value for key, value in template().items() if key != "template"}
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": entry | told}})
    assert next(iter(told)) in str(refusal)


@pytest.mark.parametrize(
    "wrong",
    [
        {"firewall": {"rules": [None] * 500}},
        {"volumes": [{"at": f"/{number}"} for number in range(500)]},
        {"devices": [f"dev/{number}" for number in range(500)]},
    ],
)
def test_an_entry_with_hundreds_of_wrong_values_is_told_about_a_hundred(tmp_path: Path, wrong: dict[str, Any]) -> None:
    """Each is thought out with the whole entry: thousands took hours, and no job could read the catalog meanwhile."""
    found = refusals(tmp_path, {"lxc_configs": {"900": template(**wrong)}})
    assert 1 < len(found) <= 101
    assert "more values of it are wrong." in found[-1].problem
