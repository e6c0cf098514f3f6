"""What refusals say to do is done as it is printed, on the command line and on the node, and refused it is no more."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from phoenix_producer.cli import upkeep_commands
from phoenix_producer.cli.phoenix_lxc import app
from tests.acceptance.scenes import done, failure_of, notes, refused, stand
from tests.acceptance.test_migrating import cluster
from tests.acceptance.test_rebuilding import SCRATCH
from tests.support.node_typing import type_on_node
from tests.support.product import container, template

if TYPE_CHECKING:
    from typing import Any

    from tests.support.product import Product

OTHER = "pve2"
ZFS: dict[str, Any] = {"storage_pool": "local-zfs"}
pytestmark = pytest.mark.long


def type_ours(product: Product, text: str) -> list[str]:
    """Type each command of ours that a text prints, and confirm."""
    commands: list[str] = re.findall(r"`phoenix-lxc ([^`]+)`", text)
    for command in commands:
        words = shlex.split(command)
        confirmed = "y\n" if words[0] == "adopt" else "\n".join(words[1:]) + "\n"
        typed = CliRunner().invoke(app, ["--redis-url", product.redis_url, *words], input=confirmed)
        assert typed.exit_code == 0, (command, typed.output)
    return commands


@pytest.fixture(autouse=True)
def somebody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upkeep_commands, "somebody_is_there", lambda: True)


def test_our_own_commands_remove_their_complaint(product: Product) -> None:
    cluster(product)
    catalog = {
        900: template(),
        902: template(902, **ZFS),
        103: container(103, protection=True),
        104: container(104, ha=True, state="stopped"),
        105: container(105, state="stopped"),
        106: container(106, 902, clone="linked", state="stopped", **ZFS),
        107: container(107, 902, clone="linked", state="stopped", **ZFS),
    }
    product.declare(catalog)
    product.start_worker(**SCRATCH)
    product.producer.ensure_many([103, 104, 106, 107]).wait(timeout=60)

    absent = failure_of(product.producer.migrate(105, to=OTHER))
    assert (absent.cause, type_ours(product, absent.remedy)) == ("absent", ["ensure 105"])
    assert product.producer.migrate(105, to=OTHER).wait(timeout=60).node == OTHER

    kept = {103: failure_of(product.producer.destroy(103)), 104: failure_of(product.producer.destroy(104))}
    assert {ctid: failure.cause for ctid, failure in kept.items()} == {103: "protected", 104: "ha-managed"}
    local = failure_of(product.producer.migrate(106, to=OTHER))
    assert (local.cause, local.ctid) == ("linked-clone-local", 106)
    catalog |= {103: container(103, protection=False), 104: container(104, ha=False, state="stopped")}
    product.declare(catalog | {106: container(106, 902, state="stopped", **ZFS)})
    for ctid, failure in kept.items():
        assert type_ours(product, failure.remedy) == [f"ensure {ctid}"]
        assert product.producer.destroy(ctid).wait(timeout=60).outcome == "destroyed"
    assert type_ours(product, local.remedy) == ["destroy 106"]
    assert product.ensure(106).outcome == "created"
    assert product.producer.migrate(106, to=OTHER).wait(timeout=60).node == OTHER

    again = failure_of(product.producer.rebuild(107))
    assert (again.cause, type_ours(product, again.remedy)) == ("not-a-template", ["destroy 107", "ensure 107"])
    assert product.status(107) == "stopped"
    used = failure_of(product.producer.destroy(902))
    assert (used.cause, type_ours(product, used.remedy)) == ("has-linked-clones", ["destroy 107"])
    assert product.producer.destroy(902).wait(timeout=60).outcome == "destroyed"

    product.declare(catalog | {900: template(memory_mb=2048)})
    (older,) = product.producer.drift([900]).wait(timeout=60)
    assert type_ours(product, " ".join(older.outdated)) == ["ensure 900"]
    (newer,) = product.producer.drift([900]).wait(timeout=60)
    assert newer.outdated == ()


def test_storages_are_allowed_and_volumes_moved_as_printed(product: Product) -> None:
    """Of what runs, nothing is moved before it is stopped."""
    cluster(product)
    pve, do = product.simulator.pve, product.simulator.do
    do(pve.storages.__setitem__, "thick", pve.storages["local-lvm"] | {"type": "lvm"})
    do(pve.storages["local"].update, {"content": "iso"})
    product.declare({900: template(), 903: template(903), 103: container(103, state="stopped")})
    stand(product, 900, running=True, rootfs="thick:vm-900-disk-0,size=8G", description=notes(900, "template"))
    product.start_worker()

    takes_none = refused(product, 903)
    assert takes_none.cause == "storage-content"
    assert type_on_node(product.simulator, takes_none.remedy) == ["pvesm set local --content iso,vztmpl"]
    assert product.ensure(903).outcome == "created"

    thick = refused(product, 900)
    assert thick.cause == "template-unavailable"
    assert type_on_node(product.simulator, thick.remedy, STORAGE="local-lvm") == [
        "pct shutdown 900",
        "pct move-volume 900 rootfs STORAGE",
    ]
    assert done(product.ensure(103))[0] == ("seal", 900)

    do(pve.storages["local-lvm"].update, {"nodes": "pve1"})
    elsewhere = failure_of(product.producer.migrate(103, to=OTHER))
    assert elsewhere.cause == "storage-offline"
    assert type_on_node(product.simulator, elsewhere.remedy) == ["pvesm set local-lvm --nodes pve1,pve2"]
    assert product.producer.migrate(103, to=OTHER).wait(timeout=60).node == OTHER


def test_half_a_template_is_made_whole_as_printed(product: Product) -> None:
    product.declare({900: template(), 901: template(901), 103: container(103), 104: container(104, 901)})
    for ctid in (900, 901):
        stand(product, ctid)
    pve, do = product.simulator.pve, product.simulator.do
    do(pve.ct(900).config.update, {"template": 1})
    do(pve.ct(901).config.update, {"rootfs": "local-lvm:base-901-disk-0,size=8G"})
    product.start_worker()
    commands = {900: "pct set 900 --delete template", 901: "pct set 901 --template 1"}
    for ctid, command in commands.items():
        half = refused(product, ctid)
        assert (half.cause, type_on_node(product.simulator, half.remedy)) == ("broken-seal", [command])
        whole = refused(product, ctid)
        assert (whole.cause, type_ours(product, whole.remedy)) == ("not-ours", [f"adopt {ctid}"])
        assert product.ensure(ctid).outcome in {"unchanged", "updated"}


def test_names_of_the_firewall_are_made_as_printed(product: Product) -> None:
    named = {
        103: {"source": "+dc/mgmt", "type": "in", "action": "ACCEPT"},
        104: {"dest": "dc/lan", "type": "in", "action": "ACCEPT"},
        105: {"group": "web"},
    }
    clones = {
        ctid: container(ctid, state="stopped", firewall={"enabled": True, "rules": [rule]})
        for ctid, rule in named.items()
    }
    product.declare({900: template(), **clones})
    product.start_worker()
    for ctid in clones:
        unknown = refused(product, ctid)
        assert unknown.cause == "firewall-name-missing"
        type_on_node(product.simulator, unknown.remedy, ADDRESS="10.1.0.0/16")
        assert product.ensure(ctid).outcome == "created"
