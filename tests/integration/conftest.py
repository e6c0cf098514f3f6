from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_worker.commands.embedded import private_redis
from tests.support.cli import environ, release, run, started
from tests.support.driven_ledger import driven
from tests.support.worker import WorkerProcess

__all__ = ["answering_url", "driven", "environ", "release", "run", "started"]

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def answering_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Redis behind which a worker answers requests at once: see `tests.support.answering_app`."""
    directory = tmp_path_factory.mktemp("answering")
    with private_redis(directory / "redis") as server:
        environ = {"ANSWERING_REDIS": server.url}
        worker = WorkerProcess("tests.support.answering_app", directory=directory, environ=environ)
        worker.wait_until_ready()
        yield server.url
        worker.kill()
