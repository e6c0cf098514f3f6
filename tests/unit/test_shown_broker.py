"""What a worker tells of its broker to `inspect stats`, and so to Flower."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest
from celery import Celery
from kombu.utils.json import dumps

from phoenix_producer.client.connection import with_settings
from phoenix_worker.durable.celery_settings import CELERY_SETTINGS
from phoenix_worker.durable.control import ShownBroker


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("redis://joe:s3cret@pve1/0", "pve1"),
        ("sentinel://joe:s3cret@pve1,pve2/main/0?sentinel_password=s3cret2", "pve1"),
        ("sentinels://joe:s3cret@pve1,pve2/main/0?sentinel_password=s3cret2", "pve1"),
    ],
)
def test_it_can_be_sent_and_has_no_password(url: str, host: str) -> None:
    app = Celery("tests", set_as_current=False)
    app.conf.update(with_settings(CELERY_SETTINGS, url))
    step = ShownBroker(cast("Any", SimpleNamespace()))
    told = dumps(step.info(SimpleNamespace(connection=app.connection_for_read())))
    assert f'"hostname": "{host}"' in told
    assert "s3cret" not in told


def test_there_may_be_no_connection() -> None:
    assert ShownBroker(cast("Any", SimpleNamespace())).info(SimpleNamespace(connection=None)) == {"broker": {}}
