"""Which of the CTIDs the cases use, and what several of them do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer import EnsureFailed
from phoenix_worker.core.model.ports import CreateOrder
from tests.conformance.ground import PATIENCE, PREFIX

if TYPE_CHECKING:
    from phoenix_producer import Handle
    from phoenix_producer.contract import EnsureResult, Failure
    from tests.conformance.ground import Ground

TEMPLATE, FIRST, SECOND, THIRD, DIRECT, LINKED, FOREIGN, TO_BE, SPARE = range(9)
"""Which of the CTIDs; those of the rebuild come from the settings. Each case that uses SPARE leaves it free."""


def refusal(ground: Ground, handle: Handle[EnsureResult], patience: float = PATIENCE) -> Failure:
    """Wait for a request that is refused."""
    try:
        result = handle.wait(patience)
    except EnsureFailed as failed:
        ground.saw(f"{failed.failure.cause}: {failed.failure.message}")
        return failed.failure
    raise AssertionError(f"{result.ctid} was not refused: {result.outcome}")


def destroyed(ground: Ground, ctid: int) -> None:
    """Destroy what is ours, and take it out of the catalog."""
    assert ground.told(ground.producer.destroy(ctid).wait(PATIENCE)).outcome == "destroyed"
    ground.withdraw(ctid)


def make_without_us(ground: Ground, ctid: int) -> None:
    """Create a container as another tool would."""
    config = {"hostname": f"{PREFIX}{ctid}", "rootfs": f"{ground.target.storage}:2", "memory": "128"}
    ground.end(
        ground.door.create(CreateOrder(ground.target.node, ctid, ground.os_template, unprivileged=True, config=config))
    )
