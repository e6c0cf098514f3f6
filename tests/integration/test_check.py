"""`phoenix-lxc check` against a real Redis and the simulated cluster: each fault that is put there is found."""

from __future__ import annotations

import json
import os
import re
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.check.env_file import secrets_in
from tests.acceptance.scenes import stand
from tests.support.cli import invoke
from tests.support.node_typing import type_line
from tests.support.product import container, template
from tests.support.proxmox import NODE, TOKEN_ID
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.product import Product
    from tests.support.strict_pve import StrictPve

USER = "phoenix@pve"
ROLE_IN_README = (ROOT / "README.md").read_text().partition('--privs "')[2].partition('"')[0]
EVERYTHING = frozenset(re.findall(r"\b[A-Z]+[A-Za-z]*\.[A-Za-z.]+", ROLE_IN_README))
"""As README.md gives it."""


@pytest.fixture
def prepared(product: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Product:
    """A small catalog, a token with exactly the documented privileges, and the settings of a worker."""
    product.declare({900: template(900), 103: container(103)})
    product.simulator.set(product.simulator.pve, acl={TOKEN_ID: [("/", set(EVERYTHING))]})
    for name in os.environ:
        if name.upper().startswith("PHOENIX_"):
            monkeypatch.delenv(name)
    for name, value in product.environ().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return product


def lines(code: int) -> list[dict[str, str]]:
    """Run the command for programs; what is not in order."""
    done = invoke("check", "--json")
    assert done.exit_code == code, done.output
    report = json.loads(done.stdout)
    assert report["ok"] is (code == 0)
    return [line for line in report["lines"] if line["level"] != "ok"]


def found(level: str, about: str, code: int = 1) -> tuple[str, str]:
    """Run it; the text and the remedy of the one line that must be there."""
    said = lines(code)
    found = [line for line in said if line["about"] == about and line["level"] == level]
    assert len(found) == 1, said
    (line,) = found
    assert line["remedy"]
    return line["text"], line["remedy"]


def test_a_cluster_in_order_has_nothing_to_say_but_its_worker(prepared: Product) -> None:
    """The documented privileges are enough; the worker tells version and catalog."""
    prepared.start_worker()
    assert lines(0) == []
    done = invoke("check")
    assert done.exit_code == 0
    assert "ok       Workers: 1: w1@test" in done.stdout
    assert "ok       Versions: " in done.stdout
    assert "ok       Catalog of the workers: the same as here" in done.stdout
    assert f"ok       Proxmox privileges: {TOKEN_ID} has all 13 required privileges" in done.stdout
    assert prepared.writes() == []
    prepared.declare({900: template(900), 103: container(103, memory_mb=1024)})
    # Seen before the worker looks at the file again: it does so when it is asked, too.
    assert lines(0) == []


def test_no_worker_is_a_warning(prepared: Product) -> None:  # noqa: ARG001 - its environment
    assert found("warning", "Workers", 0) == ("none runs: requests wait in Redis", "phoenix-lxc worker")


def test_what_was_adopted_needs_neither_the_default_storage_nor_its_os_template(prepared: Product) -> None:
    adopted = container(103, None, template="local:vztmpl/gone.tar.zst", storage_pool=None, storage_size_gb=None)
    prepared.declare({103: adopted})
    alter("local", content="iso,vztmpl")(prepared.simulator.pve)
    assert found("error", f"Storage local on {NODE}")[0].startswith("takes no containers")
    stand(prepared, 103)
    assert [line["level"] for line in lines(0)] == ["warning"] * 3, "no worker; and it could not be made again"


def grant(*privileges: str) -> Callable[[StrictPve], None]:
    def change(pve: StrictPve) -> None:
        pve.acl = {TOKEN_ID: [("/", set(privileges))]}

    return change


def alter(name: str, **values: Any) -> Callable[[StrictPve], None]:
    return lambda pve: pve.storages[name].update(values)


TOPS = ("/vms", "/nodes", "/storage", "/sdn")
GRANT = f"--users {USER} --tokens '{TOKEN_ID}' --roles Phoenix"


@pytest.mark.parametrize(
    ("fault", "level", "about", "text", "remedy"),
    [
        (lambda pve: pve.lose_quorum(), "error", "Proxmox quorum", "lost", "pvecm status"),
        (
            lambda pve: setattr(pve, "acl", {TOKEN_ID: [(top, set(EVERYTHING)) for top in TOPS]}),
            "warning",
            "Proxmox quorum",
            "the token lacks a privilege",
            "Sys.Audit on /",
        ),
        (lambda pve: setattr(pve, "bridges", {"vmbr1"}), "error", f"Bridge vmbr0 on {NODE}", "103", "sees: vmbr1"),
        (
            lambda pve: setattr(pve, "certificate_days", None),
            "error",
            f"Node {NODE}",
            "not as documented (",
            "with no proxy in between",
        ),
        (lambda pve: setattr(pve, "clock_ahead", -61), "warning", f"Clock of {NODE}", "61 s behind", "set-ntp"),
        (lambda pve: setattr(pve, "certificate_days", 3), "warning", f"Certificate of {NODE}", "3 days", "updatecerts"),
        (alter("local-lvm", disable=1), "error", f"Storage local-lvm on {NODE}", "is disabled", "--disable 0"),
        (alter("local-lvm", nodes="pve9"), "error", f"Storage local-lvm on {NODE}", "is for pve9 only", "--nodes"),
        (
            alter("local", disable=1),
            "error",
            f"OS template local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst on {NODE}",
            "the storage local is disabled",
            "--disable 0",
        ),
        (alter("local-lvm", active=0), "error", f"Storage local-lvm on {NODE}", "not online", "pvesm status"),
        (
            alter("local-lvm", content="images"),
            "error",
            f"Storage local-lvm on {NODE}",
            "takes no containers",
            "pvesm set local-lvm --content images,rootdir",
        ),
        (alter("local-lvm", avail=1 << 30), "warning", f"Storage local-lvm on {NODE}", "8 GiB", "Free some space"),
        (
            lambda pve: pve.storages.pop("local-lvm"),
            "error",
            f"Storage local-lvm on {NODE}",
            "not there",
            "storage_pool",
        ),
        (
            lambda pve: pve.storages["local"]["volumes"].clear(),
            "error",
            f"OS template local:vztmpl/ubuntu-24.04-standard_24.04-2_amd64.tar.zst on {NODE}",
            "not there",
            "pveam available",
        ),
        (grant(), "error", "Proxmox privileges", "lacks", 'pveum role add Phoenix --privs "Datastore.AllocateSpace'),
        (
            grant(*(set(EVERYTHING) - {"VM.Clone"})),
            "error",
            "Proxmox privileges",
            f"{TOKEN_ID} lacks VM.Clone on /vms/900",
            f'pveum role modify Phoenix --privs "VM.Clone" --append 1; pveum acl modify /vms {GRANT}',
        ),
        (
            grant(*(set(EVERYTHING) - {"VM.PowerMgmt"})),
            "error",
            "Proxmox privileges",
            "lacks VM.PowerMgmt on /vms/103, /vms/900",
            f"pveum acl modify /vms {GRANT}",
        ),
        (
            grant(*(set(EVERYTHING) - {"SDN.Use"})),
            "error",
            "Proxmox privileges",
            "lacks SDN.Use on /sdn/zones/localnetwork/vmbr0",
            f"pveum acl modify /sdn/zones/localnetwork/vmbr0 {GRANT}",
        ),
        (lambda pve: pve.apitokens.clear(), "error", "Proxmox", "Unable to ask Proxmox", "PHOENIX_PROXMOX_TOKEN_VALUE"),
    ],
    ids=lambda value: value if isinstance(value, str) and " " in value else "",
)
def test_a_fault_of_proxmox_is_found(
    prepared: Product, fault: Callable[[StrictPve], None], level: str, about: str, text: str, remedy: str
) -> None:
    prepared.simulator.do(fault, prepared.simulator.pve)
    said = [line for line in lines(0 if level == "warning" else 1) if line["about"] == about]
    assert said, about
    assert text in "".join(line["text"] for line in said)
    assert remedy in "".join(line["remedy"] for line in said)
    typed: list[str] = [found for line in said for found in re.findall(r"pvesm set .+", line["remedy"])]
    for command in typed:
        type_line(prepared.simulator, command)
    assert not typed or about not in {line["about"] for line in lines(0)}


def test_a_catalog_that_is_refused_here_is_not_said_to_be_the_workers(prepared: Product, tmp_path: Path) -> None:
    prepared.start_worker()
    refused = tmp_path / "refused.json"
    refused.write_text("{")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PHOENIX_CATALOG", str(refused))
        found("error", "Catalog")
        text, remedy = found("warning", "Catalog of the workers")
    assert "the one here is refused" in text
    assert "Correct the catalog here" in remedy


def test_a_node_that_is_not_there_is_found(prepared: Product) -> None:
    prepared.declare({900: template(900, node="pve9"), 103: container(103)})
    text, remedy = found("error", "Node pve9")
    assert "catalog wants 900 there" in text
    assert f"There are: {NODE}" in remedy
    assert remedy.endswith(f"Did you mean {NODE}?")


def test_what_may_be_on_several_nodes_is_placed_for_the_check(prepared: Product) -> None:
    prepared.declare({900: template(900, node=[NODE, "pve22"]), 103: container(103, node="any")})
    prepared.start_worker()
    text, remedy = found("warning", "Node pve22", 0)
    assert "names it for 900" in text
    assert remedy.endswith(f"Did you mean {NODE}?")
    assert "ok       Placement: 2 catalog entries may be on several nodes" in invoke("check").stdout
    prepared.declare({900: template(900), 103: container(103, node="any", memory_mb=9000)})
    text, _ = found("error", "Placement of CT 103")
    assert f"no node can take it: {NODE}: memory has 6.0 GiB left, and it needs 8.8 GiB" in text


@pytest.mark.usefixtures("prepared")
def test_a_certificate_that_is_not_trusted_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PHOENIX_PROXMOX_CA_FILE")
    text, remedy = found("error", "Proxmox")
    assert "certificate" in text
    assert "PHOENIX_PROXMOX_CA_FILE" in remedy


def test_linked_clones_on_a_storage_without_them_are_found(prepared: Product) -> None:
    prepared.declare(
        {900: template(900, storage_pool="local-dir"), 103: container(103, clone="linked", storage_pool=None)}
    )
    text, remedy = found("error", f"Storage local-dir on {NODE}")
    assert "103 are declared so" in text
    assert '"clone": "full"' in remedy


def test_a_catalog_that_is_refused_is_told_with_each_reason(prepared: Product) -> None:
    prepared.declare({103: container(103, clone_from_ctid=777), 104: container(104, memory_mb=-1)})
    said = [line["text"] for line in lines(1) if line["about"] == "Catalog"]
    assert len(said) == 3
    assert any("777" in text for text in said)


@pytest.mark.parametrize(
    ("content", "secrets"),
    [
        ("PHOENIX_PATIENCE=7\nPHOENIX_REDIS_URL=redis://127.0.0.1:6379/0\n", []),
        ("PHOENIX_PROXMOX_TOKEN_VALUE_FILE=/etc/token\nPHOENIX_REDIS_PASSWORD_FILE=/etc/password\n", []),
        ("PHOENIX_REDIS_PASSWORD=\n", []),
        ("PHOENIX_REDIS_URL=redis://:secret@127.0.0.1/0\n", ["PHOENIX_REDIS_URL"]),
        ("PHOENIX_REDIS_URL=sentinel://a,b/main/0?sentinel_password=secret\n", ["PHOENIX_REDIS_URL"]),
        ("phoenix_redis_password='secret'\n", ["phoenix_redis_password"]),
        (
            "PHOENIX_PROXMOX_TOKEN_VALUE=x\nPHOENIX_REDIS_URL=what\n",
            ["PHOENIX_PROXMOX_TOKEN_VALUE", "PHOENIX_REDIS_URL"],
        ),
    ],
)
def test_a_secret_in_the_env_file_is_told_from_the_name_of_its_file(
    content: str, secrets: list[str], tmp_path: Path
) -> None:
    """docs/getting-started.md has root open the file to all once its secrets are in files of their own."""
    (tmp_path / ".env").write_text(content)
    assert secrets_in(tmp_path / ".env") == secrets


def test_a_script_that_is_not_there_is_found(prepared: Product) -> None:
    prepared.declare({900: template(900, features=["base_setup"]), 103: container(103)})
    said = [line for line in lines(1) if line["about"] == "Catalog"]
    assert [(line["level"], "features/base_setup.sh" in line["text"]) for line in said] == [("error", True)]
    (prepared.catalog.parent / "features").mkdir()
    (prepared.catalog.parent / "features" / "base_setup.sh").write_text("#!/bin/sh\n")
    assert [line["about"] for line in lines(1) if line["level"] == "error"] == ["Shell access"]


def test_what_needs_the_node_shell_is_found_without_one(prepared: Product) -> None:
    prepared.declare({900: template(900), 103: container(103, lxc_options=["lxc.mount.auto:sys:rw"])})
    text, remedy = found("error", "Shell access")
    assert text.startswith("is needed for lxc_options of CT 103")
    assert "PHOENIX_SHELL=ssh" in remedy
    assert "check --accept-not-applied" in remedy
    accepted = json.loads(invoke("check", "--accept-not-applied", "--json").stdout)
    (line,) = [line for line in accepted["lines"] if line["about"] == "Shell access"]
    assert (accepted["ok"], line["level"]) == (True, "ok")
    assert line["text"] == "none, as accepted: lxc_options of CT 103 are not applied"
    prepared.declare({900: template(900), 103: container(103, lxc_options=["lxc.nosuch.key:1"])})
    text, _ = found("warning", "Catalog", code=0)
    assert text == "CT 103: lxc.nosuch.key has no effect: Proxmox knows no such raw key.", "once"


@pytest.mark.parametrize(
    ("program", "level", "words"),
    [
        ("exit 0", "ok", "runs there as root"),
        ("echo no root >&2; exit 13", "error", "ended with 13 there: no root"),
    ],
)
def test_the_node_shell_is_tried(
    prepared: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, program: str, level: str, words: str
) -> None:
    assert prepared.catalog
    (tmp_path / "pct").write_text(f'#!/bin/sh\n[ "$*" = list ] || exit 99\n{program}\n')
    (tmp_path / "pct").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PHOENIX_SHELL", "local")
    report = json.loads(invoke("check", "--json").stdout)
    (line,) = [line for line in report["lines"] if line["about"] == f"Shell access to {NODE}"]
    assert (line["level"], words in line["text"]) == (level, True), line


def test_settings_that_are_wrong_are_told_and_nothing_else(prepared: Product, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PHOENIX_PROXMOX_TOKEN_VALUE")
    monkeypatch.setenv("PHOENIX_PATIENCE", "long")
    said = lines(1)
    assert [line["about"] for line in said] == ["Settings", "Settings"]
    assert {line["text"].partition(":")[0] for line in said} == {"PHOENIX_PROXMOX_TOKEN_VALUE", "PHOENIX_PATIENCE"}
    assert prepared.calls() == []


def test_the_token_shows_nowhere(prepared: Product) -> None:
    secret = prepared.environ()["PHOENIX_PROXMOX_TOKEN_VALUE"]
    prepared.simulator.do(prepared.simulator.pve.apitokens.clear)
    assert secret not in invoke("check").output + invoke("check", "--json").output
