"""The configuration file of a container with other raw lines in it, read as Proxmox reads it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.core.differs.raw_lines import by_key, edited, locked

if TYPE_CHECKING:
    from collections.abc import Mapping

CONF = """#notes %3A lxc.mount.auto: no line of ours
arch: amd64
lxc.cap.keep: a
rootfs: local-lvm:vm-103-disk-0,size=8G
lxc.mount.auto = sys:rw
lxc.cap.keep: b

[pve:pending]
features: nesting=1
lxc.cap.keep: pending

[before]
arch: amd64
lxc.cap.keep: snapshot
"""


def sections(text: str) -> dict[str, list[tuple[str, str]]]:
    """As `parse_pct_config` of pve-container, of which only the raw lines count here."""
    found: dict[str, list[tuple[str, str]]] = {"": []}
    section = ""
    for line in text.split("\n"):
        if header := re.match(r"\[(pve:pending|[a-z][a-z0-9_\-]+)\]\s*$", line, re.IGNORECASE):
            section = header[1]
            found[section] = []
        elif raw := re.match(r"(lxc\.[a-z0-9_\-\.]+)(:|\s*=)\s*(.*?)\s*$", line):
            found[section].append((raw[1], raw[3]))
    return found


def others(text: str, keys: Mapping[str, object]) -> list[str]:
    """Every line but the raw ones of these keys in the first section, and the empty ones."""
    lines = text.split("\n")
    header = re.compile(r"\[(pve:pending|[a-z][a-z0-9_\-]+)\]\s*", re.IGNORECASE)
    end = next((number for number, line in enumerate(lines) if header.fullmatch(line)), len(lines))
    kept = [line for line in lines[:end] if not any(re.match(rf"{re.escape(key)}(:|\s*=)", line) for key in keys)]
    return [line for line in (*kept, *lines[end:]) if line]


def test_a_key_that_is_there_is_changed_in_its_place() -> None:
    assert edited(CONF, {"lxc.cap.keep": ("c", "d", "e")}) == CONF.replace(
        "lxc.cap.keep: a\n", "lxc.cap.keep: c\nlxc.cap.keep: d\nlxc.cap.keep: e\n", 1
    ).replace("lxc.cap.keep: b\n", "", 1)


def test_a_new_key_comes_last_before_other_sections() -> None:
    assert edited(CONF, {"lxc.autodev": ("1",)}) == CONF.replace("keep: b\n", "keep: b\nlxc.autodev: 1\n")
    assert edited("arch: amd64", {"lxc.autodev": ("1",)}) == "arch: amd64\nlxc.autodev: 1\n"
    assert edited("", {"lxc.autodev": ("1",)}) == "lxc.autodev: 1\n"


def test_a_lock_is_that_of_the_container_and_not_of_a_snapshot() -> None:
    assert locked(f"lock: backup\n{CONF}") == "backup"
    assert locked(f"{CONF}lock: snapshot\n") is None


LINE = st.sampled_from(
    [
        "arch: amd64",
        "lxc.a: 1",
        "lxc.a = 2",
        "lxc.a",
        "lxc.b:3",
        "#lxc.a: 1",
        "",
        "lxc.a.b: 1",
        "[odd",
        "x\u2028lxc.a: 1",
    ]
)
HEADER = st.sampled_from(["[pve:pending]", "[snap]", "[PVE:Pending] "])
TEXT = st.lists(LINE | HEADER, max_size=9).flatmap(
    lambda lines: st.sampled_from(["\n".join(lines), "\n".join([*lines, ""])])
)
WANTED = st.dictionaries(st.sampled_from(["lxc.a", "lxc.b", "lxc.c"]), st.lists(st.sampled_from("xyz"), max_size=3))


@given(TEXT, WANTED)
def test_only_wanted_keys_of_the_first_section_change(text: str, wanted: dict[str, list[str]]) -> None:
    after = edited(text, wanted)
    lines = by_key(sections(after)[""])
    assert {key: list(lines.get(key, ())) for key in wanted} == wanted
    assert others(after, wanted) == others(text, wanted)
    assert {name: raw for name, raw in sections(after).items() if name} == {
        name: raw for name, raw in sections(text).items() if name
    }
