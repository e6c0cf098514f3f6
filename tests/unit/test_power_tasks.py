"""The end of a task that starts or stops a container is not the last word: its state is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import pytest

from phoenix_worker.base import PhoenixTask
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.observation import Presence
from tests.support.declared import DECLARED, seen

if TYPE_CHECKING:
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import Proxmox

RUNS, STOPPED = replace(seen(), running=True), replace(seen(), running=False)
GONE = replace(STOPPED, presence=Presence.ABSENT)


class Shows:
    """A Proxmox that shows one container."""

    def __init__(self, there: Observation) -> None:
        self._there = there

    def observe(self, *_: Any) -> Observation:
        return self._there


class Failing(PhoenixTask):
    """A step whose Proxmox task failed."""

    name = "tests.failing"

    def wait_until_done(self, step: Any, posted: Any, doing: str, **_: Any) -> list[str]:  # noqa: ARG002 - as there
        raise PermanentError(f"Unable to {doing}: container did not stop.", cause="proxmox-error", remedy="")


@pytest.mark.parametrize(
    ("there", "wanted", "done"),
    [
        (RUNS, True, True),
        (STOPPED, False, True),
        (STOPPED, True, False),
        (RUNS, False, False),
        (GONE, False, False),
    ],
    ids=["runs", "is stopped", "does not run", "still runs", "is gone"],
)
def test_a_task_that_failed_has_done_it_if_that_is_the_state(there: Observation, wanted: bool, done: bool) -> None:
    step = Failing()
    Failing.proxmox = cast("Proxmox", Shows(there))
    if done:
        step.wait_for_power_task(DECLARED, {"upid": "UPID:x"}, kind="k", running=wanted)
        return
    with pytest.raises(PermanentError, match=rf"Unable to {'start' if wanted else 'stop'} CT {DECLARED.ctid} on"):
        step.wait_for_power_task(DECLARED, {"upid": "UPID:x"}, kind="k", running=wanted)
