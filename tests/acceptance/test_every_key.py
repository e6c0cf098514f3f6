"""Each key that the API can set, on a new container and on one that is there; and what cannot be changed any more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.acceptance.scenes import done, failure_of, refused
from tests.acceptance.test_converging import redeclare
from tests.acceptance.test_rebuilding import SCRATCH
from tests.support.product import OS_TEMPLATE, container, template

if TYPE_CHECKING:
    from tests.support.product import Product

FIRST: dict[str, Any] = {
    "name": "web.example.lan",
    "memory_mb": 1024,
    "swap_mb": 0,
    "root_disk": {"acl": True, "mount_options": ["noatime"]},
    "cores": 2,
    "network_config": {
        "bridge": "vmbr0",
        "ip": "10.0.0.10/24",
        "gw": "10.0.0.1",
        "ip6": "fd00::10/64",
        "gw6": "fd00::1",
        "vlan": 30,
        "nameservers": "10.0.0.1, 9.9.9.9",
    },
    "mac_address": "52:54:00:67:89:b3",
    "start_at_boot": True,
    "boot_order": 2,
    "boot_delay": 5,
    "boot_down_delay": 30,
    "search_domain": ["example.lan", "lan"],
    "timezone": "Europe/Berlin",
    "console": False,
    "tty": 1,
    "cmode": "shell",
    "cpu_limit": 1.5,
    "cpu_units": 50,
    "protection": True,
    "pct_options": ["nesting=1"],
    "tags": ["Web", "infra"],
    "description": "The site.\nAsk Ann.",
    "pool": "web",
    "state": "stopped",
}
THEN: dict[str, Any] = {
    "name": "www",
    "memory_mb": 2048,
    "swap_mb": 256,
    "root_disk": {"acl": False, "mount_options": []},
    "cores": 1,
    "network_config": {"bridge": "vmbr1", "ip": "dhcp", "ip6": "auto", "vlan": 40, "nameservers": ["1.1.1.1"]},
    "mac_address": "52:54:00:67:89:B4",
    "start_at_boot": False,
    "boot_order": 3,
    "boot_delay": 0,
    "boot_down_delay": 0,
    "search_domain": "other.lan",
    "timezone": "UTC",
    "console": True,
    "tty": 2,
    "cmode": "tty",
    "cpu_limit": 0,
    "cpu_units": 100,
    "protection": False,
    "pct_options": ["nesting=0"],
    "tags": [],
    "description": "Moved.",
    "pool": "db",
    "state": "running",
}
SHOWN_FIRST = {
    "rootfs": "acl=1,mountoptions=noatime",
    "hostname": "web.example.lan",
    "memory": "1024",
    "swap": "0",
    "cores": "2",
    "net0": "name=eth0,bridge=vmbr0,gw=10.0.0.1,gw6=fd00::1,hwaddr=52:54:00:67:89:B3,"
    "ip=10.0.0.10/24,ip6=fd00::10/64,tag=30,type=veth",
    "nameserver": "10.0.0.1 9.9.9.9",
    "onboot": "1",
    "startup": "order=2,down=30,up=5",
    "searchdomain": "example.lan lan",
    "timezone": "Europe/Berlin",
    "console": "0",
    "tty": "1",
    "cmode": "shell",
    "cpulimit": "1.5",
    "cpuunits": "50",
    "protection": "1",
    "features": "nesting=1",
    "tags": "infra;phoenix;web",
    "description": "The site.\nAsk Ann.",
}
SHOWN_THEN = {
    "rootfs": "acl=0",
    "hostname": "www",
    "memory": "2048",
    "swap": "256",
    "cores": "1",
    "net0": "name=eth0,bridge=vmbr1,hwaddr=52:54:00:67:89:B4,ip=dhcp,ip6=auto,tag=40,type=veth",
    "nameserver": "1.1.1.1",
    "onboot": "0",
    "startup": "order=3,down=0,up=0",
    "searchdomain": "other.lan",
    "timezone": "UTC",
    "console": "1",
    "tty": "2",
    "cmode": "tty",
    "cpulimit": "0",
    "cpuunits": "100",
    "protection": "0",
    "features": "nesting=0",
    "tags": "phoenix",
    "description": "Moved.",
}


def shown(product: Product, ctid: int) -> dict[str, str]:
    config = product.config(ctid)
    config["description"] = config["description"].partition("\n\nphoenix-lxc:")[0]
    config["rootfs"] = config["rootfs"].partition(",")[2].rpartition(",")[0]  # without the volume and its size
    return {key: config[key] for key in SHOWN_FIRST}


def test_every_key_on_a_new_container_and_on_one_that_is_there(product: Product) -> None:
    made = {103: container(103, **FIRST), 104: container(104, None, template=OS_TEMPLATE, **FIRST)}
    apart = {"mac_address": "52:54:00:67:89:C3", "network_config": FIRST["network_config"] | {"ip": "10.0.0.11/24"}}
    apart["network_config"] |= {"ip6": "fd00::11/64"}
    product.declare({900: template(), 103: made[103], 104: made[104] | apart})
    pve = product.simulator.pve
    product.simulator.do(pve.pools.update, {"web": set(), "db": set()})
    product.start_worker()
    for ctid in (103, 104):
        assert product.ensure(ctid).needs_rebuild == ()
        written = len(product.writes())
        assert product.ensure(ctid).outcome == "unchanged"
        assert len(product.writes()) == written
        assert product.status(ctid) == "stopped"
    assert shown(product, 103) == SHOWN_FIRST
    other = SHOWN_FIRST["net0"].replace("89:B3", "89:C3").replace("10.0.0.10", "10.0.0.11").replace("::10/", "::11/")
    assert shown(product, 104) == SHOWN_FIRST | {"net0": other}
    assert pve.pools == {"web": {103, 104}, "db": set()}

    product.simulator.do(pve.bridges.add, "vmbr1")
    redeclare(product, 103, **THEN)
    (standing,) = product.producer.status([103]).wait(timeout=60)
    assert {*standing.differs} == {*SHOWN_FIRST, "pool"}
    result = product.ensure(103)
    assert done(result) == [("configure", 103), ("start", 103)]
    assert {change.key for change in result.changes} == {*SHOWN_FIRST, "pool"}
    assert shown(product, 103) == SHOWN_THEN
    assert pve.pools == {"web": {104}, "db": {103}}
    assert product.ensure(103).outcome == "unchanged"
    product.simulator.do(pve._pool_leave, 103)
    assert [change.key for change in product.ensure(103).changes] == ["pool"], "taken out by hand"


def test_what_it_is_made_from_cannot_be_changed_and_that_is_told(product: Product) -> None:
    entries = {
        900: template(),
        901: template(901),
        103: container(103),
        104: container(104, clone="linked"),
        105: container(105, None, template=OS_TEMPLATE),
        106: container(106),
    }
    product.declare(entries)
    product.start_worker()
    for ctid in (103, 104, 105, 106):
        product.ensure(ctid)
    before = {ctid: product.config(ctid) for ctid in (103, 104, 105)}
    redeclare(product, 103, clone_from_ctid=901)
    redeclare(product, 104, clone="full")
    redeclare(product, 105, template="local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst")
    redeclare(product, 106, storage_pool="local-dir")
    for ctid, old, new in (
        (103, "a full clone of 900", "a full clone of 901"),
        (104, "a linked clone of 900", "a full clone of 900"),
        (
            105,
            f"a new container from {OS_TEMPLATE.rpartition('/')[2]}",
            "a new container from debian-13-standard_13.1-1_amd64.tar.zst",
        ),
    ):
        told = (
            (
                f"CT {ctid} cannot become as declared: it is {old}, the catalog declares {new}, "
                f"and this is set only at creation. `phoenix-lxc destroy {ctid}`, which deletes its disks, then "
                f"`phoenix-lxc ensure {ctid}` creates it again."
            ),
        )
        assert product.ensure(ctid, dry_run=True).needs_rebuild == told
        assert [product.ensure(ctid).needs_rebuild for _ in "ab"] == [told, told]
        assert product.ensure(ctid).outcome == "unchanged"
        assert {**product.config(ctid), "description": ""} == {**before[ctid], "description": ""}
    assert "root disk is on local-lvm" in product.ensure(106).needs_rebuild[0]


def test_an_os_template_that_nobody_has_is_answered_with_what_there_is(product: Product) -> None:
    absent, there = "local:vztmpl/debian-12-standard_12.2-1_amd64.tar.zst", container(104, None, template=OS_TEMPLATE)
    cloned = {900: template() | {"template": absent}, 105: container(105)}
    product.declare({103: container(103, None, template=absent), 104: there, **cloned})
    product.simulator.do(product.simulator.pve.appliances.append, "debian-12-standard_12.7-1_amd64.tar.zst")
    product.start_worker(**SCRATCH)
    failure = refused(product, 103)
    assert failure.cause == "no-os-template"
    for handle in (product.producer.plan(103), product.producer.ensure(103, dry_run=True)):
        foreseen = failure_of(handle)
        assert (foreseen.message, foreseen.cause, foreseen.remedy) == (failure.message, failure.cause, failure.remedy)
    assert "Unable to create CT 900" in failure_of(product.producer.plan(105)).message
    assert "Unable to create CT 9000" in failure_of(product.producer.rebuild(900, dry_run=True)).message
    asked = len(product.calls())
    for _ in "ab":
        assert product.producer.plan(104).wait(timeout=60).outcome == "created"
    paths = [path.partition("?")[0].rpartition("/")[2] for _, path in product.calls()[asked:]]
    assert (paths.count("content"), paths.count("aplinfo")) == (0, 0), "the look for the other one showed it too"
    product.simulator.do(product.simulator.pve.appliances.append, absent.rpartition("/")[2])
    assert product.producer.plan(103).wait(timeout=60).outcome == "created", "it would be downloaded"
    assert product.writes() == []
    assert "The storage has debian-13-standard_13.1-1_amd64.tar.zst, " in failure.remedy
    assert failure.remedy.endswith("The index has debian-12-standard_12.7-1_amd64.tar.zst.")
