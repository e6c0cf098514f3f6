"""What the ledger is told of a message, by its sender or by a worker that has met it first."""

from __future__ import annotations

import json
from typing import Any

import pytest

from phoenix_producer.client.record import Outgoing
from phoenix_producer.contract import LONGEST_REQUESTER, QUEUE

ID = "5f0c3c52-7a44-4c39-8a1e-0d8b6c4b9a01"


@pytest.mark.parametrize(
    ("said", "given", "kept"),
    [
        ({"requester": "billing"}, "", "billing"),
        ({"requester": "billing"}, "me@here", "me@here"),
        ({}, "", ""),
        ({"requester": "x" * LONGEST_REQUESTER}, "", "x" * LONGEST_REQUESTER),
        ({"requester": "x" * (LONGEST_REQUESTER + 1)}, "", ""),
        ({"requester": "half \ud800"}, "", ""),
        ({"requester": ["billing"]}, "", ""),
        ({"requester": None}, "", ""),
    ],
)
def test_who_asks_is_kept_as_the_message_says_it(said: dict[str, Any], given: str, kept: str) -> None:
    """A worker records what a sender without the ledger has pushed, and what is destroyed together and not sent yet."""
    asked = Outgoing("phoenix.destroy", ID, 0, QUEUE, ((801,), said, {}), {}, {})
    assert json.loads(asked.entry(ID, requester=given))["requester"] == kept
