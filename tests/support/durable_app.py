"""A worker with tiny durable tasks of its own: the engine without Proxmox. Effects are lists in Redis."""

from __future__ import annotations

import os
import time
from functools import partial
from typing import TYPE_CHECKING, Any

from celery import Celery
from celery.canvas import chain
from redis import Redis

from phoenix_worker.durable.celery_settings import CELERY_SETTINGS
from phoenix_worker.durable.engine import Engine
from phoenix_worker.durable.task import DurableTask
from phoenix_worker.durable.watcher import Look
from tests.support import crash

if TYPE_CHECKING:
    from collections.abc import Callable

URL = os.environ["DURABLE_REDIS"]
# Those of tests that harm the engine's Redis are kept on another.
effects = Redis.from_url(os.environ.get("DURABLE_EFFECTS", URL), decode_responses=True)
crash.install(effects)


class BusyError(Exception):
    """Something passing."""


def look(watch: Any, elapsed: float) -> Look:  # noqa: ARG001 - the prober's signature
    return Look(effects.get(f"remote:{watch['job']}"))


app = Celery("durable_app", broker=URL, backend=URL, set_as_current=False)
app.conf.update(CELERY_SETTINGS)
engine = Engine(app, URL, look, ttl=float(os.environ.get("DURABLE_TTL", "1.0")), patience=5)
engine.attach(app)
Base = type("Base", (DurableTask,), {"abstract": True, "engine": engine, "transient": (BusyError,)})


def link(name: str, *args: Any) -> Any:
    return app.signature(name, args=args, immutable=True)


@app.task(name="t.request", base=Base, bind=True, begins_job=True)
def request(self: DurableTask, key: str, depth: int, template: str) -> Any:
    """Holds its own key; is replaced by a chain whose first link may be replaced in turn."""
    self.hold(f"key/{key}")
    self.once("looked", lambda: effects.rpush("looked", key))
    return self.replace(chain(link("t.clone", key, depth, template), link("t.step", key, "2"), link("t.last", key)))


@app.task(name="t.room", base=Base, bind=True)
def room(self: DurableTask) -> int | None:  # noqa: ARG001 - as every task
    """How many may publish at once; nothing while Celery has not made what they do it by."""
    pool = app.amqp._producer_pool  # type: ignore[attr-defined]  # not in its stubs
    return None if pool is None else int(pool.limit)


@app.task(name="t.clone", base=Base, bind=True)
def clone(self: DurableTask, key: str, depth: int, template: str) -> str:
    self.hold(f"lane/{template}")
    if not self.once("built", lambda: effects.sismember("built", template)):
        links = [link("t.build", template)]
        if depth:
            links = [link("t.clone", template, depth - 1, f"{template}x"), *links]
        return self.replace(chain(*links, link("t.clone", key, depth, template)))
    self.once("effect", lambda: effects.rpush("effects", f"clone {key}"), adopt=lambda _: found(f"clone {key}"))
    return key


@app.task(name="t.build", base=Base, bind=True)
def build(self: DurableTask, template: str) -> str:
    self.once(
        "effect", lambda: effects.rpush("effects", f"build {template}"), adopt=lambda _: found(f"build {template}")
    )
    effects.sadd("built", template)
    return template


@app.task(name="t.step", base=Base, bind=True)
def step(self: DurableTask, key: str, number: str) -> str:
    """Does its effect, waits for a remote job and sleeps."""
    self.once("effect", lambda: effects.rpush("effects", f"{number} {key}"), adopt=lambda _: found(f"{number} {key}"))
    self.wait(f"remote/{key}", watch={"job": key, "class": "remote"})
    for _ in range(3):
        self.sleep(0.2)
    return number


@app.task(name="t.last", base=Base, bind=True)
def last(self: DurableTask, key: str) -> str:
    self.once("effect", lambda: effects.rpush("effects", f"last {key}"), adopt=lambda _: found(f"last {key}"))
    return f"{key} done"


@app.task(name="t.locked", base=Base, bind=True, begins_job=True)
def locked(self: DurableTask, number: int, lock: str, job: str | None = None, capacity: int = 1) -> int:
    """Owns a lock while it waits for a remote job, if one is named."""
    self.hold(lock, capacity)
    self.once("begun", lambda: effects.rpush(f"begun:{lock}", number))
    if job:
        self.wait(f"remote/{job}", watch={"job": job, "class": "remote"})
    effects.rpush(f"ended:{lock}", number)
    return number


@app.task(name="t.nap", base=Base, bind=True, begins_job=True)
def nap(self: DurableTask, seconds: float, times: int) -> int:
    for _ in range(times):
        self.sleep(seconds)
    return effects.incr("naps")


@app.task(name="t.busy", base=Base, bind=True, begins_job=True)
def busy(_: DurableTask, times: int) -> int:
    if effects.incr("tried") <= times:
        raise BusyError("not yet")
    return times


def _again(task: DurableTask) -> DurableTask:
    task.forget("before")
    return task


def _read_again(task: DurableTask) -> DurableTask:
    _again(task).read("before", lambda: True)
    return task


DID: dict[str, Callable[[DurableTask], object]] = {
    "a step": lambda task: task.once("step", lambda: True),
    "a choice": lambda task: task.settle("node", "pve1"),
    "a read that is told": lambda task: task.settle("before", task.read("look", lambda: True)),
    "nothing": lambda _: None,
    "a lock": lambda task: task.hold("lane"),
    "an earlier step": lambda task: task.once("before", lambda: True),
    "an earlier choice": lambda task: task.settle("before", "pve2"),
    "an earlier step that is forgotten": lambda task: task.forget("before"),
    "a read that is not told": lambda task: task.read("look", lambda: True),
    "an earlier step that is done again": lambda task: _again(task).once("before", lambda: True),
    "an earlier read that is told again": lambda task: _read_again(task).hold("lane"),
    "a new step beside an earlier one": lambda task: _read_again(task).once("step", lambda: True),
}
"""What a task may have done between two troubles."""


@app.task(name="t.long_in_trouble", base=Base, bind=True, begins_job=True)
def long_in_trouble(self: DurableTask, what: str) -> list[bool]:
    """Its second run is in trouble again, after more of it than the engine's patience."""
    tried, run, record = effects.incr("tried"), self.running, f"phoenix:t:{self.request.id}"
    if tried == 1:
        self.once("before", lambda: True)
        self.settle("before", "pve1")
        raise BusyError("not yet")
    if tried == 2:
        run.since = run.claimed_at - 60
        effects.hset(record, "since", run.since)
        DID[what](self)
        effects.rpush("ended:forward", int(run.since is None), int(not effects.hexists(record, "since")))
        raise BusyError("not yet")
    return [bool(int(forward)) for forward in effects.lrange("ended:forward", 0, -1)]


@app.task(name="t.fails", base=Base, bind=True, begins_job=True)
def fails(self: DurableTask, lock: str) -> None:
    self.hold(lock)
    raise ValueError("no")


@app.task(name="t.deadly", base=Base, bind=True, begins_job=True)
def deadly(_: DurableTask) -> None:
    effects.incr("deaths")
    os.kill(os.getpid(), 9)


def found(effect: str) -> int | None:
    """What an earlier run did, if it did."""
    return 1 if effect in effects.lrange("effects", 0, -1) else None


@app.task(name="t.builds", base=Base, bind=True, begins_job=True)
def builds(self: DurableTask, lock: str) -> None:
    """Is replaced by a chain whose first link owns a lock and has built what it protects."""
    self.replace(chain(link("t.owner", lock), link("t.last", lock)))


@app.task(name="t.owner", base=Base, bind=True)
def owner(self: DurableTask, lock: str) -> None:
    self.hold(lock)
    self.replace(chain(link("t.failing_build"), link("t.owner", lock)))


@app.task(name="t.failing_build", base=Base, bind=True)
def failing_build(self: DurableTask) -> None:
    self.wait("remote/build", watch={"job": "build", "class": "remote"})
    raise ValueError("the build failed")


@app.task(name="t.lingers", base=Base, bind=True, begins_job=True)
def lingers(self: DurableTask, lock: str) -> str:
    """The first run stays in its middle until it is told to go on; the second goes through."""
    self.hold(lock)
    if effects.set("lingering", 1, nx=True):
        while effects.get("linger") is None:
            time.sleep(0.01)
        effects.set("woken", 1)
        self.once("begun", lambda: effects.rpush(f"begun:{lock}", "twice"), adopt=lambda _: None)
        return "first"
    self.once("begun", lambda: effects.rpush(f"begun:{lock}", "once"), adopt=lambda _: None)
    return "second"


@app.task(name="t.outlives", base=Base, bind=True, begins_job=True)
def outlives(self: DurableTask, *words: str) -> str:
    """Stays in its middle until it is told to go on; then it says these words, if any, and ends."""
    effects.incr("outliving")
    while effects.get("outlived") is None:
        time.sleep(0.01)
    for word in words:
        self.forget(word)
    return "done"


@app.task(name="t.interval", base=Base, bind=True, begins_job=True)
def interval(self: DurableTask, number: int, lock: str) -> None:
    """Marks the begin and the end of owning a lock, each once."""
    self.hold(lock)
    for mark in ("begin", "end"):
        self.once(mark, partial(effects.rpush, "intervals", f"{mark} {number}"), adopt=marked(mark, number))
        self.sleep(0.01)


def marked(mark: str, number: int) -> Any:
    return lambda _: 1 if f"{mark} {number}" in effects.lrange("intervals", 0, -1) else None


@app.task(name="t.shared", base=Base, bind=True, begins_job=True)
def shared(self: DurableTask, what: str) -> int:
    """Shares its run with others that ask for the same before it begins."""
    end = self.share(what)
    if end is not None:
        if not end["ok"]:
            raise ValueError(end["value"])
        return int(end["value"])
    self.hold(what, departing=True)
    number: int = self.once("begun", lambda: effects.rpush(f"begun:{what}", 1))
    self.wait(f"remote/{what}", watch={"job": what, "class": "remote"})
    return number


@app.task(name="t.plain")
def plain() -> None:
    """Celery's own empty task, to measure against."""


@app.task(name="t.chained", base=Base, bind=True, begins_job=True)
def chained(self: DurableTask) -> None:
    """Three empty links follow it."""
    self.replace(chain(link("t.tiny"), link("t.tiny"), link("t.tiny")))


@app.task(name="t.tiny", base=Base, bind=True)
def tiny(_: DurableTask) -> None:
    """Does nothing."""


@app.task(name="t.stamped", base=Base, bind=True, begins_job=True)
def stamped(self: DurableTask, number: int) -> None:
    """Owns a lock for 20 ms and notes when."""
    self.hold("stamped")
    began = time.monotonic()
    time.sleep(0.02)
    effects.rpush("stamps", f"{number} {began} {time.monotonic()}")


@app.task(name="t.member", base=Base, bind=True, begins_job=True)
def member(self: DurableTask, number: int) -> int:
    self.once("effect", lambda: effects.rpush("effects", f"member {number}"), adopt=lambda _: found(f"member {number}"))
    return number


@app.task(name="t.body", base=Base, bind=True, begins_job=True)
def body(self: DurableTask, numbers: list[int]) -> int:
    self.once("effect", lambda: effects.rpush("effects", "body"), adopt=lambda _: found("body"))
    return sum(numbers)
