from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenix_producer.contract import DesiredState
from phoenix_worker.catalog.declaration import Firewall, FirewallRule, Network, Role
from phoenix_worker.catalog.entry import Entry
from phoenix_worker.catalog.loading import Catalog, CatalogError, Defaults, load, load_bytes
from phoenix_worker.catalog.scripts import ScriptPlaces
from tests.unit.catalog_files import DEFAULTS, clone, loaded, network, template, warnings, write

EXAMPLE = Path(__file__).parents[2] / "examples" / "phoenix_lxc_configs.json"


def test_the_example_loads_as_it_is() -> None:
    catalog = load(EXAMPLE, DEFAULTS)
    assert catalog.containers() == (101, 103, 801)
    assert list(catalog) == [101, 103, 801, 900, 901]
    assert catalog.templates_of(801) == (901, 900)
    assert catalog.templates_of(900) == ()
    assert set(catalog.globals) == {"$schema", "nvidia_driver_version", "nvidia_repo_url"}
    assert catalog[801].full_clone is False
    assert catalog[801].source["ports"] == ["8000:8000"]
    assert catalog.warnings == ()
    assert not any(script.missing for declared in catalog.values() for script in declared.scripts)


def test_an_empty_catalog_is_a_catalog(tmp_path: Path) -> None:
    assert dict(loaded(tmp_path, {})) == {}


def test_roles_come_from_clones_and_from_is_template(tmp_path: Path) -> None:
    catalog = loaded(tmp_path, {"900": template(), "800": template(is_template=True), "103": clone("900")})
    assert {ctid: declared.role for ctid, declared in catalog.items()} == {
        103: Role.CONTAINER,
        800: Role.TEMPLATE,
        900: Role.TEMPLATE,
    }


def test_every_value_reaches_its_declaration(tmp_path: Path) -> None:
    entry = template(
        storage_pool="zfs",
        storage_size_gb=8,
        memory_mb=512,
        swap_mb=0,
        cores=2,
        network_config=network(gw="10.0.0.1", ip6="fd00::5/64", gw6="fe80::1", vlan=7, nameservers="1.1.1.1, 9.9.9.9"),
        mac_address="52:54:00:aa:bb:cc",
        unprivileged=True,
        start_at_boot=True,
        boot_order=3,
        boot_delay=0,
        boot_down_delay=30,
        protection=True,
        search_domain="example.lan, lan",
        timezone="Europe/Berlin",
        console=False,
        tty=0,
        cmode="shell",
        cpu_limit=1.5,
        cpu_units=50,
        os_type="debian",
        arch="arm64",
        hookscript="local:snippets/hook.sh",
        pct_options=["nesting=1", "keyctl=1"],
        dependencies=["1002", 104, "104"],
        node="pve2",
        state="stopped",
        tags=["Web", "db", "web"],
        description="What it is for",
        pool="prod",
    )
    declared = loaded(tmp_path, {"103": entry, "104": template()})[103]
    assert declared.storage == "zfs"
    assert (declared.disk_gb, declared.memory_mb, declared.swap_mb, declared.cores) == (8, 512, 0, 2)
    assert declared.network == Network(
        bridge="vmbr0",
        ip="10.0.0.5/24",
        gw="10.0.0.1",
        ip6="fd00::5/64",
        gw6="fe80::1",
        vlan=7,
        nameservers=("1.1.1.1", "9.9.9.9"),
    )
    assert declared.mac == "52:54:00:AA:BB:CC"
    assert (declared.start_at_boot, declared.boot_order, declared.boot_delay) == (True, 3, 0)
    assert (declared.boot_down_delay, declared.protected, declared.hookscript) == (30, True, "local:snippets/hook.sh")
    assert dict(declared.options) == {
        "protection": "1",
        "searchdomain": "example.lan lan",
        "timezone": "Europe/Berlin",
        "console": "0",
        "tty": "0",
        "cmode": "shell",
        "cpulimit": "1.5",
        "cpuunits": "50",
    }
    assert dict(declared.at_creation) == {"ostype": "debian", "arch": "arm64"}
    assert "hookscript" in declared.needs_shell
    assert declared.features == ("nesting=1",)
    assert declared.dependencies == (1002, 104)
    assert (declared.node, declared.state, declared.pool) == ("pve2", DesiredState.STOPPED, "prod")
    assert declared.tags == ("Web", "db", "web")
    assert declared.description == "What it is for"
    assert declared.source == entry


def test_defaults_fill_in_what_an_entry_leaves_open(tmp_path: Path) -> None:
    configs = {
        "900": template(template="/mnt/cache/debian-12.tar.zst"),
        "103": clone(),
    }
    catalog = loaded(tmp_path, configs)
    assert (catalog[900].node, catalog[900].storage) == ("pve", "local-lvm")
    assert catalog[900].os_template == "iso-store:vztmpl/debian-12.tar.zst"
    assert catalog[103].storage is None, "a clone stays where its template is"


def test_with_both_origins_the_clone_wins(tmp_path: Path) -> None:
    catalog = loaded(tmp_path, {"900": template(), "103": clone(template="local:vztmpl/x.tar.gz")})
    assert (catalog[103].clone_from, catalog[103].os_template) == (900, None)
    assert catalog[900].os_template == "local:vztmpl/debian-12.tar.zst"


@pytest.mark.parametrize("declared", [None, True, False])
def test_privileges_are_those_of_the_root(tmp_path: Path, declared: object) -> None:
    root = template(unprivileged=declared)
    catalog = loaded(tmp_path, {"103": clone("901"), "901": clone("900"), "900": root})
    assert {one.unprivileged for one in catalog.values()} == {declared is not False}


def test_templates_neither_start_at_boot_nor_run(tmp_path: Path) -> None:
    root = template(
        is_template=True,
        start_at_boot=False,
        boot_order=0,
        boot_delay=0,
        boot_down_delay=0,
        state="running",
        wait_for_address=9,
    )
    declared = loaded(tmp_path, {"900": root})[900]
    assert (declared.start_at_boot, declared.boot_order, declared.boot_delay, declared.boot_down_delay) == (None,) * 4
    assert declared.wait_for_address is None
    assert declared.state is DesiredState.STOPPED


def test_null_and_empty_text_mean_not_declared(tmp_path: Path) -> None:
    declared = loaded(tmp_path, {"103": template(mac_address="", cores=None, clone_from_ctid="")})[103]
    assert (declared.mac, declared.cores, declared.clone_from) == (None, None, None)


INSIDE: dict[str, Any] = {
    "features": ["base"],
    "application_script": "app.sh",
    "health_check": {"command": "true"},
}


@pytest.mark.parametrize("key", INSIDE)
def test_what_is_done_inside_a_container_needs_the_nodes_shell(tmp_path: Path, key: str) -> None:
    declared = loaded(tmp_path, {"103": template(**{key: INSIDE[key]})})[103]
    assert declared.needs_shell == (key,)
    assert declared.not_applied == ()


@pytest.mark.parametrize("keys", [{"features": []}, {"application_script": "", "enable_lifecycle_snapshots": True}])
def test_what_is_not_declared_or_has_an_api_needs_no_shell(tmp_path: Path, keys: dict[str, Any]) -> None:
    assert loaded(tmp_path, {"103": template(**keys)})[103].needs_shell == ()


def test_a_template_is_asked_for_no_health_and_kept_in_no_snapshot(tmp_path: Path) -> None:
    keys = {"health_check": {"command": "true"}, "enable_lifecycle_snapshots": True, "is_template": True}
    declared = loaded(tmp_path, {"900": template(**keys)})[900]
    assert (declared.health_check, declared.snapshots, declared.needs_shell) == (None, False, ())


def test_scripts_are_read_from_beside_the_catalog_in_their_order(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "base.sh").write_bytes(b"\xff script")
    keys = {"features": ["base", "gone", "base"], "application_script": "app.sh", "script_timeouts": {"base": 9}}
    base, gone, app = loaded(tmp_path, {"103": template(**keys)})[103].scripts
    assert (base.name, base.file, base.timeout, base.missing) == ("base", "features/base.sh", 9, False)
    assert base64.b64decode(base.content or "") == b"\xff script"
    assert (gone.name, gone.missing) == ("gone", True)
    assert (app.name, app.file, app.timeout) == ("application_script", "app.sh", None)


def test_scripts_on_the_node_are_left_there(tmp_path: Path) -> None:
    places = ScriptPlaces("/opt/bin/install_{feature}.sh", "/opt/bin/{script}")
    keys = {"features": ["base"], "application_script": "app.sh"}
    catalog = loaded(tmp_path, {"103": template(**keys)}, Defaults("pve", scripts=places))
    files = [(script.file, script.on_node, script.missing) for script in catalog[103].scripts]
    assert files == [("/opt/bin/install_base.sh", True, False), ("/opt/bin/app.sh", True, False)]
    assert catalog.warnings == ()


def test_a_script_is_another_one_with_its_content_and_with_what_it_is_given(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    script = tmp_path / "features" / "base.sh"

    def hashed(content: str, **keys: Any) -> str:
        script.write_text(content)
        return loaded(tmp_path, {"103": template(features=["base"], **keys)})[103].scripts[0].hash

    plain = hashed("one")
    assert plain == hashed("one")
    assert len({plain, hashed("two"), hashed("one", ports=["1:1"])}) == 3
    assert plain == hashed("one", wait_for_address=30), "it says nothing of the container"


def test_only_nesting_of_unprivileged_containers_is_for_a_token(tmp_path: Path) -> None:
    options = ["nesting=1", "keyctl=1", "mknod=1"]
    configs = {
        "103": template(pct_options=options),
        "104": template(pct_options=options, unprivileged=False),
    }
    catalog = loaded(tmp_path, configs)
    assert catalog[103].features == ("nesting=1",)
    assert catalog[103].root_features == ("keyctl=1", "mknod=1")
    assert catalog[104].features == ()
    assert catalog[104].root_features == ("nesting=1", "keyctl=1", "mknod=1")


def test_a_firewall_is_declared_in_proxmoxs_spelling(tmp_path: Path) -> None:
    rules = [
        {"type": "in", "action": "ACCEPT", "proto": "TCP", "port": "80, 8000:8010", "comment": " web "},
        {"type": "out", "action": "DROP", "dest": "10.0.0.9", "comment": ""},
    ]
    configs = {"103": template(firewall={"enabled": True, "rules": rules}), "104": template(firewall={})}
    catalog = loaded(tmp_path, configs)
    web = FirewallRule("in", "ACCEPT", "tcp", port="80,8000:8010", comment="web")
    assert catalog[103].firewall == Firewall(enabled=True, rules=(web, FirewallRule("out", "DROP", dest="10.0.0.9")))
    assert catalog[104].firewall == Firewall(enabled=False)
    assert catalog.warnings == ()


@pytest.mark.parametrize(
    ("rules", "words"),
    [
        (None, "no rule accepts incoming traffic"),
        ([{"type": "in", "action": "DROP"}, {"type": "out", "action": "ACCEPT"}], "no rule accepts incoming traffic"),
    ],
)
def test_a_firewall_that_will_not_do_what_was_meant_is_warned_of(tmp_path: Path, rules: Any, words: str) -> None:
    (advice,) = warnings(tmp_path, {"103": template(firewall={"enabled": True, "rules": rules})})
    assert words in str(advice)


def test_snapshots_that_bind_mounts_prevent_are_warned_of(tmp_path: Path) -> None:
    mounts = [{"host_path": "/tank/data", "container_path": "/srv"}]
    declared = template(mount_points=mounts, enable_lifecycle_snapshots=True)
    (advice,) = warnings(tmp_path, {"103": declared})
    assert (advice.ctid, "bind mounts" in advice.problem) == (103, True)
    assert warnings(tmp_path, {"103": template(mount_points=mounts)}) == ()


def test_ctids_at_which_templates_are_rebuilt_are_not_declared(tmp_path: Path) -> None:
    scratch = Defaults("pve", scratch=range(9000, 9100))
    with pytest.raises(CatalogError, match=r"9005 is one of the CTIDs at which templates are rebuilt \(9000-9099\)"):
        loaded(tmp_path, {"9005": template()}, scratch)


def test_the_declaration_of_a_rebuild_is_served_by_its_hash(tmp_path: Path) -> None:
    configs = {"900": template(), "1000": template(name="other", is_template=True), "103": clone()}
    catalog = loaded(tmp_path, configs, Defaults("pve", scratch=range(9000, 9100)))
    for ctid in (900, 1000):
        scratch = catalog.scratch(ctid)
        assert scratch is not None
        assert (scratch.ctid, scratch.name) == (9000, catalog[ctid].name)
        assert catalog.serve(9000, scratch.hash) == scratch
    assert catalog.serve(900, catalog[900].hash) == catalog[900]
    assert catalog.serve(900, "0ld") is catalog.serve(9000, "0ld") is catalog.serve(9001, catalog[900].hash) is None
    assert loaded(tmp_path, configs).scratch(900) is None


def test_the_catalogs_hash_is_of_its_content(tmp_path: Path) -> None:
    one, again, other = ({"103": template(cores=cores)} for cores in (1, 1, 2))
    assert loaded(tmp_path, one).hash == loaded(tmp_path, again).hash != loaded(tmp_path, other).hash


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
KNOWN = st.sampled_from([*Entry.model_fields, "template_file", "bridge", "ip", "gw", "rules", "command", "host_path"])
LIKELY = st.sampled_from(
    ["", "none", "0,1", "10.0.0.1/24", "dhcp", "a.tar.gz", "900", 900, True, 5, "nesting=1", "lxc.x=y", "\ud800", "\0"]
)
NEAR = st.recursive(
    LIKELY | JSON,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KNOWN, inner, max_size=4),
    max_leaves=6,
)
ENTRY = st.dictionaries(KNOWN | st.text(max_size=5), NEAR, max_size=8) | JSON
CTID = st.sampled_from(["100", "101", "900", "99", "x", ""]) | st.text(max_size=4)
CONTENT = JSON | st.fixed_dictionaries({"lxc_configs": st.dictionaries(CTID, ENTRY, max_size=4)})


@settings(
    max_examples=600, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(content=CONTENT)
def test_any_json_is_loaded_or_refused_with_reasons(tmp_path: Path, content: Any) -> None:
    outcome = load_or_refuse(json.dumps(content).encode(), tmp_path)
    if isinstance(outcome, CatalogError):
        assert outcome.refusals
        assert all(refusal.problem and refusal.remedy for refusal in outcome.refusals)
        assert str(outcome).encode()
    else:
        assert outcome.hash


def load_or_refuse(data: bytes, folder: Path) -> Catalog | CatalogError:
    try:
        return load_bytes(data, folder, DEFAULTS)
    except CatalogError as error:
        return error


def test_load_reads_the_file_beside_its_scripts(tmp_path: Path) -> None:
    (tmp_path / "features").mkdir()
    (tmp_path / "features" / "base.sh").touch()
    file = write(tmp_path, {"lxc_configs": {"103": template(features=["base"])}})
    assert load(file, DEFAULTS, require_scripts=True).warnings == ()
