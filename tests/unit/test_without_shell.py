"""What is left of a declaration where there is no door to the node's shell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import HealthCheck, Script
from phoenix_worker.catalog.host_parts import BindMount
from phoenix_worker.core.allowed.without_shell import within_reach
from phoenix_worker.core.model.errors import PermanentError
from tests.support.declared import DECLARED
from tests.support.refusing import Refusal, refusal_of

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


@pytest.mark.parametrize(("keys", "words"), [(("devices",), "devices needs"), (("a", "b"), "a, b need")])
def test_the_refusal_is_a_sentence(keys: tuple[str, ...], words: str) -> None:
    needy = replace(DECLARED, needs_shell=keys)
    assert refusal_of(lambda: within_reach(needy, has_shell=False, accepted=False)) == Refusal(
        f"Unable to ensure CT 103 on pve1: {words} shell access to the node, which the worker does not have.",
        "no-shell",
        "Set PHOENIX_SHELL for the workers, or add --accept-not-applied to do the rest without it.",
    )


# Scripts that are not beside the catalog

GONE, ALSO_GONE, THERE = Script("a", "a.sh", "h"), Script("b", "b.sh", "h"), Script("c", "c.sh", "h", content="eA==")
ON_NODE = Script("d", "/opt/d.sh", "h", on_node=True)


@pytest.mark.parametrize(
    ("scripts", "health", "missing"),
    [
        ((GONE, THERE, ALSO_GONE), None, "a.sh, b.sh"),
        ((THERE,), GONE, "a.sh"),
        ((GONE,), ALSO_GONE, "a.sh, b.sh"),
    ],
)
def test_what_is_missing_is_named_before_anything_is_done(
    scripts: tuple[Script, ...], health: Script | None, missing: str
) -> None:
    wanting = replace(DECLARED, scripts=scripts, health_check=HealthCheck("x", script=health))
    refused = refusal_of(lambda: within_reach(wanting, has_shell=True, accepted=False))
    assert refused.message == f"Unable to ensure CT 103 on pve1: {missing} not found beside the worker's catalog."
    assert refused.cause == "script-missing"
    assert refused.remedy.startswith("Put it there on every worker, or remove it from ")


def test_what_is_there_or_on_the_node_is_not_missing() -> None:
    for health in (None, HealthCheck("true"), HealthCheck("x", script=THERE)):
        fine = replace(DECLARED, scripts=(THERE, ON_NODE), health_check=health)
        assert within_reach(fine, has_shell=True, accepted=False) is fine


def test_without_a_door_only_what_lets_somebody_log_in_to_what_is_created_is_looked_for() -> None:
    wanting = replace(DECLARED, needs_shell=("scripts",), scripts=(GONE,), access=(ALSO_GONE,))
    assert within_reach(wanting, has_shell=False, accepted=True).scripts == (), "a clone has what its template has"
    created = replace(wanting, clone_from=None)
    refused = refusal_of(lambda: within_reach(created, has_shell=False, accepted=True))
    assert "b.sh not found" in refused.message
    assert "a.sh" not in refused.message


@pytest.mark.parametrize("accepted", [False, True])
def test_scripts_wait_for_a_door_even_if_nothing_needs_one(accepted: bool) -> None:
    left = within_reach(replace(DECLARED, scripts=(THERE,)), has_shell=False, accepted=accepted)
    assert left == replace(DECLARED, scripts=())
