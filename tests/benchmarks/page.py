"""The page in Chromium, as `make test-browser` drives it: what a large site costs the browser of whoever looks."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix_producer.standing import Exists, Standing
from phoenix_worker.commands.demo.embedded import private_redis
from tests.browser.driving import Browser
from tests.support.http_door import serving

if TYPE_CHECKING:
    from tests.benchmarks.report import Report
    from tests.support.http_door import HttpDoor

_CONTAINERS = 1000
_TIMES = 7
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def page(report: Report) -> None:
    """The Containers view of 1,000 containers in a browser: `scripts/browser.sh` installs it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        private_redis(Path(folder) / "redis") as server,
        serving(server.url, Path(folder)) as door,
        Browser() as browser,
    ):
        runs = [_opened(browser, door) for _ in range(_TIMES)]
    paint, shown, busy = (statistics.median(times) for times in zip(*runs, strict=True))
    note = f"median of {_TIMES}, a new browser profile each time"
    report.add("page", "first paint", paint, "ms", note=note)
    report.add("page", f"until {_CONTAINERS} containers are listed", shown, "ms", note="answered at once")
    report.add("page", "processor time of its main thread until then", busy, "ms")


def _opened(browser: Browser, door: HttpDoor) -> tuple[float, float, float]:
    """Open the view once; return when it was painted first and when it was complete, and the work until then, in ms."""
    browser.begin(axe=False)
    browser.call("answer", "/v1/status?wait=120", [_standing(ctid) for ctid in range(1000, 1000 + _CONTAINERS)])
    browser.call("count")
    browser.open(door, "containers")
    browser.sees(f"{_CONTAINERS} of {_CONTAINERS} containers")
    shown, paint = browser.call("evaluate", f"[performance.now(), {_PAINT}]")
    return paint, shown, browser.call("spent")


def _standing(ctid: int) -> dict[str, object]:
    is_as_declared = {"role": "container", "state": "running", "node": "pve1", "running": True}
    return Standing(ctid=ctid, name=f"ct{ctid}", exists=Exists.CONTAINER, **is_as_declared).model_dump(mode="json")
