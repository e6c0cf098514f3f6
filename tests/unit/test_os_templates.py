from __future__ import annotations

from phoenix_worker.core.model.os_templates import available, likeliest

INDEX = [
    "almalinux-9-default_20240911_amd64.tar.xz",
    "alpine-3.22-default_20250617_amd64.tar.xz",
    "debian-12-standard_12.7-1_amd64.tar.zst",
    "debian-13-standard_13.1-1_amd64.tar.zst",
    "fedora-42-default_20250428_amd64.tar.xz",
    "ubuntu-22.04-standard_22.04-1_amd64.tar.zst",
    "ubuntu-24.04-standard_24.04-2_amd64.tar.zst",
]


def test_the_likeliest_comes_first_and_its_own_distribution_before_all_others() -> None:
    names = likeliest("ubuntu-24.04-standard_24.04-1_amd64.tar.zst", INDEX)
    assert names[:2] == ["ubuntu-24.04-standard_24.04-2_amd64.tar.zst", "ubuntu-22.04-standard_22.04-1_amd64.tar.zst"]
    assert len(names) == 5


def test_what_there_is_is_named() -> None:
    told = available("debian-12-standard_12.2-1_amd64.tar.zst", ["local:vztmpl/mine.tar.zst"], INDEX)
    assert told.startswith("The storage has mine.tar.zst. The index has debian-12-standard_12.7-1_amd64.tar.zst, ")
    assert told.endswith(" and 2 more.")
    assert "pveam update" in available("x.tar.zst", [], [])
