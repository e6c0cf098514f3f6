"""Commands that talk to a recording producer instead of Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer.cli import session

if TYPE_CHECKING:
    import pytest

    from phoenix_producer.testing import RecordingProducer


def have_commands_use(producer: RecordingProducer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give commands this producer; there is no Redis to greet first."""
    monkeypatch.setattr(session, "greet", lambda _: None)
    monkeypatch.setattr(session, "Producer", lambda *_, **__: producer)
