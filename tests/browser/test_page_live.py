"""The page while nothing but Redis and the server is there: what it says of the ledger, of itself, and of outages."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import Producer
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
HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'javascript:alert(3)"


def queue_at_900(driven: DrivenLedger) -> list[str]:
    """Three jobs that clone from one template: one has it, two wait. Returns their ids."""
    runs = [driven.taken(ctid) for ctid in (101, 102, 103)]
    links = [driven.replaced(run, "clone", ctid) for run, ctid in zip(runs, (101, 102, 103), strict=True)]
    for link in links:
        driven.hold(link, "ct/900")
    driven.wait(links[0], "upid/UPID", "Proxmox: clone template 900 to CT 101 on pve1")
    return [run.id for run in runs]


def test_an_empty_server_says_that_there_is_nothing(browser: Browser, door: HttpDoor) -> None:
    browser.open(door)
    browser.sees("Nothing runs, nothing waits.", "Nobody waits for another.")
    assert browser.call("axe") == []


def test_who_waits_for_whom_is_seen_as_it_moves(browser: Browser, door: HttpDoor, driven: DrivenLedger) -> None:
    browser.open(door)
    browser.sees("Nothing runs, nothing waits.")
    queue_at_900(driven)
    browser.sees("3 waiting", "Proxmox: clone template 900 to CT 101 on pve1")
    assert [text.removeprefix("has it: ").removeprefix("waits: ") for text in browser.texts(".lane li")] == [
        "ensure 101", "ensure 102", "ensure 103",
    ]  # fmt: skip
    assert browser.texts(".lane h3") == ["template 900"]
    (last,) = [text for text in browser.texts("tbody tr") if text.startswith("ensure 103")]
    assert "its turn at template 900: ensure 101 has it, before it ensure 102" in last
    assert "the tests" in last
    driven.ended(driven.claim(driven.asked(104)))
    browser.sees("Ended")
    browser.call("waitForSelector", "section:has(h2:text('Ended')) >> text=ensure 104")


def test_a_job_shows_its_timeline_and_output_as_they_come(
    browser: Browser, door: HttpDoor, driven: DrivenLedger, redis_client: Redis
) -> None:
    first, second, _ = queue_at_900(driven)
    browser.open(door, f"jobs/{second}")
    browser.sees("its turn at template 900")
    browser.call("waitForSelector", ".piece.lane")
    assert browser.has("text=Script output") is False
    said: dict[Any, Any] = {"at": "1", "kind": "output", "step": "phoenix.provision", "subject": "102"}
    redis_client.xadd(f"phoenix:job:{second}:log", {**said, "detail": f"installing {HOSTILE}"})
    browser.sees("installing <img src=x")
    browser.open(door, f"jobs/{first}")
    browser.call("waitForSelector", ".piece.proxmox")
    assert any("Proxmox worked" in text for text in browser.texts(".gantt .row"))
    browser.begin(forcedColors="active")  # as high contrast in Windows
    browser.open(door, f"jobs/{first}")
    browser.call("waitForSelector", ".piece.proxmox")
    colors = "[...document.querySelectorAll('.track, .piece')].map((one) => getComputedStyle(one).backgroundColor)"
    assert len(set(browser.call("evaluate", colors))) > 2, "what only a color tells keeps it"


def test_what_others_have_written_is_only_ever_text(
    browser: Browser, door: HttpDoor, driven: DrivenLedger, redis_client: Redis, redis_url: str
) -> None:
    with Producer(redis_url, requester=HOSTILE) as producer:
        asked = producer.ensure(103).id
    run = driven.claim(asked)
    driven.hold(run, f"ct/{HOSTILE}")
    driven.wait(run, "upid/UPID", HOSTILE)
    redis_client.hset(f"phoenix:job:{asked}", "name", HOSTILE)
    redis_client.hset("phoenix:capacities", f"ct/{HOSTILE}", 1)
    for view in ("now", f"jobs/{asked}", f"jobs/{HOSTILE}", "containers/<b>", "%E0%A4%A"):
        browser.open(door, view)
        browser.call("waitForTimeout", 300)
        assert not browser.has("main img, main script, main b")
    browser.open(door)
    browser.sees("<img src=x onerror")


def test_the_token_is_asked_for_and_kept_in_the_tab_alone(
    browser: Browser, redis_url: str, driven: DrivenLedger, tmp_path: Path
) -> None:
    (job, *_) = queue_at_900(driven)
    with serving(redis_url, tmp_path, "--root-path", "/phoenix") as server:
        viewer, operator = server.as_a(Role.VIEWER, name="guest"), server.as_a(Role.OPERATOR, name="chief")
        browser.call("goto", f"{server.url}/phoenix")
        browser.enter("phx_wrong")
        browser.sees("The server does not know this token, or not any more.")
        browser.enter(str(viewer.token))
        browser.sees("guest, viewer", "3 waiting")
        assert browser.call("kept") == [0, "", 1]
        browser.open(viewer, f"jobs/{job}", "/phoenix")
        browser.sees("ensure 101")
        assert not browser.has("text=Cancel…")
        browser.click("text=Leave")
        browser.enter(str(operator.token))
        browser.sees("chief, operator")
        browser.call("waitForSelector", "text=Cancel…")
        tokens = server.file.path
        tokens.write_text(tokens.read_text().replace('"operator"', '"viewer"'))
        browser.sees("chief, viewer", "ensure 101")
        assert not browser.has("text=Cancel…")
        tokens.write_text(tokens.read_text().replace('"viewer"', '"operator"'))
        browser.sees("chief, operator")
        browser.call("waitForSelector", "text=Cancel…")
        server.file.revoke("chief")
        browser.sees("Who is there?")
        assert browser.call("kept") == [0, "", 0]


def test_an_operator_cancels_a_job_once_he_has_confirmed_it(
    browser: Browser, door: HttpDoor, driven: DrivenLedger, redis_client: Redis
) -> None:
    job, *_ = queue_at_900(driven)
    asked = redis_client.llen("phoenix.ensure")
    browser.open(door, f"jobs/{job}")
    browser.click("text=Cancel…")
    browser.sees("Cancel ensure 101?", "Its Proxmox task is stopped")
    browser.call("press", "Escape")
    assert not browser.has("dialog")
    assert browser.call("focused") == "button Cancel…"
    assert redis_client.llen("phoenix.ensure") == asked
    browser.click("text=Cancel…")
    browser.click("text=Cancel it")
    wait_for(lambda: redis_client.llen("phoenix.ensure") == asked + 1)


def test_it_says_when_redis_is_away_and_comes_back(browser: Browser, redis_server: RedisServer, tmp_path: Path) -> None:
    with serving(redis_server.url, tmp_path) as door:
        browser.open(door)
        browser.sees("Nothing runs, nothing waits.")
        redis_server.kill()
        browser.sees("Redis cannot be used just now.")
        redis_server.start()
        with Producer(redis_server.url) as producer:
            producer.ensure(103)
        browser.sees("1 queued")
        wait_for(lambda: browser.texts("#banner") == [""])


def test_it_says_when_the_server_is_away_and_comes_back(
    browser: Browser, redis_url: str, driven: DrivenLedger, tmp_path: Path
) -> None:
    with serving(redis_url, tmp_path) as door:
        browser.open(door)
        browser.sees("Nothing runs, nothing waits.")
    browser.sees("The server does not answer.")
    driven.asked(103)
    with serving(redis_url, tmp_path, "--port", str(door.address[1])) as door:
        browser.sees("1 queued")
        wait_for(lambda: browser.texts("#banner") == [""])
        driven.asked(104)
        browser.sees("2 queued")
        door.process.send_signal(signal.SIGSTOP)  # the kernel goes on to accept connections in its place
        browser.sees("The server does not answer.")
        door.process.send_signal(signal.SIGCONT)
        wait_for(lambda: browser.texts("#banner") == [""])


def test_a_thousand_jobs_are_listed_and_fit_everywhere(browser: Browser, door: HttpDoor, driven: DrivenLedger) -> None:
    for ctid in range(1000, 2000):
        driven.asked(ctid)
    browser.begin(width=360, height=700)
    browser.open(door)
    browser.sees("1000 queued")
    assert len(browser.texts("tbody tr")) == 1000
    assert browser.call("width") == 360


def test_nodes_are_shown_where_the_server_tells_of_them(browser: Browser, door: HttpDoor) -> None:
    gib = 2**30
    more = {"reserved": [103], "reserved_memory": gib, "reserved_disk": 0, "in_flight": 1, "places": 4, "waiting": 2}
    away = {"reserved": [], "reserved_memory": 0, "reserved_disk": 0, "in_flight": 0, "places": 0, "waiting": 0}
    full = {"name": "pve1", "state": "online", "drained_by": "", "drained_at": None, "cpus": 8, "cpu_used": 0.25}
    gone = {"name": HOSTILE, "state": "offline", "drained_by": HOSTILE, "drained_at": 1.0, "cpus": None}
    browser.call("answer", "/v1/nodes", [
        {**full, **more, "memory": 64 * gib, "memory_free": 9 * gib, "templates": [900, 901]},
        {**gone, **away, "memory": None, "memory_free": None, "cpu_used": None, "templates": []},
    ])  # fmt: skip
    browser.open(door)
    browser.call("waitForSelector", ".nodes li")
    first, second = browser.texts(".nodes li")
    assert first == (
        "pve1 online Memory 9.0 GiB of 64 GiB free CPU 25 % of 8 Reserved 103 1.0 GiB Being made 1 of 4, 2 wait "
        "Templates 900 901 Drain…"
    )
    assert second.startswith(f"{HOSTILE} offline drained Drained by {HOSTILE}")
    assert second.endswith("Undrain…")
    assert "Memory" not in second
    assert browser.call("axe") == []
