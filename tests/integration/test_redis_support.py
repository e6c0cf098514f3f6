from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.redis import leaked_keys

if TYPE_CHECKING:
    import redis


@pytest.mark.parametrize("left_by_another_test", ["one", "two"])
def test_every_test_begins_with_an_empty_server(redis_client: redis.Redis, left_by_another_test: str) -> None:
    assert redis_client.dbsize() == 0
    redis_client.set(left_by_another_test, "")


def test_a_key_leaks_unless_it_has_a_ttl_or_an_owner(redis_client: redis.Redis) -> None:
    redis_client.set("expires", "", ex=60)
    redis_client.set("lock:900", "")
    redis_client.set("lost", "")
    assert leaked_keys(redis_client, []) == ["lock:900", "lost"]
    assert leaked_keys(redis_client, ["lock:*"]) == ["lost"]


def test_owned_keys_may_be_left(redis_client: redis.Redis, owned_keys: list[str]) -> None:
    redis_client.set("_kombu.binding.celery", "")
    owned_keys.append("_kombu.*")
