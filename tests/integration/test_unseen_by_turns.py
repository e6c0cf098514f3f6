"""A remote job that one worker could not see, and another has seen since, was not unseen all the while."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from phoenix_worker.actions.watch_tasks import Probe
from phoenix_worker.core.model.errors import TransientError
from phoenix_worker.durable.watcher import Watcher

if TYPE_CHECKING:
    from redis import Redis

    from phoenix_worker.core.model.ports import Proxmox
    from tests.support.driven_ledger import DrivenLedger

EVENT = "upid/UPID:x"
UNSEEN = "phoenix:watch:unseen"


class Silent:
    """Proxmox as one worker sees it."""

    def __init__(self) -> None:
        self.answers = False

    def task_end(self, _: str) -> None:
        """Tell nothing of a task that runs."""
        if not self.answers:
            raise TransientError("Unable to see it.", cause="unreachable")


def worker(driven: DrivenLedger, name: str, proxmox: Silent) -> Watcher:
    return Watcher(driven.ledger, name, Probe(cast("Proxmox", proxmox), None, 0.0))


def test_trouble_of_an_earlier_turn_counts_only_if_nobody_has_seen_it_since(
    driven: DrivenLedger, redis_client: Redis
) -> None:
    watch = {"upid": "UPID:x", "class": "c", "task": "t"}
    driven.say("wait", driven.taken(101), "", EVENT, "", json.dumps(watch), 0)
    silent, sees = Silent(), Silent()
    sees.answers = True
    first, second = worker(driven, "w1", silent), worker(driven, "w2", sees)

    def end() -> Any:
        return redis_client.get(f"phoenix:ev:{EVENT}")

    first._look_now(EVENT)
    assert redis_client.hkeys(UNSEEN) == [EVENT]
    second._look_now(EVENT)
    assert not redis_client.exists(UNSEEN)
    first._look_now(EVENT)
    assert end() is None, "its trouble has only begun"
    first._look_now(EVENT)
    assert "(PHOENIX_PATIENCE)" in str(end())
    assert not redis_client.exists(UNSEEN, "phoenix:watched")
