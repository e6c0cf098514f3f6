"""What the cases stand on: a Redis and a worker of their own, a catalog, and somebody else's Proxmox."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from redis import Redis

from phoenix_producer import Producer
from phoenix_worker.commands.demo.embedded import private_redis
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.durable import polling
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.error_table import PERMISSION
from phoenix_worker.proxmox.translate import Request
from tests.conformance.target import SCRATCH, Target, UnfitError
from tests.support.waiting import wait_for
from tests.support.worker import WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from phoenix_producer import EnsureResult
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.proxmox.connection import Access

PATIENCE = 900.0
"""Seconds that one request may take: a download and a copy on slow disks."""
PREFIX = "conformance-"
"""Of the hostnames of all that is made: nothing else is ever removed."""


class NotShownError(Exception):
    """This node, or this token, cannot show it; the reason is said."""


class Ground:
    """Everything started, and the words of the cases."""

    def __init__(self, target: Target, directory: Path, redis_url: str, door: ProxmoxApi, os_template: str) -> None:
        self.target, self.door, self.os_template = target, door, os_template
        self.producer = Producer(redis_url, requester="conformance")
        self._redis_url, self._directory = redis_url, directory
        self._catalog = directory / "catalog.json"
        self._entries: dict[int, dict[str, Any]] = {}
        self._sightings: list[str] = []
        self._upids: list[str] = []
        self._workers: list[WorkerProcess] = []
        self.left: list[str] = []
        """What is not a container and could not be undone."""

    def ctid(self, number: int) -> int:
        """One of the CTIDs that may be used; the last ones are for rebuilding."""
        return self.target.ctids[:-SCRATCH][number]

    def saw(self, line: str) -> None:
        """Remember what is printed with the case."""
        self._sightings.append(line)

    def take_sightings(self) -> list[str]:
        """What was seen since this was last asked."""
        taken, self._sightings = self._sightings, []
        return taken

    def take_upids(self) -> list[str]:
        """The Proxmox tasks of the requests since this was last asked."""
        taken, self._upids = self._upids, []
        return taken

    def declare(self, ctid: int, **keys: Any) -> int:
        """Add or change an entry of the catalog."""
        new = {
            "name": f"{PREFIX}{ctid}",
            "memory_mb": 256,
            "cores": 1,
            "storage_pool": self.target.storage,
            "storage_size_gb": 2,
            "network_config": {"bridge": self.target.bridge, "ip": "dhcp"},
            "pct_options": ["nesting=1"],
        }
        self._entries[ctid] = self._entries.get(ctid, new) | keys
        self._write()
        return ctid

    def declare_root(self, ctid: int, **keys: Any) -> int:
        """Declare one that is made from the OS template."""
        return self.declare(ctid, template=self.os_template, **keys)

    def withdraw(self, ctid: int) -> None:
        """Take an entry out of the catalog."""
        del self._entries[ctid]
        self._write()

    def _write(self) -> None:
        configs = {str(ctid): entry for ctid, entry in self._entries.items()}
        temporary = self._catalog.with_suffix(".new")
        temporary.write_text(json.dumps({"lxc_configs": configs}))
        temporary.replace(self._catalog)

    def start_worker(self, access: Access | None = None) -> WorkerProcess:
        """Start a worker, beside those that there are, with another token if one is given."""
        access, scratch = access or self.target.access, self.target.ctids[-SCRATCH:]
        environ = {
            "PHOENIX_REDIS_URL": self._redis_url,
            "PHOENIX_CATALOG": str(self._catalog),
            "PHOENIX_PROXMOX_HOST": access.host,
            "PHOENIX_PROXMOX_USER": access.user,
            "PHOENIX_PROXMOX_TOKEN_NAME": access.token_name,
            "PHOENIX_PROXMOX_TOKEN_VALUE": access.token_value,
            "PHOENIX_NODE": self.target.node,
            "PHOENIX_TEMPLATE_STORAGE": self.target.template_storage,
            "PHOENIX_SCRATCH_CTIDS": f"{scratch[0]}-{scratch[-1]}",
            **({"PHOENIX_PROXMOX_CA_FILE": access.ca_file} if access.ca_file else {}),
        }
        name = f"w{len(self._workers)}"
        worker = WorkerProcess("phoenix_worker", directory=self._directory, environ=environ, name=name, forked=True)
        self._workers.append(worker)
        worker.wait_until_ready()
        return worker

    @property
    def worker(self) -> WorkerProcess:
        """The worker that was started last."""
        return self._workers[-1]

    @contextmanager
    def worker_with(self, access: Access) -> Iterator[None]:
        """Have a worker with another token do the work of the block, and none else."""
        self.worker.kill()
        self.start_worker(access)
        try:
            yield
        finally:
            self.worker.kill()
            self.start_worker()

    @contextmanager
    def learned(self, kind: str, seconds: int) -> Iterator[None]:
        """Have the worker think that all tasks of a kind took that long so far."""
        with Redis.from_url(self._redis_url, decode_responses=True) as redis:
            keys = list(redis.scan_iter(f"phoenix:learned:{kind} *"))
            assert keys, f"nothing was learned of {kind}"
            for key in keys:
                redis.delete(key)
                redis.rpush(key, *[seconds] * polling.REMEMBERED)
            yield
            redis.delete(*keys)

    def ensure(self, ctid: int, **options: Any) -> EnsureResult:
        """Ensure, wait, and tell what was done."""
        return self.told(self.producer.ensure(ctid, **options).wait(PATIENCE))

    def told(self, result: EnsureResult) -> EnsureResult:
        """Tell what a request did."""
        steps = ", ".join(f"{step.name} {step.ctid} {step.seconds:.1f} s" for step in result.steps)
        self._upids += [step.upid for step in result.steps if step.upid]
        self.saw(f"{result.ctid} {result.outcome}" + (f": {steps}" if steps else ""))
        for line in (*result.warnings, *(f"not applied: {line}" for line in result.not_applied)):
            self.saw(f"{result.ctid} {line}")
        return result

    def look(self, ctid: int) -> Observation:
        """See what stands at a CTID."""
        return self.door.observe(self.target.node, ctid)

    def end(self, upid: str | None) -> None:
        """Wait for a Proxmox task of our own, and see that it went well."""
        if upid is not None:
            end = wait_for(lambda: self.door.task_end(upid), PATIENCE)
            assert end is not None
            assert end.succeeded, f"{upid}: {end.exit_status}"

    def ask(self, method: str, path: str, /, **params: str | int) -> Any:
        """Ask Proxmox what the product has no word for."""
        return self.door.call(Request(method, path, f"{method} {path}"), **params)

    def ask_if_allowed(self, method: str, path: str, /, **params: str | int) -> Any:
        """Ask it; what the token may not do is not shown."""
        try:
            return self.ask(method, path, **params)
        except PermanentError as error:
            if error.cause not in {PERMISSION, "root-only"}:
                raise
            raise NotShownError(f"the token lacks a right for it: {error.message}") from None

    def description(self) -> str:
        """Tell where it is tried."""
        target, version = self.target, self.ask("GET", "version")
        nodes = f"nodes {target.node} and {target.other}" if target.other else f"node {target.node}"
        where = f"{nodes}, storage {target.storage} ({self.storage_type()})"
        what = f"CTIDs {target.ctids[0]}-{target.ctids[-1]}, {self.os_template}, as {target.access.token_id}"
        return f"Proxmox VE {version.get('version')} at {target.access.host}, {where}, {what}"

    def storage_type(self) -> str:
        """Name the kind of the storage, as Proxmox does."""
        target = self.target
        return str(self.ask("GET", f"nodes/{target.node}/storage/{target.storage}/status")["type"])

    def clean_up(self) -> tuple[str, ...]:
        """Remove what bears our hostnames, containers before what they may be clones of. Returns what is left."""
        for worker in self._workers:
            worker.kill()
        for _ in range(2):
            for ctid in self.target.ctids:
                with suppress(PermanentError, TransientError, AssertionError):
                    self._remove(ctid)
        try:
            seen = [self.look(ctid) for ctid in self.target.ctids]
        except (PermanentError, TransientError) as error:
            return (*self.left, f"what cannot be seen just now ({error})")
        there = (f"{one.presence} {one.ctid}" for one in seen if one.presence is not Presence.ABSENT)
        return (*self.left, *there)

    def free(self, number: int) -> int:
        """Give one of the CTIDs, without what a case that failed may have left there."""
        ctid = self.ctid(number)
        self._remove(ctid)
        assert self.look(ctid).presence is Presence.ABSENT
        return ctid

    def _remove(self, ctid: int) -> None:
        seen = self.look(ctid)
        if seen.presence is Presence.HERE and seen.config.get("hostname", "").startswith(PREFIX):
            if seen.config.get("protection") == "1":
                self.ask("PUT", f"nodes/{seen.node}/lxc/{ctid}/config", delete="protection")
            self.end(self.door.stop(seen.node, ctid) if seen.running else None)
            self.end(self.door.destroy(seen.node, ctid))


@contextmanager
def standing_ground(target: Target, directory: Path, say: Callable[[str], None]) -> Iterator[Ground]:
    """Give the block a ground with a worker. Raises UnfitError before anything is made that cannot be tried there."""
    door = ProxmoxApi(target.access)
    taken = [ctid for ctid in target.ctids if door.observe(target.node, ctid).presence is not Presence.ABSENT]
    if taken:
        raise UnfitError(f"these CTIDs are not free: {', '.join(map(str, taken))}. Name others with --ctids.")
    os_template = target.os_template or _smallest(door, target)
    began = time.monotonic()
    with private_redis(directory / "redis") as server:
        ground = Ground(target, directory, server.url, door, os_template)
        ground.declare_root(ground.ctid(0), is_template=True)
        with ground.producer:
            ground.start_worker()
            say(f"Redis and a worker of its own are ready after {time.monotonic() - began:.1f} s.")
            yield ground


def _smallest(door: ProxmoxApi, target: Target) -> str:
    path = f"nodes/{target.node}/storage/{target.template_storage}/content"
    found = door.call(Request("GET", path, f"list the OS templates on {target.template_storage}"), content="vztmpl")
    if not found:
        raise UnfitError(
            f"there is no OS template on {target.template_storage}. Download one there (`pveam download`), or name one "
            "with --os-template."
        )
    return str(min(found, key=lambda entry: int(entry.get("size") or 0))["volid"])
