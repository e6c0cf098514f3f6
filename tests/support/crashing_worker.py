"""The product's own worker, which can be killed at a named point."""

from __future__ import annotations

from redis import Redis

from phoenix_worker.celery import app
from phoenix_worker.settings import load_settings
from tests.support import crash

__all__ = ["app"]

crash.install(Redis.from_url(load_settings().redis_url.get_secret_value(), decode_responses=True))
