"""`check`, `plan` and `ensure` know what the datacenter has by name before anything is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import failure_of, notes, stand
from tests.acceptance.test_converging import redeclare
from tests.integration.test_check import EVERYTHING, found, lines, prepared
from tests.support.product import container, template
from tests.support.proxmox import TOKEN_ID

if TYPE_CHECKING:
    from tests.support.product import Product

__all__ = ["prepared"]


IN = {"type": "in", "action": "ACCEPT"}


def walled(*rules: dict[str, str]) -> dict[str, Any]:
    return {"firewall": {"enabled": True, "rules": [one if "group" in one else IN | one for one in rules]}}


def make(product: Product, kind: str, *names: str) -> None:
    conf = product.simulator.pve.firewall_config("cluster")
    for name in names:
        entry = {"name": name, "cidr": "10.1.0.0/16", "ipversion": 4} if kind == "aliases" else []
        product.simulator.do(conf[kind].__setitem__, name, entry)


NAMED = [
    ({"source": "+mgmt"}, "warning", "IP set mgmt", "ipset --name mgmt"),
    ({"source": "+dc/mgmt"}, "error", "IP set mgmt", "ipset --name mgmt"),
    ({"dest": "dc/Lan"}, "error", "Alias Lan", "aliases --name Lan --cidr"),
    ({"group": "web"}, "error", "Security group web", "groups --group web"),
]


def test_a_name_in_a_firewall_that_there_is_none_of_is_found(prepared: Product) -> None:
    for rule, level, about, command in NAMED:
        prepared.declare({900: template(), 103: container(103, **walled(rule))})
        text, remedy = found(level, about, code=0 if level == "warning" else 1)
        assert "the firewall of CT 103 names it" in text
        assert f"pvesh create /cluster/firewall/{command}" in remedy
    prepared.declare({900: template(), 103: container(103, **walled(*(rule for rule, *_ in NAMED)))})
    for kind in ("ipset", "groups", "aliases"):
        make(prepared, kind, "mgmt", "web", "lan")
    assert {line["about"] for line in lines(0)} == {"Workers"}


def test_what_the_datacenter_does_not_answer_is_no_silence(prepared: Product) -> None:
    prepared.declare({900: template(), 103: container(103, **walled({"dest": "dc/lan"}))})
    make(prepared, "aliases", "lan")
    fail = prepared.simulator.pve.fail
    for path in ("/cluster/options", "/cluster/firewall/refs", "/cluster/firewall/groups"):
        prepared.simulator.do(fail, "GET", path, 500, "the file is broken", times=1)
        text, remedy = found("error", "Datacenter")
        assert text.endswith("the file is broken."), path
        assert remedy
    prepared.simulator.do(fail, "GET", "/cluster/firewall/refs", 501, "no such call", times=1)
    assert {line["about"] for line in lines(0)} == {"Workers"}, "an older Proxmox does not have it"


@pytest.mark.long
def test_nothing_is_made_of_what_names_nothing(prepared: Product) -> None:
    rules: dict[int, dict[str, str]] = {103 + number: rule for number, (rule, *_) in enumerate(NAMED)}
    clones = {ctid: container(ctid, **walled(rule)) for ctid, rule in rules.items()}
    alone = template(901, is_template=True, **walled({"source": "+dc/mgmt"}))
    prepared.declare({900: template(), 901: alone, **clones})
    prepared.start_worker(PHOENIX_SCRATCH_CTIDS="9000-9099")
    for ctid in (*clones, 901):
        for handle in (prepared.producer.ensure(ctid), prepared.producer.plan(ctid)):
            failure = failure_of(handle)
            assert failure.cause == "firewall-name-missing", failure
            assert "pvesh create /cluster/firewall/" in failure.remedy
    assert failure_of(prepared.producer.rebuild(901)).cause == "firewall-name-missing"
    assert prepared.writes() == []
    prepared.simulator.add_template(900, description=notes(900, "template"))
    own = prepared.simulator.pve.firewall_config("ct", vmid=900)
    prepared.simulator.do(own["ipset"].__setitem__, "mgmt", [])
    assert prepared.ensure(103).outcome == "created", "the firewall of its template has it"
    assert prepared.ensure(103).outcome == "unchanged"
    redeclare(prepared, 103, **walled({"source": "+mgmt"}, {"dest": "lan"}))
    written = len(prepared.writes())
    assert failure_of(prepared.producer.ensure(103)).cause == "firewall-name-missing"
    assert len(prepared.writes()) == written
    make(prepared, "aliases", "lan")
    assert prepared.ensure(103).outcome == "updated"


@pytest.mark.long
def test_a_tag_that_only_administrators_may_set_is_found_before_anything_is_made(prepared: Product) -> None:
    pve = prepared.simulator.pve
    prepared.declare({900: template(), 103: container(103, tags=["Prod"])})
    prepared.start_worker()
    for values, tag in (
        ({"registered_tags": frozenset({"Prod"})}, "Prod"),
        ({"registered_tags": frozenset(), "tags_free": False}, "phoenix"),
    ):
        prepared.simulator.set(pve, **values)
        text, remedy = found("error", f"Tag {tag}")
        assert text.startswith("only administrators may set it, and CT ")
        assert f"add the tag '{tag}' to `user-allow-list`" in remedy
        for handle in (prepared.producer.ensure(103), prepared.producer.plan(103)):
            assert failure_of(handle).cause == "tag-not-allowed"
        assert prepared.writes() == []
    stand(prepared, 888, tags="Prod;phoenix")
    assert prepared.ensure(103).outcome == "created", "a guest has them, and existing ones may be set"
    redeclare(prepared, 103, tags=["Prod", "new"])
    assert failure_of(prepared.producer.ensure(103)).cause == "tag-not-allowed"
    redeclare(prepared, 103, tags=["Prod"], memory_mb=640)
    prepared.simulator.set(pve, registered_tags=frozenset({"phoenix"}))
    assert prepared.ensure(103).outcome == "updated", "what stays as it is may be registered"
    new = {104: container(104), 105: container(105, tags=["new"])}
    prepared.declare({900: template(), 103: container(103, tags=["Prod"]), **new})
    assert failure_of(prepared.producer.ensure(105)).cause == "tag-not-allowed"
    assert prepared.producer.plan(104).wait(timeout=60).outcome == "created"
    assert prepared.ensure(104).outcome == "created", "it has the tag from its template"
    prepared.simulator.set(pve, acl={TOKEN_ID: [("/", EVERYTHING | {"Sys.Modify"})]})
    assert {line["about"] for line in lines(0)} & {"Tag phoenix", "Tag Prod"} == set()


@pytest.mark.long
def test_replication_jobs_are_found_since_nothing_with_one_is_deleted(prepared: Product) -> None:
    prepared.simulator.set(prepared.simulator.pve, replicated=frozenset({103, 555}))
    text, remedy = found("warning", "Replication", code=0)
    assert text == "CT 103: replication jobs 103-0; what has one is neither destroyed nor rebuilt"
    assert remedy.endswith("pvesr delete 103-0")
    stand(prepared, 103, running=True, description=notes(103))
    prepared.start_worker()
    failure = failure_of(prepared.producer.destroy(103))
    assert (failure.cause, prepared.status(103)) == ("replicated", "running")
