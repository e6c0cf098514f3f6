"""Why jobs do not go on: no worker lives, none takes from the queue that they wait in, or they are set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer.ledger.entries import ENDED, JobState

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from phoenix_producer.ledger.entries import Job
    from phoenix_producer.ledger.view import LedgerView

NO_WORKER = "No worker answers. Is one running? `phoenix-lxc worker` starts one."
_ASIDE = "The record of {what} cannot be handled: it is set aside. End it with `phoenix-lxc cancel {job}`."
_UNTAKEN = "No worker takes from the queue {queue}, where {what} waits. `phoenix-lxc worker` starts one that does."


def standstill(ledger: LedgerView, jobs: Collection[str], *, no_worker: str = NO_WORKER) -> str:
    """Say why none of these jobs goes on, and what to do; '' when workers have one of them, or may take it.

    A job stands still with the one that it waits for, and with those whose lock it waits for. Raises Unreachable.
    """
    takers = ledger.takers()
    untaken = {queue for queue, workers in takers.items() if not workers}
    known = _with_what_they_wait_for(ledger, jobs)
    open_jobs = [one for one in jobs if not _has_ended(known.get(one))]
    if untaken and not any(takers.values()):
        return no_worker if open_jobs else ""
    still = [_stands(known.get(one), untaken, known, frozenset()) for one in open_jobs]
    stands = still[0] if still and all(still) else None
    if stands is None:
        return ""
    return (_ASIDE if _is_aside(stands) else _UNTAKEN).format(queue=stands.queue, what=stands.what, job=stands.id)


def _has_ended(job: Job | None) -> bool:
    return job is not None and job.state in ENDED


def _is_aside(job: Job) -> bool:
    return job.state is JobState.SET_ASIDE


def _with_what_they_wait_for(ledger: LedgerView, jobs: Iterable[str]) -> dict[str, Job]:
    known: dict[str, Job] = {}
    asked, wanted = set[str](), {*jobs}
    while wanted:
        found = {job.id: job for job in ledger.those(wanted)}
        known |= found
        asked |= wanted
        wanted = {owner for job in found.values() for owner in _owners(job)} - asked
    return known


def _stands(job: Job | None, untaken: Collection[str], known: Mapping[str, Job], behind: frozenset[str]) -> Job | None:
    """Find the job in an untaken queue, or set aside, that keeps this one; None if it goes on.

    `behind` are those that wait for it.
    """
    if job is None or job.id in behind:
        return None
    if job.queue in untaken or _is_aside(job):
        return job
    kept = [_stands(known.get(owner), untaken, known, behind | {job.id}) for owner in _owners(job)]
    return kept[0] if kept and all(kept) else None


def _owners(job: Job) -> list[str]:
    return [owner.job for owner in job.waits_for.owners] if job.waits_for else []
