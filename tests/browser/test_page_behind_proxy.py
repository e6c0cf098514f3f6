"""The page under a path that a proxy offers it at, and strips or leaves."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.http.tokens import Role
from tests.support.http_door import serving
from tests.support.reverse_proxy import proxied

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.driving import Browser
    from tests.support.driven_ledger import DrivenLedger

pytestmark = pytest.mark.browser
PREFIX = "/phoenix/lxc"


@pytest.mark.parametrize("mode", ["strip", "keep"])
def test_all_of_the_page_works_there(
    browser: Browser, redis_url: str, driven: DrivenLedger, tmp_path: Path, mode: str
) -> None:
    run = driven.taken(101)
    with serving(redis_url, tmp_path, "--root-path", PREFIX) as server, proxied(server, PREFIX, mode) as url:
        door = dataclasses.replace(server.as_a(Role.OPERATOR, name="chief"), url=url)
        browser.open(door, prefix=PREFIX)
        browser.sees("chief, operator", "1 running")
        driven.asked(104)
        browser.sees("1 queued")
        browser.click("tbody >> text=ensure 101")
        browser.call("waitForSelector", ".gantt .row")
        driven.ended(run)
        browser.call("waitForSelector", ".mark:text('done')")
        browser.call("goBack")
        browser.sees("Nobody waits for another.")
        browser.call("reload")
        browser.sees("chief, operator", "1 queued")
