from __future__ import annotations

import math

import pytest

from phoenix_worker.core.model import property_string


@pytest.mark.parametrize(
    ("text", "gib"),
    [
        ("8G", 8),
        ("512M", 0.5),
        ("1T", 1024),
        ("1073741824", 1),
        ("1.5GiB", 1.5),
        ("1GB", None),
        ("iB", None),
        ("", None),
        ("8g", None),
        ("0T", math.inf),
        ("0", math.inf),
        ("0.0G", math.inf),
        ("0KiB", math.inf),
    ],
)
def test_sizes_are_read_in_gib_and_what_is_none_is_not(text: str, gib: float | None) -> None:
    assert property_string.size_gib(text) == gib


@pytest.mark.parametrize("text", ["8G", "512M", "1T", "1536M", "1025G", "4K", "1023"])
def test_sizes_are_written_as_proxmox_shows_them(text: str) -> None:
    size = property_string.size_gib(text)
    assert size is not None
    assert property_string.size_text(size) == text


def test_a_part_without_a_name_has_none() -> None:
    assert property_string.parse("local:vm,size=8G") == {"": "local:vm", "size": "8G"}


def test_a_property_string_is_printed_as_proxmox_does() -> None:
    parts = property_string.parse("local:vm, size=8G,acl=1,", "volume")
    assert parts == {"volume": "local:vm", "size": "8G", "acl": "1"}
    assert property_string.render(parts, "size") == "size=8G,acl=1,volume=local:vm"
