"""What exists is brought in line with the catalog: only what differs, never a lost update, and as the plan said."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from tests.acceptance.scenes import (
    before,
    changes_of,
    done,
    failure_of,
    foreseen,
    foreseen_changes,
    planned,
    refused,
    stand,
    writes_to,
)
from tests.acceptance.test_inspect import cli
from tests.support.product import container, template
from tests.support.proxmox import NODE

if TYPE_CHECKING:
    from tests.support.product import Product


def redeclare(product: Product, ctid: int, **changes: Any) -> None:
    text = json.loads(product.catalog.read_text())
    text["lxc_configs"][str(ctid)] = text["lxc_configs"].get(str(ctid), {}) | changes
    product.catalog.write_text(json.dumps(text))


def puts_to(product: Product, ctid: int) -> list[set[str]]:
    """The keys of every change of a configuration."""
    asked = product.simulator.pve.requests
    return [
        set(parse_qs(body.decode())) for verb, path, body in asked if verb == "PUT" and path.endswith(f"/{ctid}/config")
    ]


def test_only_what_differs_is_sent_and_nobodys_change_is_lost(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    product.ensure(103)
    found = product.simulator.pve.ct(103)
    assert found is not None
    found.config |= {"cores": 4, "searchdomain": "lan", "rootfs": found.config["rootfs"].replace("8G", "12G")}
    redeclare(product, 103, memory_mb=1024)
    sent, written = len(puts_to(product, 103)), len(product.writes())
    before(product, "PUT", "/103/config", lambda: found.config.update(swap=64, onboot=1))
    result = product.ensure(103)
    assert puts_to(product, 103)[sent:] == [{"memory", "cores", "description", "digest"}] * 2, "the first was stale"
    assert len(product.writes()) == written + 2, "a disk that is bigger than declared stays as it is"
    assert {change.key: (change.old, change.new) for change in result.changes} == {
        "memory": ("512", "1024"),
        "cores": ("4", "1"),
    }
    config = product.config(103)
    assert [config[key] for key in ("memory", "cores", "swap", "onboot", "searchdomain")] == [
        "1024",
        "1",
        "64",
        "1",
        "lan",
    ]
    assert "size=12G" in config["rootfs"]


def test_what_cannot_be_changed_any_more_is_told_each_time(product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    assert product.ensure(103).needs_rebuild == ()
    product.declare({900: template(), 103: container(103, storage_pool="local")})
    (why,) = told = product.ensure(103, dry_run=True).needs_rebuild
    assert why.startswith(
        "CT 103 cannot become as declared: its root disk is on local-lvm, the catalog declares local, and disks are "
        "not moved. "
        "`phoenix-lxc destroy 103`, which"
    )
    planned = cli(product, "plan", "103")
    assert f"{planned.stdout}{planned.stderr}".count(why) == 1
    assert (product.ensure(103).needs_rebuild, product.ensure(103).needs_rebuild) == (told, told)


def test_what_waits_for_the_next_start_is_reported_until_then(product: Product) -> None:
    product.declare({900: template(), 103: container(103), 104: container(104)})
    product.start_worker()
    for ctid in (103, 104):
        product.ensure(ctid)
    redeclare(product, 103, pct_options=["nesting=1"])
    addressed = container(104)["network_config"] | {"nameservers": "10.0.0.53"}
    redeclare(product, 104, network_config=addressed)
    for ctid, key in ((103, "features"), (104, "nameserver")):
        result = product.ensure(ctid)
        assert (result.outcome, result.pending_restart) == ("updated", (key,))
        count = len(product.writes())
        again = product.ensure(ctid)
        assert (again.outcome, again.pending_restart) == ("unchanged", (key,))
        assert len(product.writes()) == count
        assert "POST /status/shutdown" not in writes_to(product, ctid), "never restarted unasked"
        assert product.ensure(ctid, state="stopped").outcome == "updated"
        assert product.ensure(ctid).pending_restart == ()
        assert product.config(ctid)[key] in {"nesting=1", "10.0.0.53"}
        assert product.ensure(ctid).pending_restart == ()


def test_the_power_state_is_the_catalogs_unless_the_request_says_otherwise(product: Product) -> None:
    product.declare({900: template(), 103: container(103, state="stopped"), 104: container(104)})
    product.start_worker()
    created = product.ensure(103)
    assert done(created)[-2:] == [("clone", 103), ("configure", 103)]
    assert product.status(103) == "stopped"
    assert product.ensure(103).outcome == "unchanged"
    assert done(product.ensure(103, state="running")) == [("start", 103)]
    assert done(product.ensure(103)) == [("stop", 103)]
    assert done(product.ensure(104, state="stopped")) == [("clone", 104), ("configure", 104)]
    assert done(product.ensure(104)) == [("start", 104)]
    redeclare(product, 104, state="stopped")
    assert done(product.ensure(104)) == [("configure", 104), ("stop", 104)], "the notes tell of the new declaration"


def test_a_plan_writes_nothing_and_tells_what_then_happens(product: Product) -> None:
    chained = {900: template(), 901: container(901, 900), 103: container(103, 901), 104: container(104, 900)}
    product.declare(chained)
    product.start_worker()

    def foretold(ctid: int, **options: Any) -> list[tuple[str, int]]:
        count = len(product.writes())
        dry = product.ensure(ctid, dry_run=True, **options)
        assert dry.dry_run
        assert dry.steps == ()
        plan = product.producer.plan(ctid).wait(timeout=60)
        assert len(product.writes()) == count
        result = product.ensure(ctid, **options)
        if not options:
            assert (plan.lines, plan.outcome) == (dry.plan, dry.outcome)
            assert foreseen(plan) == done(result)
            assert foreseen_changes(plan) == changes_of(result)
            assert plan.pending_restart == result.pending_restart == dry.pending_restart
        assert result.outcome == dry.outcome
        assert planned(dry.plan) == done(result)
        return done(result)

    assert [ctid for step, ctid in foretold(103) if step == "seal"] == [900, 901]
    assert foretold(103) == []
    assert foretold(104, state="stopped") == [("clone", 104), ("configure", 104)]
    redeclare(product, 104, storage_size_gb=9)
    assert foretold(104) == [("configure", 104), ("start", 104)]
    redeclare(product, 900, memory_mb=600)
    assert foretold(900) == [("configure", 900)]
    redeclare(product, 104, pct_options=["nesting=1"], memory_mb=700)
    assert foretold(104) == [("configure", 104)]
    assert foretold(104) == [], "what waits for a restart is told, and nothing is done about it"
    redeclare(product, 104, memory_mb=710)
    assert foretold(104) == [("configure", 104)], "and so it is of what changes otherwise"
    redeclare(product, 105, **container(105, 901, mac_address=None, memory_mb=1024, storage_size_gb=12))
    assert foretold(105) == [("clone", 105), ("configure", 105), ("start", 105)]
    redeclare(product, 104, memory_mb=720, state="stopped")
    assert foretold(104) == [("stop", 104), ("configure", 104)], "then nothing waits any more"


def told(product: Product, ctid: int) -> dict[str, list[tuple[str, int]]]:
    """The steps of a plan, below the line that says for what they are; nothing is written for it."""
    count = len(product.writes())
    lines = product.producer.plan(ctid, accept_not_applied=True).wait(timeout=60).lines
    assert product.ensure(ctid, dry_run=True, accept_not_applied=True).plan == lines
    assert len(product.writes()) == count
    steps: dict[str, list[str]] = {}
    for line in lines:
        if line.startswith("ensure ") or not steps:
            steps[line] = []
        if not line.startswith("ensure "):
            next(reversed(steps.values())).append(line)
    return {why: planned(tuple(lines)) for why, lines in steps.items()}


def test_a_plan_tells_first_what_would_be_ensured_first_and_nothing_twice(product: Product) -> None:
    """101 depends on 103, which depends on 105; its template 901 depends on 104; all are made of 900."""
    needed = {103: container(103, dependencies=["105"]), 104: container(104), 105: container(105)}
    templates = {900: template(), 901: container(901, 900, dependencies=["104", "1002"], features=["a"])}
    product.declare({**templates, **needed, 101: container(101, 901, dependencies=["103", "104"])})
    product.simulator.do(product.simulator.pve.add_vm, 1002, name="dc", node=NODE, status="running")
    product.start_worker()

    def made(ctid: int) -> list[tuple[str, int]]:
        return [("clone", ctid), ("configure", ctid), ("start", ctid)]

    assert told(product, 101) == {
        "ensure CT 105 first, on which CT 103 depends:": [("create", 900), ("seal", 900), *made(105)],
        "ensure CT 103 first, on which CT 101 depends:": made(103),
        "ensure CT 104 first, on which CT 101 depends:": made(104),
        "ensure CT 101 itself:": [("clone", 901), ("configure", 901), ("seal", 901), *made(101)],
    }
    told_of_templates = product.producer.plan(101, accept_not_applied=True).wait(timeout=60).templates_not_applied
    assert {ctid: len(lines) for ctid, lines in told_of_templates.items()} == {901: 1}
    product.ensure(104)
    assert list(told(product, 101)) == [
        "ensure CT 105 first, on which CT 103 depends:",
        "ensure CT 103 first, on which CT 101 depends:",
        "ensure CT 101 itself:",
    ]
    assert done(product.ensure(101, accept_not_applied=True)) == [
        ("clone", 901),
        ("configure", 901),
        ("seal", 901),
        *made(101),
    ]
    assert told(product, 101) == {}
    redeclare(product, 103, memory_mb=600)
    assert product.ensure(101, dry_run=True).outcome == "unchanged", "that is 101's own"
    assert told(product, 101) == {"ensure CT 103 first, on which CT 101 depends:": [("configure", 103)]}


def test_a_plan_fails_of_a_dependency_as_the_ensure_would(product: Product) -> None:
    needy = {103: ["1003"], 104: ["1004"], 105: ["103"], 106: ["107"]}
    entries = {ctid: container(ctid, dependencies=needs) for ctid, needs in needy.items()}
    product.declare({900: template(), **entries, 107: container(107)})
    product.simulator.do(product.simulator.pve.add_vm, 1003, name="dc2", node=NODE, status="stopped")
    stand(product, 107)
    product.start_worker()
    for ctid in needy:
        failure = failure_of(product.producer.plan(ctid))
        assert failure.cause == "dependency"
        assert (failure.message, failure.remedy) == (refused(product, ctid).message, refused(product, ctid).remedy)
