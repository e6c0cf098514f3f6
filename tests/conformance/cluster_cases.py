"""What takes a second node of the cluster. `cases.CASES` has their order; each leaves all on the first node."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.model.observation import Presence
from tests.conformance.ground import PATIENCE, NotShownError
from tests.conformance.scenes import FIRST, SPARE, TEMPLATE, refusal

if TYPE_CHECKING:
    from tests.conformance.ground import Ground


def another_node(ground: Ground) -> str:
    """Name the second node, if there is one that has the storage."""
    target = ground.target
    if target.other is None:
        raise NotShownError("it takes a second node (--nodes)")
    there = ground.ask("GET", f"nodes/{target.other}/storage")
    if not any(one["storage"] == target.storage and one.get("active") for one in there):
        raise NotShownError(f"{target.other} has no storage {target.storage} that the token may see")
    return target.other


def migrate(ground: Ground, ctid: int, node: str) -> str:
    """Begin to migrate a container as an administrator does; returns the UPID."""
    seen = ground.look(ctid)
    how: dict[str, str | int] = {"target": node} | ({"restart": 1} if seen.running else {})
    return str(ground.ask_if_allowed("POST", f"nodes/{seen.node}/lxc/{ctid}/migrate", **how))


def what_was_moved_is_followed(ground: Ground) -> None:
    ctid, other = ground.ctid(FIRST), another_node(ground)
    ground.end(migrate(ground, ctid, other))
    result = ground.ensure(ctid)
    assert (result.outcome, result.node) == ("unchanged", other)
    assert any(f"stands on {other}" in line for line in result.warnings)
    (drift,) = ground.producer.drift([ctid]).wait(PATIENCE)
    assert (drift.node, drift.actions) == (other, ())
    ground.saw(drift.elsewhere)
    ground.declare(ctid, memory_mb=320)
    assert ground.ensure(ctid, state="stopped").outcome == "updated"
    seen = ground.look(ctid)
    assert (seen.node, seen.running, seen.config["memory"]) == (other, False, "320")


def a_migration_meanwhile_is_waited_for(ground: Ground) -> None:
    """Back to the first node, while an ensure starts the container."""
    ctid, node = ground.ctid(FIRST), ground.target.node
    another_node(ground)
    upid = migrate(ground, ctid, node)
    result = ground.ensure(ctid)
    ground.end(upid)
    assert (result.outcome, result.node) == ("updated", node)
    seen = ground.look(ctid)
    assert (seen.node, seen.running) == (node, True)


def storage_that_is_not_shared_is_told(ground: Ground) -> None:
    other = another_node(ground)
    if ground.door.storages()[ground.target.storage].shared:
        raise NotShownError(f"{ground.target.storage} is shared")
    ctid = ground.declare(ground.free(SPARE), node=other, clone_from_ctid=ground.ctid(TEMPLATE))
    assert refusal(ground, ground.producer.ensure(ctid)).cause == "storage-not-shared"
    assert ground.look(ctid).presence is Presence.ABSENT
    ground.withdraw(ctid)
