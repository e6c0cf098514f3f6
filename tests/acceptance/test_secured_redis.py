"""Redis behind TLS, with the users of docs/security.md: enough for what each is for, and no more."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import uuid
from typing import TYPE_CHECKING, Any

import pytest
import redis
from redis.exceptions import NoPermissionError

from phoenix_producer import Producer
from phoenix_producer.client.channel import Unreachable
from phoenix_producer.client.redis_url import verified
from phoenix_worker.durable.message_form import message
from tests.support.cli import COMMAND
from tests.support.flower import Flower
from tests.support.product import container, template
from tests.support.tls import NativeTls, TlsFront
from tests.support.waiting import wait_for
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.product import Product
    from tests.support.tls import Front

PAGE = (ROOT / "docs" / "security.md").read_text()
USERS = re.findall(r"^ACL SETUSER (\S+) (.*)$", PAGE, re.MULTILINE)
PASSWORDS = {
    "phoenix-worker": "WORKERPASSWORD",
    "phoenix-producer": "PRODUCERPASSWORD",
    "phoenix-sender": "SENDERPASSWORD",
    "phoenix-viewer": "VIEWERPASSWORD",
    "phoenix-requester": "REQUESTERPASSWORD",
    "phoenix-operator": "OPERATORPASSWORD",
}


@pytest.fixture
def users(redis_client: redis.Redis) -> Iterator[redis.Redis]:
    """The server with the documented users, seen by its administrator; afterwards none of them is left."""
    assert {name for name, _ in USERS} == PASSWORDS.keys()
    for name, rules in USERS:
        redis_client.execute_command("ACL", "SETUSER", name, *split_rules(rules))  # type: ignore[no-untyped-call]
    redis_client.acl_log_reset()
    yield redis_client
    for name, _ in USERS:
        redis_client.acl_deluser(name)


def split_rules(rules: str) -> list[str]:
    """The words of an ACL; a selector, in brackets, is one."""
    return re.findall(r"\([^)]*\)|\S+", rules)


@pytest.fixture
def front(users: redis.Redis) -> Iterator[Front]:
    """TLS before the server, as stunnel does it: the packaged one has none. With `make test-tls` the server's own."""
    if "NATIVE_TLS" in os.environ:
        with NativeTls(users) as native:
            yield native
        return
    with TlsFront(int(users.get_connection_kwargs()["port"])) as front:
        yield front


def url_of(user: str, front: Front) -> str:
    return f"rediss://{user}:{PASSWORDS[user]}@127.0.0.1:{front.port}/0"


def refused(client: redis.Redis) -> list[Any]:
    """What the server has refused to anybody since the log was emptied."""
    return [(entry["username"], entry["object"]) for entry in client.acl_log()]


def test_worker_producer_and_sender_get_along_over_tls(product: Product, front: Front, users: redis.Redis) -> None:
    product.declare({900: template(900), 103: container(103)})
    worker = {"PHOENIX_REDIS_URL": url_of("phoenix-worker", front), "PHOENIX_REDIS_CA_FILE": front.ca_file}
    running = product.start_worker(**worker)
    with Producer(url_of("phoenix-producer", front), redis_ca_file=front.ca_file) as producer:
        job = producer.ensure(103)
        assert [event.kind for event in job.progress()][-1] == "done"
        assert job.wait(timeout=60).outcome == "created"
        assert producer.containers().wait(timeout=60) == [103]
        assert producer.status([103]).wait(timeout=60)[0].running
        assert producer.plan(103).wait(timeout=60).lines == ()
        producer.cancel(str(job.id)).wait(timeout=60)
    environ = {**os.environ, "PHOENIX_REDIS_URL": url_of("phoenix-producer", front)}
    environ["PHOENIX_REDIS_CA_FILE"] = front.ca_file
    for words in (["jobs", "--all"], ["jobs", "show", str(job.id)], ["locks"], ["ensure", "103"]):
        subprocess.run([COMMAND, *words], check=True, env=environ, capture_output=True, timeout=180)
    checked = subprocess.run(
        [COMMAND, "check", "--json"],
        check=False,
        env={**os.environ, **product.environ(**worker)},
        capture_output=True,
        text=True,
        timeout=180,
    )
    said = {line["about"]: line["level"] for line in json.loads(checked.stdout)["lines"]}
    assert (said["Redis user"], said["Redis settings" if "Redis settings" in said else "Workers"]) == ("ok", "ok")
    assert send_plainly(front) == "unchanged"
    assert send_chord(users) == "SUCCESS"
    assert refused(users) == []
    assert "PASSWORD" not in running.log()


def send_chord(client: redis.Redis) -> str:
    """Send a chord as Celery's clients do; return how its body ended."""
    group, size = str(uuid.uuid4()), 2
    body = {"task": "phoenix.nodes", "args": [], "kwargs": {}, "immutable": True, "chord_size": size}
    chord = body | {"options": {"task_id": str(uuid.uuid4())}}
    client.set(f"celery-taskset-meta-{group}.s", size, ex=60)
    for number in range(size):
        item = message("phoenix.containers", "phoenix.ensure", str(uuid.uuid4()))
        item["headers"] |= {"group": group, "group_index": number}
        item["body"] = base64.b64encode(json.dumps([[], {}, {"chord": chord}]).encode()).decode()
        client.lpush("phoenix.ensure", json.dumps(item))
    key = f"celery-task-meta-{chord['options']['task_id']}"  # type: ignore[index]  # it has options
    wait_for(lambda: client.exists(key))
    return str(json.loads(str(client.get(key)))["status"])


def send_plainly(front: Front) -> str:
    """Push a message as docs/messages.md shows it, and read the result."""
    task_id = str(uuid.uuid4())
    body = json.dumps([[103], {}, {}]).encode()
    message = {
        "body": base64.b64encode(body).decode(),
        "content-type": "application/json",
        "content-encoding": "utf-8",
        "headers": {"lang": "js", "task": "phoenix.ensure", "id": task_id, "root_id": task_id},
        "properties": {
            "correlation_id": task_id,
            "delivery_tag": task_id,
            "delivery_info": {"exchange": "", "routing_key": "phoenix.ensure"},
            "body_encoding": "base64",
        },
    }
    url = verified(url_of("phoenix-sender", front), front.ca_file)
    with redis.Redis.from_url(url, decode_responses=True) as sender:
        sender.lpush("phoenix.ensure", json.dumps(message))
        key = f"celery-task-meta-{task_id}"
        wait_for(lambda: json.loads(str(sender.get(key) or "{}")).get("status") == "SUCCESS")
        return str(json.loads(str(sender.get(key)))["result"]["outcome"])


BEYOND_ALL = [
    ("CONFIG", "GET", "requirepass"),
    ("CONFIG", "SET", "appendonly", "no"),
    ("FLUSHALL",),
    ("KEYS", "*"),
    ("ACL", "LIST"),
    ("SHUTDOWN",),
    ("GET", "session:of-somebody-else"),
    ("SET", "celery-task-meta-x", "forged"),
    ("LPUSH", "phoenix.resume", "{}"),
    ("RPOP", "phoenix.ensure"),
    ("PUBLISH", "celery-task-meta-x", "forged"),
    ("SUBSCRIBE", "other"),
]
OF_OTHERS = [
    ("CLIENT", "TRACKING", "ON", "BCAST"),
    ("SCAN", "0"),
    ("RANDOMKEY",),
    ("FUNCTION", "FLUSH"),
    ("FUNCTION", "LIST"),
    ("SCRIPT", "FLUSH"),
    ("SCRIPT", "KILL"),
    ("COPY", "session:x", "phoenix:x"),
    ("RENAME", "phoenix:x", "session:x"),
    ("DUMP", "session:x"),
    ("OBJECT", "ENCODING", "session:x"),
    ("SUNIONSTORE", "phoenix:x", "session:x"),
    ("GEOSEARCHSTORE", "phoenix:x", "session:x", "FROMMEMBER", "x", "BYRADIUS", "1", "m"),
    ("BITOP", "NOT", "phoenix:x", "session:x"),
    ("LMOVE", "phoenix.ensure", "session:x", "LEFT", "LEFT"),
    ("PFMERGE", "session:x"),
]
"""What would tell other programs' keys, or change what they share with us."""
WRITES = [("SET", "phoenix:x", "1"), ("HSET", "phoenix:job:x", "state", "done"), ("EVAL", "return 1", "0")]
BINDINGS = [
    ("SADD", "_kombu.binding.reply.celery.pidbox", "x"),
    ("DEL", "_kombu.binding.phoenix.ensure"),
    ("HSET", "_kombu.binding_permanent.phoenix.resume", "a", "b"),
]
"""What answers to Flower go by, and without what no worker begins to consume."""
BEYOND = {
    "phoenix-producer": [*BEYOND_ALL, *BINDINGS],
    "phoenix-sender": [*BEYOND_ALL, ("HGETALL", "phoenix:job:x"), ("SET", "phoenix:x", "1"), ("EVAL", "return 1", "0")],
    "phoenix-viewer": [*BEYOND_ALL, *WRITES, ("LPUSH", "phoenix.ensure", "{}"), ("LPUSH", "phoenix.upkeep", "{}")],
    "phoenix-requester": [*BEYOND_ALL, *WRITES, *BINDINGS, ("LPUSH", "phoenix.upkeep", "{}")],
    "phoenix-operator": [*BEYOND_ALL, *WRITES, *BINDINGS],
    "phoenix-worker": [("CONFIG", "SET", "appendonly", "no"), ("FLUSHALL",), ("ACL", "LIST"), ("GET", "session:x")],
}
HARMLESS = {"phoenix-worker": {"info", "config|get", "restore"}}
"""Of what Redis calls dangerous, what a user has: `restore` needs the right to write the key."""


@pytest.mark.parametrize("user", BEYOND)
def test_a_user_may_do_nothing_beyond(users: redis.Redis, redis_url: str, user: str) -> None:
    assert users.ping()
    with redis.Redis.from_url(redis_url.replace("://", f"://{user}:{PASSWORDS[user]}@")) as client:
        for command in (*BEYOND[user], *OF_OTHERS):
            with pytest.raises(NoPermissionError):
                client.execute_command(*command)


def test_a_worker_reads_no_password_that_is_in_the_list_of_users(users: redis.Redis, redis_url: str) -> None:
    """`CONFIG GET` has no limits of its own: what stands in `redis.conf` is shown."""
    secret = "ADMINPASSWORD"
    url = redis_url.replace("://", f"://phoenix-worker:{PASSWORDS['phoenix-worker']}@")
    with redis.Redis.from_url(url, decode_responses=True) as worker:
        for rule in (["default", f">{secret}"], ["default", "nopass"]):
            users.execute_command("ACL", "SETUSER", *rule)  # type: ignore[no-untyped-call]
            assert secret not in str(worker.config_get("*"))
        users.config_set("masterauth", secret)
        shown = worker.config_get("masterauth")
        users.config_set("masterauth", "")
        assert shown == {"masterauth": secret}, "as docs/security.md says"


def dangerous(client: redis.Redis) -> dict[str, int]:
    """Each command that Redis puts among those for administrators or the dangerous ones, with its smallest size."""
    found = {str(name) for category in ("admin", "dangerous") for name in client.acl_cat(category)}
    ask: Any = client.execute_command  # which redis-py does not type
    told = {name: ask("COMMAND", "INFO", name) for name in found}
    return {name: abs(info[name]["arity"]) for name, info in told.items() if info.get(name)}


@pytest.mark.parametrize("user", PASSWORDS)
def test_nobody_may_do_what_is_for_administrators(users: redis.Redis, user: str) -> None:
    """Whoever may pause or end clients, with what belongs to a connection, stops all others."""
    allowed = set()
    for name, size in dangerous(users).items():
        words = [*name.split("|"), *["0"] * size][: max(size, len(name.split("|")))]
        ask: Any = users.execute_command  # which redis-py does not type
        said = str(ask("ACL", "DRYRUN", user, *words))
        allowed |= set() if "no permissions to run" in said else {name}
    assert allowed == HARMLESS.get(user, set())


@pytest.mark.long
def test_a_worker_s_user_serves_flower(product: Product, users: redis.Redis, redis_url: str, tmp_path: Path) -> None:
    product.declare({900: template(900), 103: container(103)})
    url = redis_url.replace("://", f"://phoenix-worker:{PASSWORDS['phoenix-worker']}@")
    product.start_worker(PHOENIX_REDIS_URL=url)
    with Flower(tmp_path, url) as flower:
        sent = flower.post("task/apply/phoenix.ensure", args=[103])
        assert sent["result"]["outcome"] == "created"
        wait_for(lambda: "w1@test" in flower.get("workers?refresh=1"))
        wait_for(lambda: flower.row("phoenix.ensure", 103).get("state") == "SUCCESS")
    assert refused(users) == []


def as_role(role: str, redis_url: str) -> Producer:
    return Producer(redis_url.replace("://", f"://phoenix-{role}:{PASSWORDS[f'phoenix-{role}']}@"))


def test_each_role_may_ask_for_what_the_table_says(product: Product, users: redis.Redis, redis_url: str) -> None:
    assert users.ping()
    product.declare({900: template(900), 103: container(103)})
    product.start_worker()
    with as_role("viewer", redis_url) as viewer, pytest.raises(Unreachable, match="does not let its user publish"):
        viewer.ensure(103)
    with as_role("requester", redis_url) as requester:
        job = requester.ensure(103)
        assert [event.kind for event in job.progress()][-1] == "done"
        assert job.wait(timeout=60).outcome == "created"
        assert requester.plan(103).wait(timeout=60).lines == ()
        assert requester.status([103]).wait(timeout=60)[0].running
        requester.cancel(str(job.id)).wait(timeout=60)
        for forbidden in (requester.destroy, requester.adopt, requester.rebuild):
            with pytest.raises(Unreachable, match=r"does not let its user publish to phoenix\.upkeep"):
                forbidden(900)
        with pytest.raises(Unreachable, match=r"publish to phoenix\.upkeep"):
            requester.ensure(103, adopt=True)
    environ = {**os.environ, "PHOENIX_REDIS_URL": redis_url.replace("://", "://phoenix-viewer:VIEWERPASSWORD@")}
    for words in (["jobs", "--all"], ["jobs", "show", str(job.id)], ["locks"]):
        subprocess.run([COMMAND, *words], check=True, env=environ, capture_output=True, timeout=180)
    with as_role("operator", redis_url) as operator:
        assert operator.ensure(103, adopt=True).wait(timeout=60).outcome == "unchanged"
        assert operator.destroy(103).wait(timeout=60).outcome == "destroyed"


PUSHED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "destroy": ({"task": "phoenix.destroy"}, {}),
    "rebuild": ({"task": "phoenix.rebuild"}, {}),
    "adopt": ({"task": "phoenix.adopt"}, {}),
    "migrate": ({"task": "phoenix.migrate", "kwargs": {"to": "pve2"}}, {}),
    "drain": ({"task": "phoenix.drain"}, {}),
    "an ensure that adopts": ({"task": "phoenix.ensure", "kwargs": {"adopt": True}}, {}),
    "a callback that destroys": ({"task": "phoenix.containers"}, {"callbacks": "phoenix.destroy"}),
    "an errback that destroys": ({"task": "phoenix.ensure"}, {"errbacks": "phoenix.destroy"}),
    "a chain that destroys": ({"task": "phoenix.containers"}, {"chain": "phoenix.destroy"}),
}


@pytest.mark.parametrize("pushed", PUSHED)
def test_what_is_pushed_to_the_queue_of_requests_destroys_nothing(
    product: Product, redis_client: redis.Redis, pushed: str
) -> None:
    """Whatever its sender says of it: the queue alone tells whose it is."""
    product.declare({900: template(900), 103: container(103)})
    product.simulator.add_template(900)
    product.start_worker()
    assert product.ensure(103).outcome == "created"
    task, embedded = PUSHED[pushed]
    args = [] if task["task"] == "phoenix.containers" else [103]
    embed = {
        place: [{"task": name, "args": [103], "kwargs": {}, "options": {"queue": "phoenix.upkeep"}}]
        for place, name in embedded.items()
    }
    item = message(task["task"], "phoenix.ensure", task_id := str(uuid.uuid4()))
    item["body"] = base64.b64encode(json.dumps([args, task.get("kwargs", {}), embed]).encode()).decode()
    item["properties"]["delivery_info"]["routing_key"] = "phoenix.upkeep"
    redis_client.lpush("phoenix.ensure", json.dumps(item))
    key = f"celery-task-meta-{task_id}"
    wait_for(lambda: json.loads(str(redis_client.get(key) or "{}")).get("status") == "FAILURE")
    told = json.dumps(json.loads(str(redis_client.get(key))))
    assert "taken from the queue phoenix.upkeep alone" in told
    assert product.status(103) == "running"


def test_a_certificate_of_another_ca_is_refused(front: Front) -> None:
    with Producer(url_of("phoenix-producer", front)) as producer, pytest.raises(Unreachable) as error:
        producer.ensure(103)
    assert "certificate verify failed" in str(error.value)
    assert "PRODUCERPASSWORD" not in str(error.value)


def test_a_name_that_is_not_in_the_certificate_is_refused(front: Front) -> None:
    url = url_of("phoenix-producer", front).replace("127.0.0.1", "127.1")
    with Producer(url, redis_ca_file=front.ca_file) as producer, pytest.raises(Unreachable, match="certificate"):
        producer.ensure(103)
