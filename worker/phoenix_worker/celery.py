"""What `celery -A phoenix_worker worker` and `celery -A phoenix_worker flower` load."""

from __future__ import annotations

import logging
import os
import sys
from typing import Any

from celery.signals import celeryd_after_setup, celeryd_init

try:
    from phoenix_producer.client.connection import configured_elsewhere
    from phoenix_producer.plain_text import plain
    from phoenix_worker.app import build
    from phoenix_worker.catalog.loading import CatalogError
    from phoenix_worker.durable.start_options import objections
    from phoenix_worker.settings import SettingsError, load_settings
except ModuleNotFoundError as error:
    line = f"The worker needs more than is installed here ({error}). From a checkout: pip install '.[worker]'"
    print(line, file=sys.stderr)  # noqa: T201 - read by whoever starts the worker, before any log is set up
    raise SystemExit(2) from error

if problems := configured_elsewhere(os.environ):
    print(plain("\n".join(problems)), file=sys.stderr)  # noqa: T201 - as above
    raise SystemExit(2)

try:
    app = build(load_settings())
except SettingsError as error:
    print(plain(str(error)), file=sys.stderr)  # noqa: T201 - as above
    raise SystemExit(2) from error
except CatalogError as error:
    print(plain(f"The catalog (PHOENIX_CATALOG) is refused:\n{error}"), file=sys.stderr)  # noqa: T201 - as above
    raise SystemExit(2) from error
_settings = dict(app.conf.changes or {})


@celeryd_init.connect
def _refuse_options(conf: Any, options: dict[str, Any], **_: Any) -> None:
    """Refuse what the protocol of durable tasks does not allow, before Celery does anything with it."""
    given = {name for name, value in conf.changes.items() if _settings.get(name) != value} - {"worker_disable_prefetch"}
    if problems := objections(options, os.environ, given):
        print(plain("This worker cannot start: " + "\n".join(problems)), file=sys.stderr)  # noqa: T201 - no log is set up yet
        raise SystemExit(2)


@celeryd_after_setup.connect
def _tell_of_prefork(**_: Any) -> None:
    """Celery takes `--pool prefork` for its own default, which gives way to the pool that this app sets."""
    if {"prefork", "--pool=prefork", "-Pprefork"} & set(sys.argv):
        logging.getLogger(__name__).warning(
            "This worker runs threads: Celery drops --pool prefork. For child processes, use --pool processes."
        )
