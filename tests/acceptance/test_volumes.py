"""Volumes of their own: made, grown, inherited, and never touched otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.acceptance.scenes import done, notes, refused, stand, writes_to
from tests.acceptance.test_converging import redeclare
from tests.acceptance.test_inspect import cli
from tests.support.node_typing import type_on_node
from tests.support.product import OS_TEMPLATE, container, template

if TYPE_CHECKING:
    from tests.support.product import Product


def volume(mount_point: str, size_gb: int = 8, pool: str = "tank", **more: Any) -> dict[str, Any]:
    return {"name": "data", "pool": pool, "size_gb": size_gb, "mount_point": mount_point, **more}


def mounts(product: Product, ctid: int) -> dict[str, str]:
    """What is mounted where, without the names that Proxmox gives."""
    found = {}
    for key, value in product.config(ctid).items():
        if key.startswith("mp"):
            disk, *parts = value.split(",")
            options = dict(part.split("=", 1) for part in parts)
            found[options["mp"]] = f"{disk.partition(':')[0]} {options['size']}"
    return found


def test_volumes_are_made_grown_and_inherited(product: Product) -> None:
    tank = {"type": "zfspool", "active": 1, "content": "rootdir,images"}
    product.simulator.do(product.simulator.pve.storages.update, {"tank": tank})
    product.declare(
        {
            900: template(zfs_volumes=[volume("/srv/base")]),
            103: container(103, zfs_volumes=[volume("/srv/data/")], volumes=[volume("/srv/base", 16)]),
            104: container(104, None, template=OS_TEMPLATE, volumes=[volume("/srv/data", pool="local-lvm")]),
            105: container(105, clone="linked"),
        }
    )
    product.start_worker()
    assert product.ensure(103).needs_rebuild == ()
    assert mounts(product, 900) == {"/srv/base": "tank 8G"}
    assert mounts(product, 103) == {"/srv/base": "tank 16G", "/srv/data": "tank 8G"}
    assert done(product.ensure(104)) == [("create", 104), ("start", 104)]
    assert mounts(product, 104) == {"/srv/data": "local-lvm 8G"}
    product.ensure(105)
    assert mounts(product, 105) == mounts(product, 900)
    written = len(product.writes())
    assert [product.ensure(ctid).outcome for ctid in (103, 104, 105)] == ["unchanged"] * 3
    assert len(product.writes()) == written

    redeclare(product, 104, volumes=[volume("/srv/data", 10, "local-lvm"), volume("/srv/more", 1)])
    result = product.ensure(104)
    assert (done(result), result.pending_restart) == ([("configure", 104)], ()), "it runs, and has it at once"
    assert mounts(product, 104) == {"/srv/data": "local-lvm 10G", "/srv/more": "tank 1G"}
    redeclare(product, 104, volumes=[volume("/srv/data", 4, "tank")])
    shrunk = product.ensure(104)
    told = [line.partition("volume /srv/data ")[2] for line in shrunk.needs_rebuild]
    assert [line.partition(", the catalog")[0] for line in told] == ["is on local-lvm", "is 10 GiB"]
    assert mounts(product, 104) == {"/srv/data": "local-lvm 10G", "/srv/more": "tank 1G"}
    assert writes_to(product, 104)[-1] == "PUT /config", "the notes"
    assert product.ensure(104).outcome == "unchanged"

    paths = ("/srv/data (mp0)", "/srv/more (mp1)")
    stays = tuple(f"CT 104 has a volume at {path} that is not declared: it stays." for path in paths)
    redeclare(product, 104, volumes=[])
    assert product.producer.plan(104).wait(timeout=60).warnings == stays
    (standing,) = product.producer.status([104]).wait(timeout=60)
    assert standing.differs == (), "our own bookkeeping is no difference"
    ensured = cli(product, "ensure", "104")
    record, address = ensured.stdout.splitlines()[-2:]
    assert record == "     record (the marker in the notes, and nothing else)"
    assert address.split() == ["eth0", "10.0.0.106/16"]
    assert ensured.stderr.splitlines() == [f"Warning: {line}" for line in stays]
    (drift,) = product.producer.drift([104]).wait(timeout=60)
    assert (drift.warnings, drift.differs) == (stays, False)
    assert (product.ensure(104).outcome, product.ensure(104).warnings) == ("unchanged", ())


def test_a_volume_that_the_running_container_cannot_take_needs_a_stop(product: Product) -> None:
    product.simulator.set(product.simulator.pve, hotplug_refused="apparmor is not available")
    product.declare({900: template(), 103: container(103)})
    product.start_worker()
    product.ensure(103)
    redeclare(product, 103, volumes=[volume("/srv/data", pool="local-lvm")])
    failure = refused(product, 103)
    assert failure.cause == "hotplug"
    assert "unable to hotplug mp0: apparmor is not available" in failure.message
    assert failure.remedy.startswith("The container needs a stop for mp0")
    assert (product.status(103), mounts(product, 103)) == ("running", {})

    redeclare(product, 103, state="stopped")
    assert [line.partition(" CT ")[0] for line in product.ensure(103, dry_run=True).plan] == [
        "stop",
        "configure",
        "verify",
    ]
    assert done(product.ensure(103)) == [("stop", 103), ("configure", 103)]
    assert mounts(product, 103) == {"/srv/data": "local-lvm 8G"}
    redeclare(product, 103, state="running")
    assert done(product.ensure(103)) == [("configure", 103), ("start", 103)]
    redeclare(product, 103, volumes=[volume(path, pool="local-lvm") for path in ("/srv/data", "/srv/more")])
    assert type_on_node(product.simulator, refused(product, 103).remedy) == ["pct shutdown 103"]
    assert done(product.ensure(103)) == [("configure", 103), ("start", 103)]


def test_no_volume_hides_another(product: Product) -> None:
    deep, middle, flat = (volume(path, 1, "local-lvm") for path in ("/srv/data/inner", "/srv/data", "/srv"))
    product.declare(
        {
            900: template(volumes=[deep]),
            103: container(103, volumes=[middle]),
            104: container(104, None, template=OS_TEMPLATE, volumes=[deep, middle, flat]),
        }
    )
    product.start_worker()
    product.ensure(104)
    assert product.simulator.do(product.simulator.pve.visible, 104) == ["/srv", "/srv/data", "/srv/data/inner"]
    (told,) = product.ensure(103).needs_rebuild
    assert "/srv/data is not mounted: no number before mp0 is left, and it would hide /srv/data/inner there" in told
    assert product.simulator.do(product.simulator.pve.visible, 103) == ["/srv/data/inner"]


def test_a_disk_without_a_limit_is_not_grown(product: Product) -> None:
    product.declare({900: template(), 103: container(103, storage_size_gb=16)})
    stand(product, 103, running=True, description=notes(103), rootfs="local-lvm:subvol-103-disk-0,size=0T")
    product.start_worker()
    result = product.ensure(103)
    assert (
        "its root disk is without limit, the catalog declares 16 GiB, and a disk cannot shrink"
        in result.needs_rebuild[0]
    )
    assert "PUT /resize" not in writes_to(product, 103)


def test_a_file_system_that_did_not_grow_is_a_warning(product: Product) -> None:
    said = "Failed to update the container's filesystem: command 'resize2fs /dev/loop0' failed: exit code 1"
    product.declare({900: template(), 103: container(103, storage_size_gb=16), 104: container(104, storage_size_gb=16)})
    product.start_worker()
    assert product.ensure(104).warnings == ()
    product.simulator.set(product.simulator.pve, not_grown=("resize2fs 1.47.2 (1-Jan-2025)", said))
    (warning,) = product.ensure(103).warnings
    assert warning.startswith(f"Disk rootfs of CT 103 on pve1 has 16 GiB now, but its file system did not grow: {said}")


@pytest.mark.long
def test_a_file_system_of_what_a_rebuild_throws_away_is_no_warning(product: Product) -> None:
    """The full clone of it that becomes the template has file systems of its own."""
    product.declare({900: template(), 901: container(901, 900, storage_size_gb=12, is_template=True)})
    product.start_worker(PHOENIX_SCRATCH_CTIDS="9000-9099")
    product.simulator.set(product.simulator.pve, not_grown=("resize2fs: Bad magic number in super-block",))
    assert "Disk rootfs of CT 901 on pve1 has 12 GiB now" in product.ensure(901).warnings[0]
    result = product.producer.rebuild(901).wait(timeout=60)
    assert ("configure", 9001) in done(result)
    assert result.warnings == ()


def test_how_it_is_mounted_is_changed_where_it_stands_also_as_it_grows(product: Product) -> None:
    how = {"read_only": True, "backup": True, "mount_options": ["noatime"]}
    made = volume("/srv/data", 1, "local-lvm", **how)
    small = {"pool": "local-lvm", "size": "512M", "mount_point": "/srv/small"}
    product.declare({103: container(103, None, template=OS_TEMPLATE, volumes=[made, small])})
    product.start_worker()
    product.ensure(103)
    assert product.config(103)["mp0"].partition(",")[2] == "backup=1,mountoptions=noatime,mp=/srv/data,ro=1,size=1G"
    assert product.config(103)["mp1"].partition(",")[2] == "mp=/srv/small,size=512M"
    assert product.ensure(103).outcome == "unchanged"

    larger = volume("/srv/data", 2, "local-lvm", read_only=False)
    redeclare(product, 103, volumes=[larger, small | {"size": "768M"}], root_disk={"mount_options": ["noatime"]})
    result = product.ensure(103)
    assert result.pending_restart == ("mp0", "rootfs")
    assert [change.key for change in result.changes] == ["mp0", "rootfs", "mp0", "mp1"], "its way and its size"
    pve = product.simulator.pve
    assert pve.ct(103).pending["rootfs"].partition(",")[2] == "mountoptions=noatime,size=8G"
    assert pve.ct(103).pending["mp0"].endswith("backup=1,mountoptions=noatime,ro=0,size=2G"), "not its old size"
    assert product.ensure(103).outcome == "unchanged"
    assert mounts(product, 103) == {"/srv/data": "local-lvm 2G", "/srv/small": "local-lvm 768M"}
