from __future__ import annotations

import pytest

from phoenix_producer.cli.tables import short_ids
from phoenix_producer.ledger.entries import WaitsFor, current_task, waits_on, what_of

REPLACED, LANDED, NEXT = {"state": "replaced"}, {"state": "running", "landed": "{}"}, {"state": "queued"}


def test_a_job_is_at_the_task_that_is_neither_replaced_nor_landed() -> None:
    assert current_task({"a": REPLACED, "b": LANDED, "c": NEXT}) == "c"
    assert current_task({"c": NEXT, "b": LANDED, "a": REPLACED}) == "c"
    assert current_task({"a": REPLACED, "b": LANDED}) == "b"
    assert current_task({"a": REPLACED, "b": {}, "c": {"state": "done"}}) is None
    assert current_task({}) is None


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        ("lock:ct/900", (WaitsFor.LOCK, "ct/900")),
        ("ev:upid/UPID:pve:1:2:3:vzclone:900:a@pve!w:", (WaitsFor.PROXMOX, "UPID:pve:1:2:3:vzclone:900:a@pve!w:")),
        ("ev:template/ab0/17.5", (WaitsFor.PROXMOX, "")),
        ("ev:job/abc", (WaitsFor.JOB, "abc")),
        ("ev:something-new", (WaitsFor.OTHER, "")),
        ("sleep", (WaitsFor.TIME, "")),
        ("retry", (WaitsFor.RETRY, "")),
        ("worker 3f", (WaitsFor.RETRY, "")),
    ],
)
def test_what_a_task_waits_for(on: str, expected: tuple[WaitsFor, str]) -> None:
    assert waits_on({"on": on}) == expected


@pytest.mark.parametrize(
    ("name", "subject", "expected"),
    [
        ("phoenix.ensure", "103", "ensure 103"),
        ("phoenix.containers", "", "containers"),
        ("phoenix.ensure", "9" * 5000, "ensure 99999999"),
        ("phoenix.drain", "pve-in-the-cellar", "drain pve-in-the-cellar"),
        ("phoenix.refuse", "phoenix.destroy is taken from another queue", "refuse a message"),
        ("phoenix.cancel", "5b0e2f0a-9a3e-4d6b-8a69-0d0c54a3c002", "cancel 5b0e2f0a"),
    ],
)
def test_names_of_tasks_and_jobs(name: str, subject: str, expected: str) -> None:
    assert what_of({"name": name, "subject": subject}) == expected


def test_ids_are_shortened_as_far_as_they_differ() -> None:
    assert short_ids([]) == {}
    assert short_ids(["5b0e2f0a-9a3e-1"]) == {"5b0e2f0a-9a3e-1": "5b0e2f0a"}
    assert set(short_ids(["5b0e2f0a-9a3e-1", "5b0e2f0a-9b3e-1"]).values()) == {"5b0e2f0a-9a", "5b0e2f0a-9b"}
