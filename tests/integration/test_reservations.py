"""A job chooses once, and what it reserves is in the ledger in the same step, until the job ends."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from phoenix_worker.durable.reservations import Reservations

if TYPE_CHECKING:
    from redis import Redis

    from phoenix_worker.durable.run import Run
    from tests.support.driven_ledger import DrivenLedger

ROOM = 3


def settle(driven: DrivenLedger, run: Run, what: str, choice: str, made: str, reserving: int | None = 1) -> str:
    reservation = "" if reserving is None else json.dumps({"ctid": int(what), "memory": reserving})
    return driven.say("settle", run, "", what, json.dumps(choice), reservation, made)


def test_two_at_once_never_both_take_the_last_room(driven: DrivenLedger) -> None:
    """Each thinks it out by what it has read, and anew when others were first."""
    reservations = Reservations(driven.ledger)
    runs = {ctid: driven.taken(ctid) for ctid in range(101, 109)}

    def place(ctid: int) -> bool:
        while True:
            seen = reservations.read()
            if len(seen.live) >= ROOM:
                return False
            if settle(driven, runs[ctid], str(ctid), "pve1", seen.made) == "settled":
                return True

    with ThreadPoolExecutor(len(runs)) as pool:
        taken = [*pool.map(place, runs)]
    assert taken.count(True) == ROOM
    assert len(reservations.read().live) == ROOM


def test_a_job_chooses_once_in_all_of_its_runs(driven: DrivenLedger) -> None:
    reservations, run = Reservations(driven.ledger), driven.taken(101)
    assert reservations.chosen(run.job, "101") is None
    assert settle(driven, run, "101", "pve1", "0") == "settled"
    link = driven.replaced(run, "clone", 101)
    answer = driven.ledger.call("settle", link.id, link.number, "", "101", '"pve2"', "{}", "7")
    assert answer == ["settled", '"pve1"', "earlier"], "whatever it would choose now"
    assert reservations.chosen(run.job, "101") == "pve1"
    assert len(reservations.read().live) == 1


def test_a_reservation_is_refused_that_was_thought_out_before_anothers(driven: DrivenLedger) -> None:
    first, second = driven.taken(101), driven.taken(102)
    assert settle(driven, first, "101", "pve1", "0") == "settled"
    assert settle(driven, second, "102", "pve1", "0") == "behind"
    assert settle(driven, second, "102", "pve2", "0", None) == "settled", "what takes no room is always right"


def test_it_ends_with_its_job_and_is_remembered_for_a_moment_if_the_job_did_its_work(
    driven: DrivenLedger, redis_client: Redis
) -> None:
    reservations = Reservations(driven.ledger)
    done, failed = driven.taken(101), driven.taken(102)
    assert settle(driven, done, "900", "pve1", "0") == "settled"
    assert settle(driven, done, "101", "pve1", "1") == "settled"
    assert settle(driven, failed, "102", "pve1", "2") == "settled"
    assert {*reservations.read().live} == {done.id, f"{done.id}/101", failed.id}
    for run, verdict in ((done, "ok"), (failed, "failed")):
        driven.ended(run, verdict)
    seen = reservations.read()
    assert seen.live == {}
    assert {one["ctid"] for one in seen.lately} == {900, 101}
    assert 0 < redis_client.ttl("phoenix:reserved:lately") <= 15


def test_what_is_seen_is_reserved_no_longer(driven: DrivenLedger) -> None:
    reservations, run = Reservations(driven.ledger), driven.taken(101)
    assert settle(driven, run, "101", "pve1", "0") == "settled"
    reservations.end([])
    assert len(reservations.read().live) == 1
    reservations.end([run.id])
    driven.ended(run)
    assert (reservations.read().live, reservations.read().lately) == ({}, ())


def test_what_is_reserved_for_no_open_job_or_cannot_be_read_counts_for_nothing(
    driven: DrivenLedger, redis_client: Redis
) -> None:
    """Redis lost the end of a job, say, or somebody wrote there."""
    run = driven.taken(101)
    assert settle(driven, run, "101", "pve1", "0") == "settled"
    redis_client.hset("phoenix:reservations", mapping={"nobody": "{}", f"{run.id}/102": "x", f"{run.id}/103": "[1]"})
    redis_client.hset("phoenix:reservations", f"{run.id}/104", "[" * 20_000)
    redis_client.zadd("phoenix:reserved:lately", {"x": 1, '{"ctid": 1}': "inf", '{"ctid": 2}': 9e12, '{"ctid": 3}': 1})
    seen = Reservations(driven.ledger).read()
    assert ({*seen.live}, seen.lately) == ({run.id}, ())
    assert not redis_client.hexists("phoenix:reservations", "nobody")


def test_a_drained_node_is_read(driven: DrivenLedger, redis_client: Redis) -> None:
    redis_client.hset("phoenix:drained", "pve5", json.dumps({"by": "me", "at": 0}))
    assert Reservations(driven.ledger).read().drained == {"pve5"}
