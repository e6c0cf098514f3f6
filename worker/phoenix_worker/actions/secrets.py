"""Read a secret that the catalog only names. It is kept out of every line of the log from then on."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from phoenix_producer.client.regular_files import read_regular
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.telemetry import logs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration, Secret

_MOST_BYTES = 64 * 1024
SHORTEST = 5
"""Characters of a password that Proxmox takes at creation."""


def see_secrets(task: PhoenixTask, declarations: Iterable[Declaration]) -> None:
    """Raise PermanentError for a secret that this worker cannot read, before anything is made."""
    for declaration in declarations:
        for script in declaration.access:
            if script.secret is not None:
                read_secret(task, declaration, script.secret)


def read_secret(task: PhoenixTask, declaration: Declaration, secret: Secret) -> str:
    """Return the first line of a secret. Raises PermanentError where there is none; no error quotes it."""
    where, text = _read(task, secret)
    if text is None:
        raise _unusable(declaration, f"there is no {where}, or it cannot be read")
    first = text.rstrip("\r\n").partition("\n")[0].rstrip("\r")
    if len(first) < SHORTEST or not first.isprintable():
        raise _unusable(declaration, f"{where} has fewer than {SHORTEST} characters, or some that cannot be printed")
    logs.hide(first)
    return first


def _read(task: PhoenixTask, secret: Secret) -> tuple[str, str | None]:
    if secret.env is not None:
        return f"environment variable {secret.env} of the worker", os.environ.get(secret.env)
    path = task.catalog.folder / str(secret.file)
    try:
        return f"file {secret.file} of the worker", read_regular(path, _MOST_BYTES).decode("utf-8")
    except (OSError, ValueError):
        return f"file {secret.file} of the worker", None


def _unusable(declaration: Declaration, why: str) -> PermanentError:
    return PermanentError(
        f"Unable to set the password of CT {declaration.ctid} on {declaration.node}: {why}.",
        cause="secret-missing",
        remedy="Give every worker the same secret, at the place that `password` names in the catalog.",
    )
