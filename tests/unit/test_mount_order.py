"""What is mounted at `/a` after `/a/b` hides the latter; Proxmox mounts in the order of the numbers."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from phoenix_worker.catalog.declaration import Volume
from phoenix_worker.catalog.host_parts import BindMount
from phoenix_worker.core.differs.diff import creation_config, diff
from phoenix_worker.core.differs.unchangeable import needs_rebuild
from tests.support.declared import DECLARED, MARKER, seen

PATHS = ("/srv/data/inner", "/srv", "/srv/data")


def volumes(*paths: str) -> tuple[Volume, ...]:
    return tuple(Volume("tank", 8, path) for path in paths)


@pytest.mark.parametrize("paths", list(permutations(PATHS)))
def test_volumes_are_created_with_numbers_that_follow_their_depth(paths: tuple[str, ...]) -> None:
    root = replace(DECLARED, clone_from=None, os_template="local:vztmpl/x.tar.zst", volumes=volumes(*paths))
    config = creation_config(root, MARKER)
    assert [config[f"mp{number}"] for number in range(3)] == [f"tank:8,mp={path}" for path in sorted(PATHS)]


def test_bind_mounts_are_numbered_among_the_volumes() -> None:
    binds = (BindMount("/tank/x", "/srv/data/inner/x"), BindMount("/tank/srv", "/srv"))
    declared = replace(DECLARED, volumes=volumes("/srv/data/inner", "/srv/data"), bind_mounts=binds)
    root = replace(declared, clone_from=None, os_template="local:vztmpl/x.tar.zst")
    config = creation_config(root, MARKER)
    assert {key: value for key, value in config.items() if key.startswith("mp")} == {
        "mp1": "tank:8,mp=/srv/data",
        "mp2": "tank:8,mp=/srv/data/inner",
    }
    changes = diff(declared, seen())
    assert changes.root.put == {"mp0": "/tank/srv,mp=/srv", "mp3": "/tank/x,mp=/srv/data/inner/x"}
    assert sorted(changes.put) == ["mp1", "mp2"]


def test_a_new_mount_goes_around_those_that_are_there() -> None:
    there = seen(mp3="tank:subvol-103-disk-1,mp=/srv/data,size=8G")
    declared = replace(DECLARED, volumes=volumes("/srv/data", "/other", "/srv/data/inner", "/srv"))
    put = diff(declared, there).put
    assert {key: value.partition("mp=")[2] for key, value in put.items()} == {
        "mp0": "/srv",
        "mp1": "/other",
        "mp4": "/srv/data/inner",
    }


def test_one_that_would_hide_another_is_not_mounted_and_told() -> None:
    there = seen(unprivileged="1", mp0="tank:subvol-103-disk-1,mp=/srv/data,size=8G")
    for declared in (
        replace(DECLARED, volumes=volumes("/srv/data", "/srv")),
        replace(DECLARED, bind_mounts=(BindMount("/tank/srv", "/srv"),)),
    ):
        assert not diff(declared, there).put
        assert not diff(declared, there).root
        (told,) = needs_rebuild(declared, there)
        assert "/srv is not mounted: no number before mp0 is left, and it would hide /srv/data there" in told


def test_one_that_hides_another_already_is_told() -> None:
    inner, outer = "tank:subvol-103-disk-1,mp=/srv/data,size=8G", "tank:subvol-103-disk-2,mp=/srv,size=8G"
    declared = replace(DECLARED, volumes=volumes("/srv/data", "/srv"))
    assert needs_rebuild(declared, seen(unprivileged="1", mp0=outer, mp1=inner)) == ()
    (told,) = needs_rebuild(declared, seen(unprivileged="1", mp0=inner, mp1=outer))
    assert "/srv (mp1) is mounted after /srv/data (mp0) and hides it" in told


@pytest.mark.parametrize(
    "there",
    [
        {"mp255": "tank:subvol-103-disk-1,mp=/srv,size=8G"},
        {f"mp{number}": f"tank:subvol-103-disk-{number},mp=/m/{number},size=8G" for number in range(256)},
    ],
    ids=["only before what it lies in", "none at all"],
)
def test_one_for_which_no_number_is_left_is_told(there: dict[str, str]) -> None:
    declared = replace(DECLARED, volumes=volumes("/srv/data"))
    assert not diff(declared, seen(**there)).put
    assert "/srv/data is not mounted: no number up to mp255 is left for it" in needs_rebuild(declared, seen(**there))[0]
