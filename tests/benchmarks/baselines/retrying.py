"""The way most write it in Celery: a Redis lock that is tried for, `self.retry` when it is taken, polling in the task.

`python -m tests.benchmarks.baselines.retrying` publishes a chain for each container and waits for all of them.
"""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, chain
from proxmoxer.tools import Tasks
from redis import Redis

from tests.benchmarks.baselines.proxmox import CTIDS, SOURCE, connect, node, settings

_URL = os.environ["BASE_REDIS"]

app = Celery("retrying", broker=_URL, backend=_URL, set_as_current=False)
app.conf.update(worker_pool="threads", worker_concurrency=16, task_acks_late=True, task_default_queue="retrying")


@app.task(bind=True, name="retrying.clone", max_retries=None)
def clone(self: Any, ctid: int) -> int:
    lock = Redis.from_url(_URL).lock(f"retrying:{SOURCE}", timeout=600)
    if not lock.acquire(blocking=False):
        raise self.retry(countdown=1)
    try:
        proxmox = connect()
        upid = node(proxmox).lxc(SOURCE).clone.post(newid=ctid, hostname=f"ct{ctid}", full=1)
        Tasks.blocking_status(proxmox, upid)
    finally:
        lock.release()
    return ctid


@app.task(name="retrying.configure")
def configure(ctid: int) -> int:
    node(connect()).lxc(ctid).config.put(**settings(ctid))
    return ctid


@app.task(name="retrying.start")
def start(ctid: int) -> int:
    proxmox = connect()
    Tasks.blocking_status(proxmox, node(proxmox).lxc(ctid).status.start.post())
    return ctid


def main() -> None:
    results = [chain(clone.s(ctid), configure.s(), start.s()).apply_async() for ctid in CTIDS]
    for result in results:
        result.get(timeout=3600)


if __name__ == "__main__":
    main()
