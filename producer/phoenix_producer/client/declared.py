"""What the catalog of the workers declares, asked of a worker that runs: for shells, which complete CTIDs.

It is a remote control command of Celery's: no job is made of it, and nothing waits in Redis where nobody answers.
"""

from __future__ import annotations

from typing import NamedTuple

from celery import Celery

from phoenix_producer.client.connection import with_settings

DECLARED = "phoenix_declared"
"""The name of the command; it takes the first digits of the CTIDs (`beginning`)."""
AT_MOST = 500
"""CTIDs in one answer."""
_CONNECT_SECONDS = 1.0
_SETTINGS = {
    "accept_content": ["json"],
    "broker_transport_options": {"socket_connect_timeout": _CONNECT_SECONDS, "socket_timeout": _CONNECT_SECONDS},
}


class Declared(NamedTuple):
    """One CTID of the catalog."""

    ctid: int
    name: str
    is_template: bool


def declared(url: str, beginning: str, *, seconds: float) -> list[Declared]:
    """Ask for the CTIDs that begin with these digits; [] if no worker answers in time. Raises as Celery does."""
    app = Celery("phoenix_producer", set_as_current=False, fixups=[])
    app.conf.update(with_settings(_SETTINGS, url))
    try:
        with app.connection() as connection:
            connection.ensure_connection(max_retries=1)
            answers = app.control.broadcast(
                DECLARED,
                arguments={"beginning": beginning},
                connection=connection,
                reply=True,
                timeout=seconds,
                limit=1,
            )
    finally:
        app.close()
    told = [answer.get("declared", ()) for each in answers or () for answer in each.values()]
    return [Declared(*one) for each in told for one in each]
