"""A service with a Celery app, a broker and settings of its own, one of whose tasks asks for a container."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery, current_app

from phoenix_producer import Producer

app = Celery("service", broker=os.environ["SERVICE_REDIS"], backend=os.environ["SERVICE_REDIS"])
app.conf.update(worker_pool="threads", task_default_queue="service", task_compression="gzip", broker_pool_limit=33)


@app.task(name="service.audit")
def audit() -> None: ...


@app.task(name="service.deploy", bind=True)
def deploy(self: Any, ctid: int) -> dict[str, Any]:
    with Producer(os.environ["PHOENIX"]) as producer:
        handle = producer.ensure(ctid)
        audit.delay()
        children = [child.id for child in self.request.children]
        return {"id": handle.id, "done": handle.done(), "app": current_app.main, "own": len(children), "all": children}
