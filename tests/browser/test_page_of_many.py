"""The page of a large site: however long a list is, a part of it is shown at first, and the rest can be reached."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from redis import Redis

    from tests.browser.driving import Browser
    from tests.support.driven_ledger import DrivenLedger
    from tests.support.http_door import HttpDoor

pytestmark = pytest.mark.browser
LISTS = ("addresses", "differs", "pending_restart", "outdated", "warnings")
STANDING: dict[str, Any] = {
    **{name: [] for name in LISTS},
    "state": "running",
    "node": "pve1",
    "elsewhere": "",
    "problem": "",
    "running": True,
    "lock": None,
}
NODE: dict[str, Any] = {
    "state": "online",
    "drained_by": "",
    "drained_at": None,
    "cpus": 8,
    "cpu_used": 0.25,
    "memory": 2**36,
    "memory_free": 2**35,
    "reserved_memory": 2**30,
    "reserved_disk": 0,
    "in_flight": 0,
    "places": 4,
    "waiting": 0,
}
MOST_ELEMENTS = 30_000


def elements(browser: Browser) -> int:
    return int(browser.call("evaluate", "document.querySelectorAll('*').length"))


def template(ctid: int, **more: Any) -> dict[str, Any]:
    return {
        **STANDING,
        "ctid": ctid,
        "name": f"t{ctid}",
        "role": "template",
        "exists": "template",
        "source": None,
    } | more


def clone(ctid: int, **more: Any) -> dict[str, Any]:
    return {**STANDING, "ctid": ctid, "name": f"c{ctid}", "role": "container", "exists": "absent", "source": 900} | more


def test_two_hundred_templates_and_a_thousand_clones_of_one(browser: Browser, door: HttpDoor) -> None:
    below = [template(ctid, source=900) for ctid in range(1000, 1150)]
    outdated = [f"its line {number} is otherwise" for number in range(50)]
    all_of_them = [template(ctid) for ctid in range(901, 1000)] + below + [template(900, outdated=outdated)]
    browser.begin(width=360, height=700)
    browser.call("answer", "/v1/status?wait=120", all_of_them + [clone(ctid) for ctid in range(2000, 3000)])
    copies = [
        {"ctid": 5000 + number, "node": f"pve{number}", "exists": "template", "storage": "", "disks": {}, "hash": "",
         "waiting": 0, "outdated": []} for number in range(100)
    ]  # fmt: skip
    browser.call("answer", "/v1/templates?wait=120", [{"ctid": 900, "storage": "", "disks": {}, "copies": copies}])
    browser.open(door, "templates")
    browser.sees("0 of 1000 clones made", "… and 30 more", "… and 40 more", "… and 50 more")
    assert (browser.call("width"), elements(browser) < MOST_ELEMENTS) == (360, True)
    assert browser.call("axe") == []
    browser.click("summary")
    browser.call("focus", "text=… and 940 more")
    browser.call("press", "Enter")
    browser.sees("c2119", "… and 880 more")
    assert browser.call("focused") == "a 2060", "the first of those that have come"
    browser.click("text=… and 50 more")
    browser.sees("t1149")


def test_nodes_with_hundreds_of_templates(browser: Browser, door: HttpDoor) -> None:
    ctids = list(range(1000, 1200))
    nodes = [{**NODE, "name": f"pve{number}", "reserved": ctids, "templates": ctids} for number in range(100)]
    browser.call("answer", "/v1/nodes", nodes)
    browser.open(door)
    browser.sees("pve59", "… and 40 more")
    assert elements(browser) < MOST_ELEMENTS
    browser.click(".nodes li:first-child >> text=… and 176 more >> nth=0")
    browser.call("waitForSelector", ".nodes li:first-child >> text=… and 152 more")
    browser.click("text=… and 40 more")
    browser.sees("pve99")
    assert browser.call("axe") == []


def test_thousands_of_jobs_in_one_queue(browser: Browser, door: HttpDoor, driven: DrivenLedger) -> None:
    for ctid in range(1000, 3500):
        driven.hold(driven.taken(ctid), "ct/900")
    said = door.get("/v1/jobs")
    assert len(said.json) == 2500
    assert len(said.text) < 2500 * 1500, "no job tells the whole queue"
    browser.open(door)
    browser.sees("2499 waiting", "… and 1500 more", "… and 2469 more")
    assert elements(browser) < MOST_ELEMENTS
    last = browser.texts("tbody tr")[-1]
    assert (
        "its turn at template 900: ensure 1000 has it, before it ensure 1001, ensure 1002, ensure 1003 and 995 more"
        in last
    )
    browser.click("text=… and 1500 more")
    browser.click("text=… and 500 more")
    browser.sees("ensure 3499")


def test_a_script_that_says_thousands_of_lines_at_once(
    browser: Browser, door: HttpDoor, driven: DrivenLedger, redis_client: Redis
) -> None:
    run = driven.taken(103)
    said: dict[Any, Any] = {"at": "1", "kind": "output", "step": "phoenix.provision", "subject": "103"}

    def says(lines: range) -> None:
        pipe = redis_client.pipeline()
        for number in lines:
            pipe.xadd(f"phoenix:job:{run.id}:log", {**said, "detail": f"line {number} of it"})
        pipe.execute()

    says(range(1900))
    browser.open(door, f"jobs/{run.id}")
    browser.sees("line 1899 of it")
    browser.call("evaluate", COUNTED)
    for begin in range(1900, 4900, 100):
        says(range(begin, begin + 100))
    browser.sees("line 4899 of it")
    shown = browser.texts("pre")[0].split(" of it")
    assert (len(shown) <= 2001, "line 4000" in browser.texts("pre")[0]) == (True, True)
    assert browser.call("evaluate", "document.querySelectorAll('.history li').length") <= 2000
    assert browser.call("evaluate", "globalThis.asked") <= 40, "not once for each line"
    browser.click("text=History")
    assert browser.call("axe") == []
    driven.ended(run)
    browser.call("waitForSelector", ".mark:text('done')")


COUNTED = """(() => {
  const real = fetch; globalThis.asked = 0;
  globalThis.fetch = (...given) => { globalThis.asked += 1; return real(...given); };
})()"""
