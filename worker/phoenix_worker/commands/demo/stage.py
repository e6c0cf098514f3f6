"""The demo's parts put together: what is started, in which order, with which catalog."""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

from phoenix_producer.client.redis_url import place_of
from phoenix_worker.catalog.loading import Catalog, Defaults, load
from phoenix_worker.commands.demo import parts as demo_parts
from phoenix_worker.commands.demo.example import write_example
from phoenix_worker.commands.demo.surroundings import surroundings_of
from phoenix_worker.core.checkup.line import counted
from phoenix_worker.proxmox.api import ProxmoxApi

if TYPE_CHECKING:
    from contextlib import ExitStack
    from pathlib import Path

    from phoenix_worker.commands.demo.parts import Part, Simulator
    from phoenix_worker.commands.demo.screen import Screen

_EXAMPLE_CTIDS = (103, 101, 801)
_PATIENCE_SECONDS = 120.0
_CLONE_TIMES = 3
"""What making one container takes at most, in the time of a clone."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that runs, and what is to be ensured on it."""

    directory: Path
    redis_url: str
    simulator: Simulator
    worker: Part
    page_url: str
    """Empty if the HTTP server was not asked for."""
    catalog_file: Path
    left_out: dict[str, set[int]]
    """What was left out of the example: keys, each with the CTIDs that declare it. Empty for another catalog."""
    catalog: Catalog
    ctids: tuple[int, ...]
    """What is asked for, in this order."""
    nodes: tuple[str, ...]
    longest_seconds: float
    """After which it is no use to wait."""

    @property
    def proxmox(self) -> ProxmoxApi:
        """The simulated Proxmox, to be asked what it holds."""
        return ProxmoxApi(self.simulator.access)

    def check(self) -> None:
        """Raise DemoFailed if a part has ended."""
        self.simulator.part.check()
        self.worker.check()


def set_up(
    screen: Screen, started: ExitStack, directory: Path, *, catalog: Path | None, clone_seconds: float, page: bool
) -> Stage:
    """Start Redis, Proxmox and a worker, and say so for each; `started` stops them. Without a catalog: the example.

    With `page` the HTTP server is started before all that it shows.
    """
    redis = started.enter_context(demo_parts.redis(directory))
    page_url = started.enter_context(demo_parts.page(directory, redis.url)) if page else ""
    if page_url:
        screen.say("Page", f"{page_url} (open it and watch)")
    screen.say("Redis", f"{redis.title}, {place_of(redis.url).shown()}")
    file, left_out = (catalog.absolute(), {}) if catalog else write_example(directory)
    wanted = surroundings_of(file)
    simulator = started.enter_context(demo_parts.simulator(directory, clone_seconds=clone_seconds, wanted=wanted))
    nodes = wanted.nodes or (simulator.node,)
    where = f"{simulator.url}, {'node' if len(nodes) == 1 else 'nodes'} {', '.join(nodes)}"
    screen.say("Proxmox", f"simulated by fakepve {version('fakepve')}, {where}, empty")
    loaded = load(file, Defaults(node=simulator.node))
    ctids = loaded.containers() if catalog else _EXAMPLE_CTIDS
    containers = len(loaded.containers())
    held = f"{counted(containers, 'container')}, {counted(len(loaded) - containers, 'template')}"
    screen.say("Catalog", f"{held}: {catalog or 'the example'}")
    demo_parts.write_settings(directory, redis.url, simulator, file, scratch=_free_hundred(loaded))
    began = time.monotonic()
    worker = started.enter_context(demo_parts.worker(directory))
    screen.say("Worker", f"Celery {version('celery')}, ready after {time.monotonic() - began:.1f} s")
    longest = _PATIENCE_SECONDS + _CLONE_TIMES * clone_seconds * len(loaded)
    return Stage(directory, redis.url, simulator, worker, page_url, file, left_out, loaded, ctids, nodes, longest)


def _free_hundred(catalog: Catalog) -> range:
    """CTIDs for rebuilds that the catalog has no use for."""
    hundreds = (range(first, first + 100) for first in itertools.count(9000, 100))
    return next(one for one in hundreds if not any(ctid in one for ctid in catalog))
