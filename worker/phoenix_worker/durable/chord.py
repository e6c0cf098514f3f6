"""How long Celery may leave the body of a chord claimed and unpublished.

The worker that counts the last member of a chord claims its body, publishes it, and marks the chord done. If it dies in
between, the body is published by a later run of that member, provided that the claim's lease is over by then: a run
within the lease sees that somebody is at it, and ends for good. So the ledger runs orphaned members of a chord later
than others.

What that guarantees: a chord whose body is a durable task has its body run once, whenever workers die. It is recorded
before it is sent, under an id that was fixed with the chord, so that publishing it again is a duplicate. A body of
another kind may be published twice, under one id, if a worker dies between publishing it and marking the chord done.
"""

from __future__ import annotations

import math
from typing import Any


def chord_lease(conf: Any) -> int:
    """Compute the seconds as Celery's Redis backend does (5.7), for bodies without a retry policy of their own."""
    claim = max(5, int(float(conf.result_chord_join_timeout or 5.0) * 2))
    policy: dict[str, float] = conf.task_publish_retry_policy
    timeout = float(conf.broker_connection_timeout)
    retries = int(policy.get("max_retries", 3))
    start, step, longest = (policy.get(f"interval_{name}", usual) for name, usual in _PAUSES.items())
    pauses = sum(min(start + step * turn, longest) for turn in range(retries))
    return max(claim, math.ceil((retries + 1) * timeout + pauses + max(timeout, 1)))


_PAUSES = {"start": 0.0, "step": 0.2, "max": 1.0}
