"""Which queues the workers that live take from. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

QUEUES = (RESUME_QUEUE, UPKEEP_QUEUE, QUEUE)


def takers(alive: Collection[str], told: Mapping[str, str]) -> dict[str, int]:
    """Count the workers that take from each queue.

    `alive` names those with a heartbeat. `told` has, by worker, the names of the queues that it takes from, with
    spaces between them; one that has told nothing takes from all.
    """
    taken = [told[one].split() if one in told else QUEUES for one in alive]
    return {queue: sum(queue in each for each in taken) for queue in QUEUES}
