"""The product's own worker, which keeps what Redis had at named points."""

from __future__ import annotations

import os
from pathlib import Path

from phoenix_worker.celery import app
from phoenix_worker.settings import load_settings
from tests.support import past

__all__ = ["app"]

past.keep_pasts(load_settings().redis_url.get_secret_value(), Path(os.environ[past.KEEP_IN]))
