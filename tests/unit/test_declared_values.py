"""Values that are written in several ways, where OS templates come from, and what of all of it is hashed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from phoenix_worker.catalog import resolve as declaring
from phoenix_worker.catalog.declaration import Declaration, Download, Role, Volume
from phoenix_worker.catalog.loading import Defaults, load
from tests.unit.catalog_files import DEFAULTS, loaded, network, template

EXAMPLE = Path(__file__).parents[2] / "examples" / "phoenix_lxc_configs.json"


@pytest.mark.parametrize(
    ("size", "gib"), [("512M", 0.5), ("8G", 8), ("2T", 2048), ("1.5G", 1.5), ("3145728K", 3), ("0.25T", 256)]
)
def test_a_volumes_size_may_have_any_unit(tmp_path: Path, size: str, gib: float) -> None:
    volume = {"pool": "tank", "size": size, "mount_point": "/srv"}
    assert loaded(tmp_path, {"103": template(volumes=[volume])})[103].volumes == (Volume("tank", gib, "/srv"),)


def test_a_size_in_another_unit_is_the_same_size(tmp_path: Path) -> None:
    volume = {"pool": "tank", "mount_point": "/srv"}
    hashes = {
        loaded(tmp_path, {"103": template(volumes=[volume | size])})[103].hash
        for size in ({"size_gb": 8}, {"size": "8G"}, {"size": "8192M"})
    }
    assert len(hashes) == 1


def test_how_mounts_are_mounted_reaches_the_declaration(tmp_path: Path) -> None:
    how = {"read_only": True, "replicate": False, "mount_options": ["nodev", "noatime", "nodev"]}
    volume = {"pool": "tank", "size_gb": 1, "mount_point": "/srv", **how, "backup": True, "quota": False}
    mount = {"host_path": "/tank", "container_path": "/tank", **how, "shared": True, "acl": False}
    declared = loaded(tmp_path, {"103": template(volumes=[volume], mount_points=[mount])})[103]
    told = {"ro": "1", "replicate": "0", "mountoptions": "noatime;nodev"}
    assert dict(declared.volumes[0].options) == told | {"backup": "1", "quota": "0"}
    assert dict(declared.bind_mounts[0].options) == told | {"shared": "1", "acl": "0"}


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("https://example.org/a/Alpine%203.20.tar.xz?x=1", "Alpine_3.20.tar.xz"),
        ("oci://registry.example.org:5000/team/app:1.2", "registry.example.org_5000_team_app_1.2.tar"),
        ("oci://alpine:latest", "alpine_latest.tar"),
    ],
)
def test_a_template_that_is_fetched_has_the_name_that_proxmox_gives_it(tmp_path: Path, name: str, stored: str) -> None:
    declared = loaded(tmp_path, {"103": template(template=name)})[103]
    assert declared.os_template == f"iso-store:vztmpl/{stored}"
    assert declared.download is not None
    assert (declared.download.url, declared.download.image) == (
        (None, name.removeprefix("oci://")) if name.startswith("oci") else (name, None)
    )


def test_a_checksum_makes_up_for_http(tmp_path: Path) -> None:
    keys = {"template": "http://example.org/x.tar.gz", "checksum": f"SHA256:{'A' * 64}"}
    declared = loaded(tmp_path, {"103": template(**keys)})[103]
    assert declared.download == Download("x.tar.gz", url=keys["template"], checksum=f"sha256:{'a' * 64}")


def test_the_hash_stays_when_a_later_version_knows_more_keys() -> None:
    declared = Declaration(103, "ct", Role.CONTAINER, "pve", clone_from=900, memory_mb=512)
    assert declaring._hash(declared) == "89d94d965b8cc6c1"


def test_what_was_declared_before_there_were_more_keys_has_the_hash_that_it_had() -> None:
    """No template may look outdated for an upgrade."""
    catalog = load(EXAMPLE, DEFAULTS)
    assert {ctid: declared.hash for ctid, declared in catalog.items()} == {
        101: "edb1a22c292b3164",
        103: "e5078aceb84c61e0",
        801: "819cf984ecbbfc40",
        900: "5940fe29fbca2bc8",
        901: "b690315e71586660",
    }


def test_the_hash_changes_exactly_with_what_has_an_effect(tmp_path: Path) -> None:
    def hashed(defaults: Defaults = DEFAULTS, **keys: Any) -> str:
        return loaded(tmp_path, {"103": template(network_config=network(), **keys)}, defaults)[103].hash

    plain = hashed()
    assert plain == hashed() == hashed(ports=["1:1"]) == hashed(state="running")
    assert plain == hashed(mac_address="") == hashed(wait_for_address=30)
    changed = [
        hashed(cores=2),
        hashed(state="stopped"),
        hashed(description="x"),
        hashed(Defaults("pve2", storage="local-lvm")),
        hashed(dependencies=["200"]),
        hashed(tags=[]),
        hashed(features=["x"]),
        hashed(health_check={"command": "true"}),
        hashed(enable_lifecycle_snapshots=True),
        hashed(protection=True),
        hashed(template="local:vztmpl/app.tar", environment={"A": "1"}),
        hashed(template="local:vztmpl/app.tar", environment={"A": "2"}),
        hashed(template="https://example.org/debian-12.tar.zst"),
        hashed(devices=[{"path": "/dev/kvm"}]),
        hashed(devices=[{"path": "/dev/kvm", "uid": 0}]),
        hashed(protection=False),
        hashed(hookscript="local:snippets/hook.sh"),
        hashed(boot_down_delay=1),
        hashed(os_type="debian"),
    ]
    assert len({plain, *changed}) == len(changed) + 1
