"""The page before a real worker and a simulated Proxmox: each view with data, for each role, at each size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from phoenix_producer.http.tokens import Role
from tests.acceptance.scenes import failure_of
from tests.acceptance.test_copies import COPIES, FIRST, OTHER, two_nodes
from tests.acceptance.test_volumes import volume
from tests.support.http_door import HttpDoor, serving
from tests.support.product import container, template
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.browser.driving import Browser
    from tests.support.product import Product

pytestmark = pytest.mark.browser
VIEWS = ("now", "templates", "containers", "containers/103", "containers/900")
SCREENS = ((360, 700, "light"), (1280, 900, "dark"), (768, 1000, "light"), (3840, 2160, "dark"))


@pytest.fixture
def stocked(product: Product) -> Product:
    """900 → 901 → 801, and 103 from 900; 104 is declared and not made."""
    product.declare({900: template(), 901: container(901), 801: container(801, 901), 103: container(103),
                     104: container(104)})  # fmt: skip
    product.start_worker(PHOENIX_SCRATCH_CTIDS="9000-9009")
    for handle in product.producer.ensure_many([103, 801]):
        handle.wait(timeout=60)
    return product


def test_the_tree_of_templates_is_shown_and_one_is_rebuilt(browser: Browser, stocked: Product, door: HttpDoor) -> None:
    browser.open(door, "templates")
    browser.sees("on pve1, local-lvm, 8 GiB", "1 of 2 clones made", "801 ct801", "104 ct104 (not made)")
    assert browser.texts(".tree > li > article h2") == ["900 ct900 template", "901 ct901 template"]
    assert browser.texts(".tree .tree > li > article h2") == ["901 ct901 template"]
    browser.click("article:has-text('ct900') >> text=Rebuild…")
    browser.sees("Rebuild template 900?", "convert CT 9000 on pve1 to a template")
    before = stocked.config(900)
    assert [call for call in stocked.writes() if "9000" in call[1]] == [], "what is planned is not done"
    browser.click("text=Rebuild it")
    browser.sees("rebuild 900")
    browser.call("waitForSelector", ".mark:text('rebuilt')")
    assert stocked.config(900) != before


def test_copies_of_a_template_are_shown_with_those_who_wait(browser: Browser, product: Product, door: HttpDoor) -> None:
    two_nodes(product)
    waiting = {ctid: container(ctid, node=OTHER) for ctid in (104, 105, 106)}
    product.declare(
        {900: template(volumes=[volume("/srv/data", 1, "local-lvm")]), 103: container(103, node=OTHER), **waiting}
    )
    product.start_worker(**COPIES)
    product.ensure(103)
    product.simulator.pve.ct_secs["clone"] = 600
    handles = [product.producer.ensure(ctid) for ctid in waiting]
    (shown,) = wait_for(lambda: [
        one for one in product.producer.templates().wait(timeout=60) if [copy.waiting for copy in one.copies] == [2]
    ])  # fmt: skip
    browser.open(door, "templates")
    browser.sees(f"copy {FIRST} on {OTHER}, local-lvm, 8 + 1 GiB, hash {shown.copies[0].hash}, 2 waiting")
    product.simulator.pve.ct_secs["clone"] = 0.0
    product.simulator.do(product.simulator.pve.hurry)
    for handle in handles:
        handle.wait(timeout=60)
    browser.call("waitForSelector", "text=waiting", {"state": "detached"})


def test_views_share_what_the_workers_saw_a_moment_ago(browser: Browser, stocked: Product, door: HttpDoor) -> None:
    def looks() -> int:
        return [job["what"] for job in door.get("/v1/jobs?all=true").json].count("status")

    browser.open(door, "templates")
    browser.sees("As of ")
    for _ in range(2):
        browser.click("#views >> text=Containers")
        browser.sees("as of ")
        browser.click("#views >> text=Templates")
        browser.sees("As of ")
    assert looks() == 1
    stocked.ensure(104)
    browser.sees("2 of 2 clones made")
    assert looks() > 1, "what has ended since is seen"


def test_an_outdated_template_is_marked_and_a_refused_catalog_is_told(
    browser: Browser, stocked: Product, door: HttpDoor
) -> None:
    large = {901: container(901, storage_size_gb=20), 103: container(103, storage_size_gb=20)}
    stocked.declare({900: template(storage_size_gb=16), **large})
    browser.open(door, "templates")
    browser.sees("its root disk is 8 GiB, the catalog declares 16 GiB")
    assert "900 ct900 template outdated" in browser.texts(".tree > li > article h2")
    stocked.declare({900: template(storage_size_gb=-1), **large})
    for view in ("containers", "templates"):
        browser.open(door, view)
        browser.sees("The worker uses the last good catalog")


def test_the_catalog_is_beside_what_exists_and_each_difference_is_named(
    browser: Browser, stocked: Product, door: HttpDoor
) -> None:
    browser.open(door, "containers")
    browser.sees("3 of 3 containers")
    assert browser.texts("tbody tr")[0].startswith("103 ct103 running runs pve1 10.0.0.105/16")
    stocked.simulator.do(stocked.simulator.pve.ct(103).config.__setitem__, "memory", "4096")
    stocked.ensure(801)  # what ends is news
    browser.call("waitForSelector", "tr:has-text('ct103') >> text=memory")
    browser.call("check", "#only")
    browser.sees("2 of 3 containers")
    browser.call("fill", "#filter", "memory")
    browser.sees("1 of 3 containers")
    browser.click("tbody >> text=103")
    browser.sees("Key by key", "History")
    browser.call("waitForSelector", "tr:has-text('memory')")
    assert [text for text in browser.texts("tbody tr") if text.startswith("memory")] == ["memory 4096 512"]
    assert [text for text in browser.texts("tbody tr") if text.startswith("ensure 103 created")]


def test_a_job_shows_its_steps_and_a_failure_what_to_do(browser: Browser, stocked: Product, door: HttpDoor) -> None:
    stocked.simulator.pve.task_failures["vzclone"].append("no space left on device")
    broken = stocked.producer.ensure(104)
    failed = failure_of(broken)
    browser.open(door, f"jobs/{broken.id}")
    browser.sees("Failed: ", failed.message, failed.remedy)
    made = stocked.ensure(104).request_id
    browser.open(door, f"jobs/{made}")
    browser.call("waitForSelector", ".mark:text('created')")
    assert [text.split()[0] for text in browser.texts("section:has(caption) tbody tr") if " 104 " in text]
    rows = browser.texts(".gantt .row .name")
    assert rows[:2] == ["ensure 104", "clone 104"]
    assert {"proxmox", "ours"} <= {text.split(".")[-1] for text in browser.call(
        "evaluate", "[...document.querySelectorAll('.piece')].map((one) => one.classList[1])")}  # fmt: skip


def test_a_viewer_has_no_button_that_changes_anything(browser: Browser, stocked: Product, tmp_path: Path) -> None:
    stocked.simulator.pve.ct_secs["clone"] = 600
    waiting = stocked.producer.ensure(104)
    wait_for(lambda: stocked.simulator.intervals("vzclone")[-1].made == 104)
    with serving(stocked.redis_url, tmp_path) as server:
        door = server.as_a(Role.VIEWER)
        for view in (*VIEWS, f"jobs/{waiting.id}"):
            browser.open(door, view)
            browser.call("waitForSelector", ".mark")
            assert set(browser.texts("button")) - {""} == {"Leave"}, view
    stocked.simulator.pve.ct_secs["clone"] = 0.0
    stocked.simulator.do(stocked.simulator.pve.hurry)
    waiting.wait(timeout=60)


def test_each_view_fits_every_screen_and_is_accessible(browser: Browser, stocked: Product, door: HttpDoor) -> None:
    job = stocked.ensure(104).request_id
    for width, height, scheme in SCREENS:
        browser.begin(width=width, height=height, scheme=scheme)
        for view in (*VIEWS, f"jobs/{job}"):
            browser.open(door, view)
            browser.call("waitForSelector", ".mark")
            assert browser.call("width") == width, view
            assert browser.call("axe") == [], (view, width, scheme)
    browser.open(door, "templates")
    browser.click("article:has-text('ct900') >> text=Rebuild…")
    browser.call("waitForSelector", "dialog li")
    assert browser.call("axe") == []


@pytest.mark.usefixtures("stocked")
def test_all_of_it_is_reached_by_keyboard(browser: Browser, door: HttpDoor) -> None:
    browser.open(door, "templates")
    browser.call("waitForSelector", ".mark")
    reached = [pressed(browser, "Tab") for _ in range(15)]
    assert reached[:5] == ["a#skip Skip to content", "a phoenix-lxc", "a Now", "a Templates", "a Containers"]
    assert {"a 900", "a 103", "button Rebuild…", "a 901", "a 801"} <= set(reached)
    browser.call("focus", "#skip")
    pressed(browser, "Enter")
    assert pressed(browser, "Tab") == "a 900", "past what is on every view"
    pressed(browser, "Enter")
    wait_for(lambda: str(browser.call("focused")).startswith("h1"))  # a new view begins at its heading
    browser.sees("CT 900")
    browser.open(door, "templates")
    browser.call("focus", "article:has-text('ct900') >> button")
    pressed(browser, "Enter")
    browser.call("waitForSelector", "dialog li")
    assert {pressed(browser, "Tab") for _ in range(4)} & {"button Rebuild it"}
    pressed(browser, "Escape")
    assert browser.call("focused") == "button Rebuild…"


def pressed(browser: Browser, key: str) -> str:
    """Press a key, and tell what has the focus then."""
    browser.call("press", key)
    return str(browser.call("focused"))


def test_a_thousand_containers_are_shown_and_found(browser: Browser, product: Product, door: HttpDoor) -> None:
    product.declare({900: template(), **{ctid: container(ctid) for ctid in range(1000, 2000)}})
    product.start_worker()
    for width in (360, 1280):
        browser.begin(width=width, height=900)
        browser.open(door, "containers")
        browser.sees("1000 of 1000 containers")
        assert browser.call("width") == width
        assert len(browser.texts("tbody tr")) == 1000
        browser.call("fill", "#filter", "ct1777")
        browser.sees("1 of 1000 containers")
    browser.open(door, "templates")
    browser.sees("0 of 1000 clones made")
