"""What a worker is not started with: each option is named, with what to do instead."""

from __future__ import annotations

from typing import Any

import pytest
from celery.concurrency import get_implementation

from phoenix_producer.client.connection import configured_elsewhere
from phoenix_worker.durable.start_options import objections

THREADS, PROCESSES, SOLO = map(get_implementation, ("threads", "processes", "solo"))
TAKEN: list[dict[str, Any]] = [
    {"pool": THREADS, "time_limit": None, "soft_time_limit": None, "purge": False, "queues": None, "autoscale": None},
    {"pool": PROCESSES, "autoscale": [4, 1], "max_tasks_per_child": 1, "pool_start_method": "fork"},
    {"pool": THREADS, "queues": ["phoenix.resume", "phoenix.upkeep"]},
    {"pool": THREADS, "exclude_queues": "phoenix.ensure"},
    {"pool": THREADS, "optimization": "fair", "prefetch_multiplier": 4, "beat": True},
    {},
]
REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"pool": SOLO}, "--pool: workers run with `threads` (the default) or `processes`."),
    ({"pool": THREADS, "autoscale": [4, 1]}, "--autoscale needs child processes"),
    ({"pool": PROCESSES, "time_limit": 5.0}, "--time-limit, --soft-time-limit"),
    ({"pool": PROCESSES, "soft_time_limit": 5.0}, "--time-limit, --soft-time-limit"),
    ({"pool": PROCESSES, "pool_start_method": "spawn"}, "--pool-start-method"),
    ({"purge": True}, "--purge would drop requests without an answer"),
    ({"queues": ["celery"]}, "celery is not one of phoenix.resume, phoenix.upkeep, phoenix.ensure"),
    ({"queues": "phoenix.resume,foreign"}, "foreign is not one of"),
    ({"queues": ["phoenix.ensure", "phoenix.upkeep"]}, "a worker takes phoenix.resume"),
    ({"exclude_queues": ["phoenix.resume"]}, "a worker takes phoenix.resume"),
]


@pytest.mark.parametrize("options", TAKEN, ids=str)
def test_what_a_worker_may_be_started_with(options: dict[str, Any]) -> None:
    assert objections(options, {"CELERY_BROKER_URL": "", "PATH": "/bin"}) == []


@pytest.mark.parametrize(("options", "why"), REFUSED, ids=str)
def test_what_it_is_not_started_with(options: dict[str, Any], why: str) -> None:
    (problem,) = objections(options, {})
    assert why in problem


@pytest.mark.parametrize("name", ["CELERY_BROKER_URL", "CELERY_BROKER_READ_URL", "CELERY_RESULT_BACKEND"])
def test_another_redis_in_the_environment_is_refused(name: str) -> None:
    """Celery takes it before the one of the settings: messages would come from there."""
    another = "redis://127.0.0.1:6379/1"
    (problem,) = objections({}, {name: another})
    assert problem.startswith(f"{name} is set")
    copied = name.removeprefix("CELERY_")
    if copied in {"BROKER_URL", "RESULT_BACKEND"}:  # the command `celery` copies it
        (problem,) = objections({}, {name: another, copied: another})
        assert problem.startswith(f"{copied} is set")


def test_each_changed_setting_and_each_option_is_named_at_once() -> None:
    problems = objections({"purge": True}, {}, ["worker_prefetch_multiplier", "task_acks_late"])
    assert [problem.partition(" ")[0] for problem in problems] == [
        "--purge",
        "task_acks_late:",
        "worker_prefetch_multiplier:",
    ]


@pytest.mark.parametrize("name", ["CELERY_CONFIG_MODULE", "CELERY_LOADER"])
def test_other_settings_in_the_environment_are_refused(name: str) -> None:
    """Celery takes from there what the app does not set, a time limit for each task say."""
    (problem,) = configured_elsewhere({name: "of_a_service"})
    assert problem.startswith(f"{name} is set")
    (problem,) = configured_elsewhere({name: "of_a_service", name.removeprefix("CELERY_"): "of_a_service"})
    assert problem.startswith(f"{name.removeprefix('CELERY_')} is set")
    assert configured_elsewhere({name.removeprefix("CELERY_"): "of_a_service"}) == [], "nobody has read it"
