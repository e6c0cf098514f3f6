"""What is left of a declaration where there is no door to the node's shell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.host_parts import BindMount
from phoenix_worker.core.allowed.without_shell import within_reach
from phoenix_worker.core.model.errors import PermanentError
from tests.support.declared import DECLARED

NEEDY = replace(
    DECLARED,
    needs_shell=("features", "health_check"),
    not_applied=("firewall: not yet",),
    root_features=("keyctl=1",),
    devices=("/dev/nvidia0",),
    bind_mounts=(BindMount("/srv", "/srv"),),
    raw_lines=(("lxc.autodev", "1"),),
)


@pytest.mark.parametrize("accepted", [False, True])
def test_with_a_door_all_of_it_is_in_reach(accepted: bool) -> None:
    assert within_reach(NEEDY, has_shell=True, accepted=accepted) is NEEDY


@pytest.mark.parametrize("accepted", [False, True])
def test_what_needs_no_door_is_in_reach_without_one(accepted: bool) -> None:
    assert within_reach(DECLARED, has_shell=False, accepted=accepted) == DECLARED


def test_what_needs_the_door_is_refused_with_its_keys() -> None:
    with pytest.raises(
        PermanentError, match=r"CT 103 on pve1: features, health_check need shell access to the node"
    ) as caught:
        within_reach(NEEDY, has_shell=False, accepted=False)
    assert caught.value.cause == "no-shell"
    assert "PHOENIX_SHELL" in caught.value.remedy
    assert "--accept-not-applied" in caught.value.remedy


def test_what_is_accepted_is_left_out_and_told() -> None:
    left = within_reach(NEEDY, has_shell=False, accepted=True)
    assert [line.partition(":")[0] for line in left.not_applied] == ["firewall", "features", "health_check"]
    assert left.needs_shell == ()
    assert (left.root_features, left.devices, left.bind_mounts, left.raw_lines) == ((), None, (), ())
    assert left.hash == NEEDY.hash, "it is the same declaration"
