"""What `celery -A phoenix_worker worker` and `celery -A phoenix_worker flower` load."""

from __future__ import annotations

import logging
import sys
from typing import Any

from celery.signals import celeryd_after_setup

try:
    from phoenix_worker.app import build
    from phoenix_worker.catalog.loading import CatalogError
    from phoenix_worker.settings import SettingsError, load_settings
except ModuleNotFoundError as error:
    line = f"The worker needs more than is installed here ({error}). From a checkout: pip install '.[worker]'"
    print(line, file=sys.stderr)  # noqa: T201 - read by whoever starts the worker, before any log is set up
    raise SystemExit(2) from error

try:
    app = build(load_settings())
except SettingsError as error:
    print(error, file=sys.stderr)  # noqa: T201 - read by whoever starts the worker, before any log is set up
    raise SystemExit(2) from error
except CatalogError as error:
    print(f"The catalog (PHOENIX_CATALOG) is refused:\n{error}", file=sys.stderr)  # noqa: T201 - as above
    raise SystemExit(2) from error


@celeryd_after_setup.connect
def _tell_of_prefork(**_: Any) -> None:
    """Celery takes `--pool prefork` for its own default, which gives way to the pool that this app sets."""
    if {"prefork", "--pool=prefork", "-Pprefork"} & set(sys.argv):
        logging.getLogger(__name__).warning(
            "This worker runs threads: Celery drops --pool prefork. For child processes, use --pool processes."
        )
