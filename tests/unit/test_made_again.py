"""Which templates are rebuilt first, and what no rebuild brings about: judged by what is predicted."""

from __future__ import annotations

from dataclasses import replace

from phoenix_worker.catalog.declaration import Declaration, Role, Volume
from phoenix_worker.core.differs.unchangeable import anew, unchangeable
from phoenix_worker.core.model.marker import write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned.again import Way, remedy, way
from phoenix_worker.core.planned.prediction import inherited
from tests.support.declared import DECLARED, MARKER, seen

ROOT = Declaration(
    900, "base", Role.TEMPLATE, "pve1", os_template="local:vztmpl/x.tar.zst", storage="local-lvm", disk_gb=16
)
CLONE = replace(DECLARED, unprivileged=True)
LARGE = {"rootfs": "local-lvm:base-900-disk-0,size=32G", "template": "1", "unprivileged": "1"}
SEALED = Observation(900, "pve1", Presence.HERE, LARGE)
STANDS = seen(rootfs="local-lvm:vm-103-disk-0,size=32G", unprivileged="1")


def test_a_template_with_the_same_is_rebuilt_first() -> None:
    (left,) = way([CLONE], SEALED, ()).left
    assert left.startswith("its root disk is 32 GiB")
    assert way([CLONE, ROOT], None, (900,)) == Way((900,), ())
    right = replace(SEALED, config=LARGE | {"rootfs": "local-lvm:base-900-disk-0,size=16G"})
    assert way([CLONE], right, ()) == Way((), ()), "then it is not"


def test_the_order_of_commands_is_one_that_works() -> None:
    full = remedy(CLONE, STANDS, Way((900,), ()))
    assert full.index("rebuild 900") < full.index("destroy 103") < full.index("ensure 103")
    linked = remedy(replace(CLONE, full_clone=False), STANDS, Way((901, 900), ()))
    assert linked.index("destroy 103") < linked.index("rebuild 900 901") < linked.index("ensure 103")
    middle = replace(CLONE, role=Role.TEMPLATE)
    assert "`phoenix-lxc rebuild 103 900`" in remedy(middle, STANDS, Way((900,), ()))
    assert remedy(CLONE, STANDS, Way((), ())) == anew(CLONE)


def test_the_commands_are_told_in_whole_sentences() -> None:
    end = (
        "have the same, then `phoenix-lxc destroy 103`, which deletes its disks, "
        "then `phoenix-lxc ensure 103` creates it again."
    )
    several = f"`phoenix-lxc rebuild 900 901`, since its templates 900, 901 {end}"
    assert remedy(CLONE, STANDS, Way((901, 900), ())) == several
    one = f"`phoenix-lxc rebuild 900`, since its template 900 {end.replace('have', 'has')}"
    assert remedy(CLONE, STANDS, Way((900,), ())) == one
    told = unchangeable(replace(CLONE, disk_gb=4), STANDS)
    left = "Made again, it would be so again, by what the catalog declares: a; b."
    assert remedy(CLONE, STANDS, Way((900,), tuple("ab"))) == left
    privileged = replace(STANDS, config=STANDS.config | {"unprivileged": "0"})
    assert len(told) < len(unchangeable(CLONE, privileged)) == 2
    assert remedy(CLONE, privileged, Way((900,), ("a",))) == f"{one} {left.replace('a; b', 'a')}"


def test_the_order_is_that_of_how_it_was_made_not_of_how_it_is_declared() -> None:
    made_linked = replace(
        STANDS, config=STANDS.config | {"description": write_marker(replace(MARKER, origin="900,linked"))}
    )
    assert remedy(CLONE, made_linked, Way((900,), ())).startswith("`phoenix-lxc destroy 103`")


def test_what_would_be_so_again_has_no_command() -> None:
    found = way([CLONE], SEALED, ())
    assert "`" not in remedy(CLONE, STANDS, found)
    assert found.left[0] in remedy(CLONE, STANDS, found)


def test_a_clone_to_a_storage_has_its_volumes_there_too() -> None:
    template = replace(SEALED, config=LARGE | {"mp0": "tank:base-900-disk-1,mp=/data,size=4G", "mp1": "/srv,mp=/srv"})
    moved = replace(CLONE, storage="fast", volumes=(Volume("tank", 4, "/data"),))
    config = inherited(moved, template).config
    assert config["mp0"].startswith("fast:")
    assert config["mp1"] == "/srv,mp=/srv"
    kept = inherited(replace(moved, stays_with_volumes=True), template).config
    assert kept["mp0"].startswith("tank:")
    assert kept["rootfs"].startswith("local-lvm:")
