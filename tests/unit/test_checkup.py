"""What a checkup makes of facts. That the facts are read right: `integration/test_check.py`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.declaration import Network, Volume
from phoenix_worker.core.allowed.grants import Need
from phoenix_worker.core.checkup import cluster, privileges, redis, workers
from phoenix_worker.core.checkup.line import Level, listed
from phoenix_worker.core.checkup.workers import WorkerFacts
from tests.support.declared import DECLARED, MINIMAL

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.checkup.line import Line

SOUND = redis.RedisFacts(
    product="Valkey 9.1.2",
    compatible=(7, 2, 4),
    config={"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"},
)
TOKEN = "phoenix@pve!worker"


def declared(ctid: int, **more: Any) -> Declaration:
    """A root, unless it says what it is cloned from."""
    return replace(DECLARED, ctid=ctid, **{"clone_from": None, **more})


def not_in_order(lines: Iterable[Line]) -> list[tuple[str, str]]:
    """Level and subject of what is not in order; each of it must have a remedy, and nothing else one."""
    said = list(lines)
    assert all(bool(line.remedy) is (line.level is not Level.OK) for line in said)
    return [(line.level.value, line.about) for line in said if line.level is not Level.OK]


def test_a_sound_redis_is_in_order() -> None:
    assert not_in_order(redis.judge(SOUND)) == []
    assert not_in_order(redis.judge(replace(SOUND, local=False, encrypted=True, password=True))) == []


@pytest.mark.parametrize(
    ("fault", "level", "about"),
    [
        ({"compatible": (6, 2, 14)}, "warning", "Redis version"),
        ({"clustered": True}, "error", "Redis role"),
        ({"role": "slave"}, "error", "Redis role"),
        ({"config": None}, "warning", "Redis settings"),
        ({"config": {"appendonly": "no"}}, "error", "Redis persistence"),
        ({"config": {"appendonly": "yes", "appendfsync": "no"}}, "warning", "Redis persistence"),
        ({"config": {"maxmemory-policy": "volatile-lru"}}, "error", "Redis eviction"),
        ({"append_only_works": False}, "error", "Redis persistence"),
        ({"used_bytes": 90, "limit_bytes": 100}, "warning", "Redis memory"),
        ({"clock_ahead_s": 30.0}, "warning", "Redis clock"),
        ({"clock_ahead_s": -30.0}, "warning", "Redis clock"),
        ({"local": False, "password": True}, "warning", "Redis encryption"),
        ({"local": False, "encrypted": True}, "warning", "Redis password"),
        ({"forbidden": ("run scripts",)}, "error", "Redis user"),
    ],
)
def test_each_fault_of_redis_is_one_line(fault: dict[str, Any], level: str, about: str) -> None:
    assert not_in_order(redis.judge(replace(SOUND, **fault))) == [(level, about)]


ONE = WorkerFacts("w1@a", "1.0", "aaaa")


@pytest.mark.parametrize(
    ("alive", "said", "wrong"),
    [
        (1, [ONE], []),
        (0, [], [("warning", "Workers")]),
        (2, [ONE], [("warning", "Workers")]),
        (1, [replace(ONE, version="0.9")], [("warning", "Versions")]),
        (1, [replace(ONE, catalog="")], [("error", "Catalog of the workers")]),
        (1, [replace(ONE, catalog="bbbb")], [("warning", "Catalog of the workers")]),
        (2, [ONE, replace(ONE, name="w2@a", catalog="bbbb")], [("error", "Catalog of the workers")]),
    ],
)
def test_workers_that_do_not_fit_are_told(alive: int, said: list[WorkerFacts], wrong: list[tuple[str, str]]) -> None:
    assert not_in_order(workers.judge_workers(alive, said, version="1.0", catalog="aaaa")) == wrong


@pytest.mark.parametrize(("version", "wrong"), [("8.4.1", []), ("9.2.10", []), ("7.4-3", ["Proxmox version"])])
def test_versions_of_proxmox_that_were_not_tried_are_told(version: str, wrong: list[str]) -> None:
    assert [about for _, about in not_in_order([cluster.judge_version(version)])] == wrong


def test_a_storage_without_os_templates_is_told() -> None:
    catalog = {900: declared(900, os_template="store:vztmpl/x.tar.zst")}
    store = cluster.Storage("store", "dir", frozenset({"iso"}), free_gib=100.0)
    node = cluster.NodeFacts("pve1", storages={"store": store}, appliances=frozenset({"x.tar.zst"}))
    said = [line for line in cluster.judge_node(node, catalog, catalog) if line.about.startswith("OS template")]
    assert [line.remedy for line in said] == ["pvesm set store --content iso,vztmpl"]
    able = replace(store, content=frozenset({"iso", "vztmpl"}))
    said = list(cluster.judge_node(replace(node, storages={"store": able}), catalog, catalog))
    assert not_in_order(line for line in said if line.about.startswith("OS template")) == []


def test_a_linked_clone_needs_what_it_does_on_the_storage_of_its_template() -> None:
    catalog = {900: declared(900, storage="fast"), 901: declared(901, clone_from=900, storage=None, full_clone=False)}
    assert cluster.storage_of(catalog[901], catalog) == "fast"
    needed = privileges.needs(catalog)
    assert Need("/storage/fast", "Datastore.AllocateSpace") in needed
    assert Need("/vms/900", "VM.Clone") in needed


def test_volumes_of_its_own_count_for_storages_and_privileges() -> None:
    catalog = {103: declared(103, storage="fast", volumes=(Volume("slow", 100, "/srv"),))}
    assert cluster.storages_of(catalog[103], catalog) == {"fast", "slow"}
    assert Need("/storage/slow", "Datastore.AllocateSpace") in privileges.needs(catalog)


def test_a_pool_will_do_instead_of_the_container() -> None:
    catalog = {103: declared(103, pool="web")}
    wanted = privileges.needs(catalog)
    everywhere = {path: frozenset(need.privilege for need in wanted) for path in privileges.paths(wanted)}
    assert not_in_order(privileges.judge_privileges(wanted, everywhere, "phoenix@pve", TOKEN)) == []
    no_guests = everywhere | {"/vms/103": frozenset[str]()}
    assert not_in_order(privileges.judge_privileges(wanted, no_guests, "phoenix@pve", TOKEN)) == []
    neither = no_guests | {"/pool/web": frozenset[str]()}
    assert not_in_order(privileges.judge_privileges(wanted, neither, "phoenix@pve", TOKEN))


def test_snapshots_need_a_privilege_of_their_own() -> None:
    kept = privileges.needs({103: declared(103, snapshots=True)})
    assert Need("/vms/103", "VM.Snapshot") in kept - privileges.needs({103: declared(103)})


def test_only_what_is_declared_is_needed() -> None:
    plain = {need.privilege for need in privileges.needs({103: MINIMAL})}
    assert not plain & {"VM.Config.CPU", "VM.Config.Memory", "VM.Config.Disk", "SDN.Use"}
    assert "Datastore.AllocateTemplate" in {
        need.privilege for need in privileges.needs({}, absent_os_templates=["local:vztmpl/x.tar.zst"])
    }


def test_many_containers_that_lack_the_same_are_one_line_and_one_grant() -> None:
    catalog = {ctid: declared(ctid) for ctid in range(100, 400)}
    wanted = privileges.needs(catalog)
    held = {path: frozenset(need.privilege for need in wanted) - {"VM.PowerMgmt"} for path in privileges.paths(wanted)}
    (line,) = privileges.judge_privileges(wanted, held, "phoenix@pve", TOKEN)
    assert line.text == (
        f"{TOKEN} lacks VM.PowerMgmt on /vms/100, /vms/101, /vms/102, /vms/103, /vms/104, /vms/105 and 294 more"
    )
    assert line.remedy.endswith(f"; pveum acl modify /vms --users phoenix@pve --tokens '{TOKEN}' --roles Phoenix")
    assert line.remedy.count("pveum acl") == 1


def test_many_things_are_listed_in_short() -> None:
    assert listed(range(3)) == listed(range(3), most=3) == "0, 1, 2"
    assert listed(range(100), most=2) == "0, 1 and 98 more"


def test_the_bridges_of_all_interfaces_are_looked_for() -> None:
    catalog = {103: declared(103, more_networks=(Network("vmbr1", "eth1"), Network("vmbr1", "eth2")))}
    node = cluster.NodeFacts("pve1", bridges=frozenset({"vmbr0"}))
    (line,) = (one for one in cluster.judge_node(node, catalog, catalog) if one.about == "Bridge vmbr1 on pve1")
    assert (line.level, line.text) == (Level.ERROR, "is not there, and the catalog connects 103 to it")
