"""Each command of Redis on each kind of key, with the users of docs/security.md: who may write what."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.utils import str_if_bytes

from phoenix_worker.commands.demo.embedded import private_redis
from tests.acceptance.test_secured_redis import PAGE, PASSWORDS, users

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["users"]

OURS = ("phoenix:due", "phoenix.resume", "celery-task-meta-x", "celery-taskset-meta-x", "_kombu.binding.celery.pidbox")
QUEUES = ("phoenix.ensure", "phoenix.ensure\x06\x163", "phoenix.upkeep")
BINDINGS = ("_kombu.binding.phoenix.ensure", "_kombu.binding_permanent.phoenix.resume")
FOREIGN = ("session:x", "celery", "unacked")
WRITES = {
    "phoenix-sender": {("lpush", QUEUES[0])},
    "phoenix-viewer": set(),
    "phoenix-requester": {*(("lpush", queue) for queue in QUEUES[:2]), *(("sadd", key) for key in BINDINGS)},
    "phoenix-operator": {*(("lpush", queue) for queue in QUEUES), *(("sadd", key) for key in BINDINGS)},
}
"""All that those may write who may not write the ledger."""
NO_KEYS = {"zdiffstore", "zinterstore", "zunionstore"}
"""Without any key to read they are not carried out."""


def writers(client: redis.Redis) -> Iterator[tuple[str, int, int]]:
    """Each command that writes a key: its words, how many there are at least, and the place of the key."""
    commands: Any = client.command()
    for name, told in commands.items():
        if "write" in map(str_if_bytes, told["flags"]) and told["first_key_pos"]:
            yield name, abs(told["arity"]), told["first_key_pos"]


def allowed(client: redis.Redis, user: str) -> set[tuple[str, str]]:
    """What a user may write: commands, and keys."""
    asked = [(*one, key) for one in writers(client) for key in (*OURS, *QUEUES, *BINDINGS, *FOREIGN)]
    with client.pipeline(transaction=False) as pipe:
        for name, arity, place, key in asked:
            words = [*name.split("|"), *["0"] * max(arity, place + 1)][: max(arity, place + 1)]
            words[place] = key
            pipe.execute_command("ACL", "DRYRUN", user, *words)  # type: ignore[no-untyped-call]
        told = pipe.execute(raise_on_error=False)
    return {(name, key) for (name, _, _, key), said in zip(asked, told, strict=True) if str_if_bytes(said) == "OK"}


def test_each_user_may_write_what_its_role_says_and_nothing_else(users: redis.Redis) -> None:
    written = {user: allowed(users, user) for user in PASSWORDS}
    assert {user: written[user] for user in WRITES} == WRITES
    for user in ("phoenix-producer", "phoenix-worker"):
        assert not {(name, key) for name, key in written[user] if key in FOREIGN and name not in NO_KEYS}, user
    assert {key for _, key in written["phoenix-producer"]} == {"phoenix:due", *QUEUES, *BINDINGS}
    assert {name for name, key in written["phoenix-producer"] if key in BINDINGS} == {"sadd"}


@pytest.mark.parametrize("command", re.findall(r"`(ACL SETUSER default [^`]+)`", PAGE))
def test_who_names_no_user_is_kept_out_by_each_way_of_the_page(command: str, tmp_path: Path) -> None:
    with private_redis(tmp_path) as server, redis.Redis.from_url(server.url) as client:
        client.execute_command(*command.split())
        client.connection_pool.disconnect()
        with pytest.raises(redis.AuthenticationError):
            client.ping()


def test_the_page_has_a_way_to_keep_out_who_names_no_user() -> None:
    assert len(re.findall(r"`ACL SETUSER default [^`]+`", PAGE)) == 2
