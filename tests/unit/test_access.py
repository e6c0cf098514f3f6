"""Root's keys and password: what of them is read, hashed and told, and that no secret is in any of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.actions.orders import create_order
from phoenix_worker.catalog.declaration import Secret
from phoenix_worker.core.allowed.without_shell import within_reach
from phoenix_worker.core.differs.scripts import scripts_after_making, scripts_to_run
from phoenix_worker.core.differs.unchangeable import needs_rebuild
from phoenix_worker.core.model.marker import read_marker
from phoenix_worker.core.planned.prediction import created
from tests.unit.catalog_files import clone, loaded, refusals, template, warnings

if TYPE_CHECKING:
    from pathlib import Path

    from phoenix_worker.catalog.declaration import Declaration

KEY, OTHER = "ssh-ed25519 AAAA ann@example.org", "ecdsa-sha2-nistp256 BBBB= ben"
BOTH: dict[str, Any] = {"ssh_public_keys": [KEY, f" {OTHER}  ", KEY], "password": {"file": "roots"}}


def declared(folder: Path, *, source: bool = True, **keys: Any) -> Declaration:
    configs = {"900": template(), "103": template(**keys) if source else clone(**keys)}
    return loaded(folder, configs)[103]


def test_a_container_from_an_os_template_is_created_with_them(tmp_path: Path) -> None:
    declaration = declared(tmp_path, **BOTH)
    assert declaration.needs_shell == ()
    assert [script.name for script in declaration.scripts] == ["ssh_public_keys", "password"]
    order = create_order(declaration, "c1")
    assert order.config["ssh-public-keys"] == f"{KEY}\n{OTHER}\n"
    marker = read_marker(order.config["description"])
    assert marker is not None
    assert scripts_after_making(declaration) == scripts_to_run(declaration, marker) == ()
    assert scripts_to_run(declaration, None) == declaration.access
    within = within_reach(declaration, has_shell=False, accepted=False)
    assert (within.scripts, within.access, within.not_applied) == ((), declaration.access, ())


def test_a_clone_needs_shell_access_for_them(tmp_path: Path) -> None:
    declaration = declared(tmp_path, source=False, **BOTH, features=["base"])
    assert declaration.needs_shell == ("ssh_public_keys", "password", "features")
    assert [script.name for script in scripts_after_making(declaration)] == ["ssh_public_keys", "password", "base"]


def test_what_is_changed_after_creation_is_told_where_there_is_no_shell_access(tmp_path: Path) -> None:
    before, after = declared(tmp_path, **BOTH), declared(tmp_path, **{**BOTH, "ssh_public_keys": [OTHER]})
    seen = replace(created(before), config=created(before).config | {"rootfs": "local-lvm:vm-103-disk-0,size=4G"})
    assert needs_rebuild(within_reach(before, has_shell=False, accepted=False), seen) == ()
    (why,) = needs_rebuild(within_reach(after, has_shell=False, accepted=False), seen)
    assert "its ssh_public_keys is not what the catalog declares" in why
    assert needs_rebuild(after, seen) == (), "with it, it is done"


def test_keys_may_be_in_a_file_beside_the_catalog(tmp_path: Path) -> None:
    (tmp_path / "staff.pub").write_text(f"# staff\n\n{KEY}\r\n{OTHER}\n")
    declaration = declared(tmp_path, ssh_public_keys="staff.pub")
    assert declaration.access[0].given == f"{KEY}\n{OTHER}\n"
    assert declaration.access[0].hash == declared(tmp_path, ssh_public_keys=[KEY, OTHER]).access[0].hash
    (tmp_path / "staff.pub").write_text(f"{KEY}\nssh-ed25519\nnothing\n")
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(ssh_public_keys="staff.pub")}})
    assert refusal.problem == '"staff.pub": lines 2, 3 are no public SSH key.'


def test_a_file_with_keys_that_is_not_there_is_a_warning_and_then_refused(tmp_path: Path) -> None:
    (advice,) = warnings(tmp_path, {"103": template(ssh_public_keys="gone.pub")})
    assert advice.problem == "gone.pub not found beside the catalog."
    declaration = declared(tmp_path, ssh_public_keys="gone.pub")
    for has_shell, accepted in ((True, False), (False, False), (False, True)):
        with pytest.raises(Exception, match=r"gone\.pub not found beside the worker's catalog"):
            within_reach(declaration, has_shell=has_shell, accepted=accepted)


def test_the_place_of_a_password_is_hashed_and_not_the_password(tmp_path: Path) -> None:
    (tmp_path / "roots").write_text("first secret")
    first = declared(tmp_path, **BOTH)
    (tmp_path / "roots").write_text("second secret")
    assert declared(tmp_path, **BOTH).hash == first.hash
    assert declared(tmp_path, password={"env": "ROOTS"}).access[0].secret == Secret(env="ROOTS")
    assert declared(tmp_path, **{**BOTH, "password": {"env": "ROOTS"}}).hash != first.hash


@pytest.mark.parametrize(
    "value",
    [
        *("hunter2", ["hunter2"], 5, {"value": "hunter2"}, {"env": "hunter2 hunter2"}, {"env": "hunter2", "file": "f"}),
        *({}, {"env": "PHOENIX_PROXMOX_TOKEN_VALUE"}, {"file": "hunter2\n"}, {"file": 1}),
    ],
)
def test_a_password_is_never_in_the_catalog_and_never_quoted(tmp_path: Path, value: object) -> None:
    told = refusals(tmp_path, {"lxc_configs": {"103": template(password=value)}})
    for refusal in told:
        assert "hunter2" not in f"{refusal.problem} {refusal.remedy}"
        assert refusal.remedy == 'Write {"env": NAME} or {"file": PATH}: the catalog holds no secrets.'


@pytest.mark.parametrize(
    ("value", "problem", "remedy"),
    [
        (
            [KEY, "ssh-ed25519 AAAAA"],
            "has as key 2 what is not a public SSH key",
            "Write the one line of the .pub file",
        ),
        (['restrict,command="x" ' + KEY], "has as key 1 what is not a public SSH key", "Write the one line"),
        ([5], "has as key 1 what is not a public SSH key", "Write the one line"),
        (KEY, "is a key, and no file", f'Write keys in a list: ["{KEY}"].'),
        (f"{KEY}\n{OTHER}", "is a key, and no file", f'Write keys in a list: ["{KEY}", "{OTHER}"].'),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "is not a file name", "Name a file beside the catalog"),
        ({"file": "x"}, "is neither a list nor a file name", "Write a list of public keys, or name a file."),
    ],
)
def test_what_is_no_public_key_is_refused(tmp_path: Path, value: object, problem: str, remedy: str) -> None:
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(ssh_public_keys=value)}})
    assert refusal.problem.startswith("ssh_public_keys")
    assert problem in refusal.problem
    assert remedy in refusal.remedy


def test_a_feature_with_the_name_of_what_we_set_is_refused_beside_it_alone(tmp_path: Path) -> None:
    (refusal,) = refusals(
        tmp_path, {"lxc_configs": {"103": template(features=["password"], password={"env": "ROOTS"})}}
    )
    assert refusal.problem == "A feature is named password, as what is set by password."
    assert loaded(tmp_path, {"103": template(features=["password"])})
