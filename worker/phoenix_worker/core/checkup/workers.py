"""Whether the workers that run fit each other, this installation and its catalog."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from phoenix_worker.core.checkup.line import error, fine, listed, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from phoenix_worker.core.checkup.line import Line


@dataclass(frozen=True, slots=True)
class WorkerFacts:
    """What a worker says of itself."""

    name: str
    version: str
    catalog: str
    """Hash of the catalog's content that it serves; empty when it has none."""


def judge_workers(alive: int, said: Sequence[WorkerFacts], *, version: str, catalog: str) -> Iterator[Line]:
    """Say who works; `alive` workers have a heartbeat. `version` and `catalog` are those of this installation.

    An empty `catalog` is one that is refused here.
    """
    if not alive:
        yield warning("Workers", "none runs: requests wait in Redis", "phoenix-lxc worker")
        return
    if len(said) < alive:
        yield warning(
            "Workers",
            f"{alive} workers send a heartbeat, and only {len(said)} answer",
            "A worker that does not answer is of an older version, or hangs: see the logs of the workers.",
        )
    else:
        yield fine("Workers", f"{len(said)}: {listed(sorted(worker.name for worker in said))}")
    whose = "everywhere" if len(said) >= alive else "of those that answer"
    yield from _versions(said, version, whose)
    yield from _catalogs(said, catalog, whose)


def judge_queues(takers: Mapping[str, int]) -> Iterator[Line]:
    """Say from which queues no worker takes: what is asked for there is not begun. `takers` counts them, by queue."""
    if untaken := [queue for queue, workers in takers.items() if not workers]:
        what = f"none takes from {listed(untaken)}: what is requested there waits in Redis"
        yield warning("Workers", what, "phoenix-lxc worker")


def _versions(said: Sequence[WorkerFacts], version: str, whose: str) -> Iterator[Line]:
    others = {worker.name: worker.version for worker in said if worker.version != version}
    if others:
        named = listed(f"{name} has {other}" for name, other in sorted(others.items()))
        yield warning(
            "Versions",
            f"this is {version}, and {named}",
            "Upgrade the workers first, then the clients (docs/operations.md).",
        )
    elif said:
        yield fine("Versions", f"{version} {whose}")


def _catalogs(said: Sequence[WorkerFacts], catalog: str, whose: str) -> Iterator[Line]:
    without = [worker.name for worker in said if not worker.catalog]
    served = Counter(worker.catalog for worker in said if worker.catalog)
    if without:
        yield error(
            "Catalog of the workers",
            f"there is no usable one at {listed(without)}",
            "See their logs for what is refused.",
        )
    if len(served) > 1:
        yield error(
            "Catalog of the workers",
            f"they use {len(served)} different ones: a job that moves to another worker may fail",
            "Give all workers the same file (PHOENIX_CATALOG).",
        )
    elif served and catalog and catalog not in served:
        yield warning(
            "Catalog of the workers",
            "it differs from the one here",
            "Decide which file is right, and copy it everywhere.",
        )
    elif served and not without and not catalog:
        what = f"the same {whose}; the one here is refused, so whether they serve it is not known"
        yield warning("Catalog of the workers", what, "Correct the catalog here, or copy it from the workers.")
    elif served and not without:
        yield fine("Catalog of the workers", "the same as here")
