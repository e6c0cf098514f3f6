from __future__ import annotations

import pytest

from phoenix_worker.core.model.os_templates import available, file_name, likeliest

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
    assert available("x.tar.zst", [], []) == (
        "Neither the storage nor the index has any; `pveam update` on the node loads the index."
    )


def test_a_distribution_is_the_first_word_in_large_or_small_letters() -> None:
    assert likeliest("A-12-standard", ["b-12-standard", "a-1"]) == ["a-1", "b-12-standard"]
    assert likeliest("a-12-standard", ["b-12-standard", "A-1"]) == ["A-1", "b-12-standard"]


@pytest.mark.parametrize(("count", "more"), [(4, ""), (5, ""), (6, " and 1 more")])
def test_of_more_than_five_the_number_is_told(count: int, more: str) -> None:
    assert available("x", [], [f"x{number}" for number in range(count)]).endswith(f"x{min(count, 5) - 1}{more}.")


def test_the_file_name_is_what_comes_last() -> None:
    assert file_name("local:vztmpl/old/x.tar.zst") == "x.tar.zst"
