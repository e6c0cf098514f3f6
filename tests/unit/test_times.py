"""Times that must stand in a relation to each other do so for every value that the settings allow.

So the start has nothing to refuse here: bounds of the settings, constants, and what is computed (the chord lease).
"""

from __future__ import annotations

import re

from phoenix_producer.client.record import LEDGER_LUA
from phoenix_worker.durable import watcher
from phoenix_worker.durable.celery_settings import CELERY_SETTINGS
from phoenix_worker.durable.keeper import TICKS_PER_TTL
from phoenix_worker.settings import Settings


def most(name: str) -> float:
    return float(next(bound.le for bound in Settings.model_fields[name].metadata if hasattr(bound, "le")))


def least(name: str) -> float:
    return float(next(bound.ge for bound in Settings.model_fields[name].metadata if hasattr(bound, "ge")))


def test_a_tombstone_answers_duplicates_for_as_long_as_the_result_is_kept() -> None:
    (keep,) = re.findall(r"local KEEP = (\d+)", LEDGER_LUA)
    assert int(keep) == CELERY_SETTINGS["result_expires"]


def test_a_result_outlives_every_patience() -> None:
    assert isinstance(CELERY_SETTINGS["result_expires"], int)
    assert most("patience") < CELERY_SETTINGS["result_expires"]


def test_a_look_ends_before_it_is_taken_for_lost() -> None:
    calls_in_a_look = 3
    assert calls_in_a_look * most("proxmox_timeout") <= watcher._LEASE


def test_a_heartbeat_may_be_late_a_few_times() -> None:
    assert TICKS_PER_TTL >= 3
    assert least("heartbeat_ttl") / TICKS_PER_TTL < least("heartbeat_ttl") / 2


def test_a_worker_never_gives_up_on_redis() -> None:
    """A hundred failed connections take too long to be watched: the default that ends a worker is switched off."""
    assert CELERY_SETTINGS["broker_connection_max_retries"] is None
    assert CELERY_SETTINGS["broker_connection_retry_on_startup"] is True
