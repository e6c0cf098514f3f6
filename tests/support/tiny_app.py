"""A Celery app that knows nothing of ours, to test the harness for workers with."""

from __future__ import annotations

import os

import redis
from celery import Celery

app = Celery("tiny", broker=os.environ["TINY_REDIS"], backend=os.environ["TINY_REDIS"])
app.conf.worker_pool = "threads"


@app.task(name="tiny.mark")
def mark(key: str) -> None:
    with redis.Redis.from_url(os.environ["TINY_REDIS"]) as client:
        client.set(key, "1")
