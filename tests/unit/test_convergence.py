"""Whatever stands there and whatever is declared: one round of changes, and then nothing is left to change."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phoenix_worker.core.differs.diff import creation_config, diff, marker_for
from phoenix_worker.core.differs.unchangeable import needs_rebuild
from phoenix_worker.core.model.marker import Stage
from phoenix_worker.core.model.observation import Observation, Presence
from tests.support.modelled_pve import carried_out, shown
from tests.unit.any_containers import CTID, OBSERVED, POSSIBLE, declared
from tests.unit.catalog_files import OS_TEMPLATE


@given(POSSIBLE, OBSERVED)
def test_once_changed_nothing_is_left_to_change(entry: dict[str, Any], seen: Observation) -> None:
    declaration = declared(entry)
    after = carried_out(seen, diff(declaration, seen))
    again = diff(declaration, after)
    assert not again, again
    assert again.changes == ()


@given(OBSERVED)
def test_what_is_not_declared_stays_as_it_is(seen: Observation) -> None:
    declaration = declared({"name": "web", "template": OS_TEMPLATE})
    after = carried_out(seen, diff(declaration, seen))
    touched = {"hostname", "tags", "description", "template", "net0", "net1", "net10"}
    if seen.is_ours and seen.marker is not None and seen.marker.stage is Stage.MADE:
        touched.add("protection")  # a clone is not protected because its template is
    assert {key: value for key, value in after.config.items() if key not in touched} == {
        key: value for key, value in seen.config.items() if key not in touched
    }
    assert (after.firewall and after.firewall.rules) == (seen.firewall and seen.firewall.rules)
    assert after.pool == seen.pool
    kept = {"firewall", "mtu", "tag", "bridge", "name", "hwaddr", "trunks", "rate", "link_down", "host-managed"}
    for net in {"net0", "net1", "net10"} & seen.config.keys():
        parts = [dict(part.split("=", 1) for part in one.config[net].split(",")) for one in (seen, after)]
        assert {key: parts[0].get(key) for key in kept} == {key: parts[1].get(key) for key in kept}


@given(POSSIBLE, OBSERVED)
def test_what_needs_a_rebuild_is_told_before_and_after_and_never_as_a_change(
    entry: dict[str, Any], seen: Observation
) -> None:
    declaration = declared(entry)
    before, after = needs_rebuild(declaration, seen), carried_out(seen, diff(declaration, seen))
    assert needs_rebuild(declaration, after) == before


SET_LATER = {"clone_from_ctid", "entrypoint", "environment"}
"""Of these Proxmox takes what an image has when it creates a container."""


@given(POSSIBLE)
def test_what_is_created_so_needs_no_change(entry: dict[str, Any]) -> None:
    del entry["name"]
    declaration = declared(
        {"name": "web"}
        | {key: value for key, value in entry.items() if key not in SET_LATER}
        | {"template": OS_TEMPLATE}
    )
    order = creation_config(declaration, marker_for(declaration, "c1", Stage.CONFIGURED))
    storage = order.pop("storage", "local")
    if order.get("rootfs", "1").isdecimal():
        order["rootfs"] = f"{storage}:{order.get('rootfs', '4')}"
    config = {key: shown(key, value, CTID) for key, value in order.items()}
    made = Observation(CTID, "pve", Presence.HERE, config, pool=declaration.pool)
    changes = diff(declaration, made)
    assert (changes.put, changes.delete, changes.grow, changes.pool) == ({}, (), {}, None)


@given(POSSIBLE, st.randoms(use_true_random=False))
def test_the_order_of_keys_says_nothing(entry: dict[str, Any], random: Any) -> None:
    keys = list(entry)
    random.shuffle(keys)
    shuffled = {key: entry[key] for key in keys}
    if "network_config" in shuffled:
        shuffled["network_config"] = dict(reversed(entry["network_config"].items()))
    assert declared(shuffled).hash == declared(entry).hash


@given(POSSIBLE, OBSERVED, st.randoms(use_true_random=False))
def test_no_spelling_of_the_same_shows_as_drift(entry: dict[str, Any], seen: Observation, random: Any) -> None:
    declaration = declared(entry)
    after = carried_out(seen, diff(declaration, seen))
    respelt = {key: _respelt(key, value, random) for key, value in after.config.items()}
    order = list(respelt)
    random.shuffle(order)
    again = diff(
        declaration,
        Observation(
            CTID, "pve", Presence.HERE, {key: respelt[key] for key in order}, firewall=after.firewall, pool=after.pool
        ),
    )
    assert not again, again


def _respelt(key: str, value: str, random: Any) -> str:
    """The same in another of the spellings that Proxmox, its interface or people's hands leave."""
    if re.fullmatch(r"net\d+|features|rootfs|mp\d", key):
        first, *parts = value.split(",")
        if "=" in first:
            parts, first = [first, *parts], ""
        parts = [re.sub(r"^size=(\d+)G$", lambda size: f"size={int(size[1]) * 1024}M", part) for part in parts]
        random.shuffle(parts)
        return ",".join(filter(None, [first, *parts]))
    if key == "tags":
        tags = value.upper().split(";")
        random.shuffle(tags)
        separator: str = random.choice([",", ";", " "])
        return separator.join(tags)
    if key in {"nameserver", "searchdomain"}:
        return value.replace(" ", "  ")
    if key == "cpulimit":
        return f"{float(value):.3f}"
    if key == "startup":
        return re.sub(r"^order=", "", value)
    return f"{value}\n" if key == "description" else value


@pytest.mark.parametrize("declared_size", [8, 9])
@pytest.mark.parametrize("shown_size", ["8G", "8192M", "8388608K", "8589934592"])
def test_a_size_is_a_size(declared_size: int, shown_size: str) -> None:
    declaration = declared({"name": "web", "template": OS_TEMPLATE, "storage_size_gb": declared_size})
    config = {"rootfs": f"local-lvm:vm-103-disk-0,size={shown_size}"}
    grow = diff(declaration, Observation(CTID, "pve", Presence.HERE, config)).grow
    assert grow == ({} if declared_size == 8 else {"rootfs": 9})
