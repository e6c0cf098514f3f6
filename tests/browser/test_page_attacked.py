"""The page while others, the clock, Redis, the server and its reader do what they should not."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

from phoenix_producer.http.tokens import Role
from tests.support.http_door import HttpDoor, serving
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from redis import Redis

    from phoenix_worker.commands.demo.embedded import RedisServer
    from tests.browser.driving import Browser
    from tests.support.driven_ledger import DrivenLedger

pytestmark = pytest.mark.browser
A_DAY = 86_400
AWAY = "Redis cannot be used just now."


def test_many_tabs_cost_the_workers_one_look(browser: Browser, door: HttpDoor, redis_client: Redis) -> None:
    for number in range(4):
        browser.call("tab", number)
        browser.call("goto", f"{door.url}/#/containers/103")
        browser.sees("Nobody has asked for it in the last week.")
    wait_for(lambda: redis_client.llen("phoenix.upkeep") + redis_client.llen("phoenix.ensure"))
    browser.call("waitForTimeout", 1000)
    assert [job["what"] for job in door.get("/v1/jobs").json] == ["status"]


def test_a_question_is_asked_by_keyboard_and_survives_what_happens_meanwhile(
    browser: Browser, redis_url: str, driven: DrivenLedger, redis_client: Redis, tmp_path: Path
) -> None:
    run = driven.taken(101)

    def cancels() -> int:
        return sum(1 for key in redis_client.scan_iter("phoenix:job:*", _type="hash")
                   if redis_client.hget(key, "name") == "phoenix.cancel")  # fmt: skip

    def asked() -> None:
        browser.call("focus", "text=Cancel…")
        browser.call("press", "Enter")
        browser.sees("Cancel ensure 101?")

    with serving(redis_url, tmp_path) as server:
        chief = server.as_a(Role.OPERATOR, name="chief")
        browser.open(chief)
        browser.click("tbody >> text=ensure 101")
        asked()
        driven.wait(run, "upid/UPID", "Proxmox: start CT 101")
        browser.sees("Proxmox: start CT 101")
        browser.call("press", "Escape")
        browser.call("waitForSelector", "dialog", {"state": "detached"})
        assert browser.call("focused") == "button Cancel…", "though the button has been drawn again"
        asked()
        browser.call("goBack")
        browser.sees("Jobs that have not ended")
        assert (browser.has("dialog"), browser.call("focused")) == (False, "h1 Now")
        browser.call("goForward")
        asked()
        browser.call("reload")
        browser.sees("Proxmox: start CT 101")
        assert (browser.has("dialog"), cancels()) == (False, 0)
        asked()
        for _ in range(4):
            browser.call("press", "Tab")
            if browser.call("focused") == "button Cancel it":
                break
        browser.call("press", "Enter")
        browser.call("waitForSelector", "dialog", {"state": "detached"})
        assert (cancels(), browser.call("focused")) == (1, "button Cancel…")
        asked()
        server.file.revoke("chief")
        browser.sees("Who is there?")
        browser.call("waitForSelector", "#token:focus")
        assert not browser.has("dialog")


@pytest.mark.parametrize("ahead", [-A_DAY, A_DAY])
def test_times_are_the_servers_whatever_the_clock_of_the_browser(
    browser: Browser, door: HttpDoor, driven: DrivenLedger, ahead: int
) -> None:
    driven.taken(101)
    driven.ended(driven.taken(102))
    browser.begin(ahead=ahead, reducedMotion="reduce")
    browser.open(door)
    browser.call("waitForSelector", "section:has(h2:text('Ended')) >> text=ensure 102")
    assert abs(browser.call("evaluate", "Date.now() / 1000") - ahead - time.time()) < 600
    (lasts,) = browser.texts("time[data-since]")
    assert re.fullmatch(r"[0-9.]+ s|[0-9] min( [0-9]+ s)?", lasts), lasts
    (ended,) = [text for text in browser.texts("section tbody tr") if text.startswith("ensure 102")]
    assert re.search(r" done \d\d:\d\d:\d\d [0-9.]+ s ", ended), ended
    browser.click("tbody >> text=ensure 101")
    browser.call("waitForSelector", ".gantt .piece")
    assert browser.call("evaluate", "getComputedStyle(document.querySelector('.piece')).transitionDuration") == "0s"
    assert not [text for text in browser.texts(".gantt .scale .tick") if " h" in text or " d" in text]


def test_each_view_says_when_redis_is_away_and_recovers(
    browser: Browser, redis_server: RedisServer, tmp_path: Path
) -> None:
    views = ("containers", "now", "templates", "containers/103", f"jobs/{uuid4()}")
    with serving(redis_server.url, tmp_path) as door:
        browser.call("goto", f"{door.url}/#/{views[0]}")
        browser.sees("The workers look at Proxmox")
        redis_server.kill()
        for view in views:
            browser.call("evaluate", f"location.hash = '#/{view}'")
            browser.sees(AWAY)
        redis_server.start()
        browser.sees("There is no request")
        for view in reversed(views[:-1]):
            browser.call("evaluate", f"location.hash = '#/{view}'")
            browser.call("waitForSelector", "#banner:empty", {"state": "attached"})


def test_a_history_goes_on_after_the_server_was_away_and_has_each_event_once(
    browser: Browser, redis_url: str, driven: DrivenLedger, redis_client: Redis, tmp_path: Path
) -> None:
    run = driven.taken(101)
    said: dict[Any, Any] = {"at": "1", "kind": "output", "step": "phoenix.provision", "subject": "101"}
    with serving(redis_url, tmp_path) as door:
        browser.open(door, f"jobs/{run.id}")
        redis_client.xadd(f"phoenix:job:{run.id}:log", {**said, "detail": "before"})
        browser.sees("before")
    redis_client.xadd(f"phoenix:job:{run.id}:log", {**said, "detail": "meanwhile"})
    with serving(redis_url, tmp_path, "--port", str(door.address[1])):
        redis_client.xadd(f"phoenix:job:{run.id}:log", {**said, "detail": "after"})
        browser.sees("after")
        assert browser.texts("pre")[0].split() == ["before", "meanwhile", "after"]
        browser.call("waitForSelector", "#banner:empty", {"state": "attached"})


def test_so_many_containers_as_can_be_shown_are_and_all_are_found(browser: Browser, door: HttpDoor) -> None:
    nothing: dict[str, Any] = {name: [] for name in ("addresses", "differs", "pending_restart", "outdated", "warnings")}
    words = {
        "role": "container",
        "state": "running",
        "node": "pve1",
        "exists": "container",
        "elsewhere": "",
        "problem": "",
    }
    one = {**nothing, **words, "source": 900, "running": True, "lock": None}
    all_of_them = [{**one, "ctid": ctid, "name": f"<b>ct{ctid}</b>"} for ctid in range(1000, 6000)]
    browser.call("answer", "/v1/status?wait=120", all_of_them)
    browser.open(door, "containers")
    browser.sees("5000 of 5000 containers", "… and 4000 more")
    assert browser.call("evaluate", "document.querySelectorAll('*').length") < 30_000
    assert not browser.has("main b")
    browser.call("fill", "#filter", "ct5999")
    browser.sees("1 of 5000 containers")
    assert [text.split()[0] for text in browser.texts("tbody tr")] == ["5999"]
    browser.call("fill", "#filter", "")
    browser.click("text=… and 4000 more")
    browser.sees("… and 3000 more")
    assert len(browser.texts("tbody tr")) == 2000
    slowest = browser.call("evaluate", SCROLLED)
    assert slowest < 1000, f"a frame took {slowest} ms while it was scrolled"


SCROLLED = """new Promise((resolve) => {
  let before = performance.now(), slowest = 0, count = 0;
  const frame = (at) => {
    slowest = Math.max(slowest, at - before); before = at; scrollBy(0, 2000);
    if (++count < 30) requestAnimationFrame(frame); else resolve(Math.round(slowest));
  };
  requestAnimationFrame((at) => { before = at; requestAnimationFrame(frame); });
})"""
