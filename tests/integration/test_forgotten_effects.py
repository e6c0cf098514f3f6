"""What Redis has forgotten is looked for before it is done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.test_durable_tasks import client, environ, worker
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.asking import Asking

__all__ = ["client", "environ", "worker"]


@pytest.mark.usefixtures("worker")
def test_what_was_forgotten_as_connections_broke_is_not_done_again(client: Asking) -> None:
    """Both that it was meant to be done and that it was; the end of that Redis cut the worker's connections off."""
    result = client.ask("t.step", "it", "1")
    wait_for(lambda: client.redis.zcard("phoenix:watch"))
    assert client.redis.hdel(f"phoenix:j:{result.id}", "effect", "?effect") == 2
    client.redis.client_kill_filter(_type="normal", skipme=True)
    client.redis.set("remote:it", 1)
    assert result.get(timeout=60) == "1"
    assert client.redis.lrange("effects", 0, -1) == ["1 it"]
