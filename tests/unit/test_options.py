"""Options of Proxmox that are one value each: what they differ by, and what waits for a restart."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.host_parts import BindMount
from phoenix_worker.core.allowed.versions import needing, too_old
from phoenix_worker.core.differs.diff import creation_config, diff
from phoenix_worker.core.differs.unchangeable import needs_rebuild
from phoenix_worker.core.model.marker import Stage, write_marker
from phoenix_worker.core.planned.prediction import created
from tests.support.declared import DECLARED, MARKER, seen
from tests.unit.catalog_files import clone, loaded, refusals, template

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.catalog.declaration import Declaration


def declared(**options: str) -> Declaration:
    return replace(DECLARED, options=tuple(options.items()))


@pytest.mark.parametrize(
    ("key", "default"), [("protection", "0"), ("console", "1"), ("tty", "2"), ("cmode", "tty"), ("cpulimit", "0")]
)
def test_what_is_so_anyhow_is_no_change(key: str, default: str) -> None:
    assert not diff(declared(**{key: default}), seen())
    assert diff(declared(**{key: default}), seen(**{key: "5"})).put == {key: default}


def test_what_a_running_container_takes_only_at_its_next_start_is_told_so() -> None:
    every = {"searchdomain": "lan", "timezone": "UTC", "console": "0", "tty": "0", "cmode": "shell"}
    at_once = {"protection": "1", "cpulimit": "1", "cpuunits": "50"}
    changes = diff(declared(**every, **at_once), seen())
    assert changes.put == every | at_once
    assert set(changes.pending_when_running) == every.keys()


def test_a_hookscript_is_roots_and_needs_no_restart() -> None:
    changes = diff(replace(DECLARED, hookscript="local:snippets/a.sh"), seen(hookscript="local:snippets/b.sh"))
    assert changes.root.put == {"hookscript": "local:snippets/a.sh"}
    assert (changes.put, changes.pending_when_running) == ({}, ())
    assert not diff(DECLARED, seen(hookscript="local:snippets/b.sh"))


@pytest.mark.parametrize(("key", "name"), [("ostype", "OS type"), ("arch", "architecture")])
def test_what_is_set_at_creation_is_told_and_left_alone(key: str, name: str) -> None:
    declaration = replace(DECLARED, at_creation=((key, "debian"),))
    assert not diff(declaration, seen(**{key: "alpine"}))
    (why,) = needs_rebuild(declaration, seen(**{key: "alpine"}, unprivileged="1"))
    assert f"its {name} is alpine, the catalog declares debian, and this is set only at creation." in why
    assert needs_rebuild(declaration, seen(**{key: "debian"}, unprivileged="1")) == ()


MADE = write_marker(replace(MARKER, stage=Stage.MADE), "")


@pytest.mark.parametrize(
    ("options", "notes", "in_the_way"),
    [({"protection": "1"}, None, True), ({"protection": "0"}, None, True), ({}, MADE, True), ({}, None, False)],
)
def test_protection_goes_for_the_change_of_a_disk_only_where_it_is_ours(
    options: dict[str, str], notes: str | None, *, in_the_way: bool
) -> None:
    volume = {"mp0": None} if notes is None else {"mp0": None, "description": notes}
    present = seen(protection="1", **volume)
    assert diff(declared(**options), present).unprotect is False, "no disk changes"
    root = replace(declared(**options), bind_mounts=(BindMount("/tank", "/srv"),))
    assert diff(root, present).unprotect is in_the_way
    assert diff(root, seen(**volume)).unprotect is False, "it is not protected"


def test_a_clone_has_what_its_templates_began_with(tmp_path: Path) -> None:
    chain: dict[str, dict[str, Any]] = {"900": template(os_type="alpine"), "901": clone(900)}
    assert dict(loaded(tmp_path, chain | {"103": clone(901, os_type="alpine")})[103].at_creation) == {
        "ostype": "alpine"
    }
    told = refusals(tmp_path, {"lxc_configs": chain | {"103": clone(901, os_type="debian", arch="arm64")}})
    assert [one.problem for one in told] == [
        "os_type is debian, and the template that it comes from declares alpine: a clone has its template's.",
        "arch is arm64, and the template that it comes from declares nothing: a clone has its template's.",
    ]


def test_an_environment_keeps_what_is_there_and_not_declared() -> None:
    wanted = declared(env="A=1\0B=2")
    changes = diff(wanted, seen(env="PATH=/bin\0A=0"))
    assert changes.put == {"env": "PATH=/bin\0A=1\0B=2"}
    assert [(one.old, one.new) for one in changes.changes] == [("PATH=/bin A=0", "PATH=/bin A=1 B=2")]
    assert changes.pending_when_running == ("env",)
    assert not diff(wanted, seen(env="B=2\0PATH=/bin\0A=1"))


@pytest.mark.parametrize(
    ("file", "later"), [("x.tar", {"entrypoint", "env", "cmode"}), ("x.tar.zst", {"entrypoint", "env"})]
)
def test_what_an_image_decides_at_creation_is_set_afterwards(file: str, later: set[str]) -> None:
    options = {"entrypoint": "/bin/app", "env": "A=1", "cmode": "shell", "tty": "0"}
    root = replace(declared(**options), clone_from=None, os_template=f"local:vztmpl/{file}")
    ordered = creation_config(root, MARKER)
    assert options.keys() - ordered.keys() == later
    assert diff(root, created(root)).put.keys() == later


def test_keys_of_images_need_a_new_proxmox(tmp_path: Path) -> None:
    keys = {"entrypoint": "/bin/app", "environment": {"A": "1"}, "template": "oci://docker.io/library/alpine:3.20"}
    lacking = dict(loaded(tmp_path, {"103": template(**keys)})[103].needs_version)
    assert lacking == dict.fromkeys(("template oci://", "entrypoint", "environment"), (9, 1))


@pytest.mark.parametrize("value", [["A=1"], {"A": 1}, {"A B": "1"}, {"A": "1\n2"}, "A=1"])
def test_an_environment_of_an_image_has_to_be_one_and_any_other_is_for_scripts(tmp_path: Path, value: Any) -> None:
    image = template(template="local:vztmpl/app.tar")
    for entries in ({"103": image | {"environment": value}}, {"900": image, "103": clone(environment=value)}):
        (refusal,) = refusals(tmp_path, {"lxc_configs": entries})
        assert (refusal.ctid, refusal.problem.startswith("environment is not an object")) == (103, True)
    catalog = loaded(tmp_path, {"103": template(environment=value)})
    assert catalog.for_scripts == {"environment": (103,)}
    assert (catalog[103].options, catalog[103].needs_version) == ((), ())
    assert catalog[103].hash == loaded(tmp_path, {"103": template()})[103].hash


RENDER = {"path": "/dev/dri/renderD128", "deny_write": True}


@pytest.mark.parametrize(
    ("devices", "version", "lacking"),
    [
        ([], (8, 0, 4), None),
        ([{"path": "/dev/kvm"}], (8, 1, 0), None),
        ([{"path": "/dev/kvm"}], (9, 0, 3), None),
        ([{"path": "/dev/kvm"}], (8, 0, 9), "devices needs Proxmox VE 8.1, and this is 8.0.9."),
        ([RENDER], (8, 2, 5), None),
        ([RENDER], (8, 2, 4), "devices.deny_write needs Proxmox VE 8.2.5, and this is 8.2.4."),
    ],
)
def test_a_proxmox_that_is_too_old_for_a_key_is_told_with_the_version_that_is_needed(
    tmp_path: Path, devices: list[dict[str, Any]], version: tuple[int, ...], lacking: str | None
) -> None:
    wanted = loaded(tmp_path, {"103": template(devices=devices)})[103]
    problem = too_old(wanted, needing(wanted, has_shell=True), version)
    assert (problem and problem.message) == (lacking and f"Unable to ensure CT 103 on pve: {lacking}")
    assert needing(wanted, has_shell=False) == (), "without shell access there are no devices at all"
