"""The Celery settings that the protocol needs; engine and settings are only right together."""

from __future__ import annotations

from kombu import Exchange, Queue

from phoenix_producer.contract import QUEUE, RESUME_QUEUE, UPKEEP_QUEUE

_WEEK = 7 * 86400

SILENCE = 3
"""Seconds after which a connection to Redis counts as dead: longer than it stands still to fork or to flush."""

CELERY_SETTINGS = {
    "task_serializer": "json",
    "result_serializer": "json",
    "accept_content": ["json"],
    "task_queues": [Queue(name, Exchange(name), routing_key=name) for name in (RESUME_QUEUE, UPKEEP_QUEUE, QUEUE)],
    "task_default_queue": QUEUE,
    # Longer than the longest job, or its answer would be lost.
    "result_expires": _WEEK,
    # The ledger is the acknowledgment.
    "task_acks_late": False,
    # Else the death of a child process is stored as the failure of its task. What is done instead: `LostRun`.
    "task_retry_on_worker_lost": True,
    # With `worker_disable_prefetch` nothing wakes the consumer when a slot of a full pool is free: up to a second of
    # idleness each time. What a killed worker had fetched is not claimed, so the ledger sends it again.
    "worker_prefetch_multiplier": 1,
    "worker_pool": "threads",
    "worker_concurrency": 16,
    "worker_send_task_events": True,
    "broker_connection_retry_on_startup": True,
    # By default a worker gives up after 100 attempts.
    "broker_connection_max_retries": None,
    # Out of memory and read-only count as errors of the channel: by default the worker exits.
    "broker_channel_error_retry": True,
    # Without late acknowledgments there is nothing to cancel; it only silences a warning at each loss.
    "worker_cancel_long_running_tasks_on_connection_loss": True,
    # Means nothing to Redis, whose timeouts are below, but the lease of a chord's body counts with it: 6 s, not 21.
    "broker_connection_timeout": 1,
    "redis_socket_timeout": SILENCE,
    "redis_socket_connect_timeout": SILENCE,
    "redis_socket_keepalive": True,
    "redis_backend_health_check_interval": 10,
    "broker_pool_limit": 24,
    "broker_transport_options": {
        # Woken work overtakes new work: queues are emptied in the order in which they are declared.
        "queue_order_strategy": "priority",
        # As Celery's clients have them by default: each step is a list of its own, which nobody else would read.
        "priority_steps": [0, 3, 6, 9],
        # Without it nothing notes what was taken but the ledger. With it, Celery 5.7 exits when Redis drops between
        # a message and its acknowledgment.
        "ack_emulation": False,
        # Without one, who publishes on a connection that died in silence waits for ever.
        "socket_timeout": SILENCE,
        "socket_connect_timeout": SILENCE,
        "socket_keepalive": True,
        # How long the wait for messages may be silent beyond the second that the server takes for it.
        "health_check_interval": 2,
    },
}
