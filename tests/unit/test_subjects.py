"""The subject of a job is a CTID by one grammar, wherever it is told: what only looks like a number is none."""

from __future__ import annotations

import json

import pytest

from phoenix_worker.durable.acts import Act, Kind
from phoenix_worker.telemetry import logs, traces
from phoenix_worker.telemetry.webhooks import body_of


@pytest.mark.parametrize("subject", ["9" * 5000, "\u0663\u0663\u0663", "0103", "99", "+103", "pve1", ""])
def test_a_subject_that_is_no_ctid_is_told_as_none(subject: str) -> None:
    act = Act(Kind.BEGINS, "phoenix.ensure", "an id", "a job", subject)
    assert "ctid" not in logs._whose(act)
    assert "phoenix.ctid" not in traces._attributes(act)
    assert traces._name(act, act.task) == "ensure"
    assert "ctid" not in json.loads(body_of({"at": "1.0", "kind": "done", "subject": subject}))["data"]


def test_a_subject_that_is_one_is_told() -> None:
    act = Act(Kind.BEGINS, "phoenix.ensure", "an id", "a job", "103")
    assert (logs._whose(act)["ctid"], traces._attributes(act)["phoenix.ctid"]) == ("103", 103)
    assert traces._name(act, act.task) == "ensure 103"
    assert json.loads(body_of({"at": "1.0", "kind": "done", "subject": "103"}))["data"] == {"ctid": 103}
