"""What the page asks before it changes something: accessible, and by keyboard, also when the answer is an error."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.test_page_of_many import NODE, template

if TYPE_CHECKING:
    from tests.browser.driving import Browser
    from tests.support.driven_ledger import DrivenLedger
    from tests.support.http_door import HttpDoor

pytestmark = pytest.mark.browser
PLAN = {"plan": [f"step {number} of what would be done" for number in range(8)], "warnings": ["Mind CT 103."]}
PROBLEM = {
    "title": "Conflict",
    "status": 409,
    "detail": "It cannot be done: " + "why " * 60,
    "remedy": "Do it otherwise.",
}


@pytest.mark.parametrize(("width", "scheme"), [(360, "dark"), (360, "light"), (1280, "dark"), (3840, "light")])
def test_each_question_and_its_error_is_accessible(
    browser: Browser, door: HttpDoor, driven: DrivenLedger, width: int, scheme: str
) -> None:
    job = driven.taken(101).id
    browser.begin(width=width, height=700, scheme=scheme)
    browser.call("answer", "/v1/nodes", [{**NODE, "name": "pve1", "reserved": [], "templates": [900]}])
    browser.call("answer", "/v1/status?wait=120", [template(900)])
    browser.call("answer", "/v1/templates?wait=120", [])
    browser.call("answer", "/v1/containers/900/rebuild?wait=60", PLAN)
    for path in (
        "nodes/pve1/drain?wait=30",
        f"requests/{job}/cancel?wait=30",
        f"requests/{job}/cancel",
        "containers/900/rebuild?wait=0",
    ):
        browser.call("answer", f"/v1/{path}", PROBLEM, 409)
    for view, button in (("now", "Drain"), (f"jobs/{job}", "Cancel"), ("templates", "Rebuild")):
        browser.open(door, view)
        browser.call("focus", f"text={button}…")
        browser.call("press", "Enter")
        browser.call("waitForSelector", "dialog button.main:enabled")
        assert browser.call("axe") == [], (view, "before")
        browser.click("dialog button.main")
        browser.sees("Do it otherwise.")
        assert browser.call("axe") == [], (view, "after an error")
        assert browser.call("width") == width, view
        browser.call("press", "Escape")
        assert browser.call("focused") == f"button {button}…"


def test_each_view_is_accessible_while_the_server_fails(browser: Browser, door: HttpDoor) -> None:
    browser.begin(width=360, height=700, scheme="dark")
    for path in ("status*", "jobs*", "templates*", "drift*", "nodes"):
        browser.call("answer", f"/v1/{path}", PROBLEM, 409)
    for view in (
        "now",
        "templates",
        "containers",
        "containers/103",
        "jobs/5b0e2f0a-3f5e-4a8e-9d5b-2f6d1c7e8a90",
        "none",
    ):
        browser.open(door, view)
        browser.call("waitForSelector", "#banner:not(:empty)")
        assert browser.call("axe") == [], view
        assert browser.call("width") == 360, view
