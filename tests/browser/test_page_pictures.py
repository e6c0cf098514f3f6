"""The pictures of the page: `make pictures` writes them to docs/pictures; else they are made and thrown away."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from phoenix_producer import Producer
from tests.support.product import container, example
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import EnsureResult, Handle
    from tests.browser.driving import Browser
    from tests.support.http_door import HttpDoor
    from tests.support.product import Product

pytestmark = pytest.mark.browser
MOST_BYTES = 120_000
SCENES = {"create": 0.6, "clone": 2.0, "start": 0.8}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(os.environ["PICTURES"]).absolute() if "PICTURES" in os.environ else tmp_path


def test_pictures_for_the_docs(browser: Browser, product: Product, door: HttpDoor, folder: Path) -> None:
    pve = product.simulator.pve
    pve.ct_secs |= SCENES
    more = {
        ctid: container(ctid, name=name, storage_size_gb=16) for ctid, name in ((104, "Postgres"), (105, "Grafana"))
    }
    product.declare({int(ctid): entry for ctid, entry in example(inside=False)["lxc_configs"].items()} | more)
    product.start_worker()
    ensure(product, "billing", 103).wait(timeout=60)
    pve.ct_secs["clone"] = 600.0
    handles = [ensure(product, "web-shop", 104)]
    wait_for(lambda: product.simulator.intervals("vzclone")[-1].made == 104)
    handles += [ensure(product, who, ctid) for who, ctid in (("nightly", 801), ("web-shop", 101), ("monitoring", 105))]
    browser.begin(width=1280, height=760, scheme="dark")
    browser.open(door)
    browser.sees("template 900")
    browser.call("waitForSelector", ".lane .waiter:nth-of-type(3)")
    picture(browser, folder / "now.png")

    pve.ct_secs["clone"] = 2.0
    product.simulator.do(pve.hurry)
    for handle in handles:
        handle.wait(timeout=120)
    browser.begin(width=1280, height=620)
    browser.open(door, f"jobs/{handles[1].id}")
    browser.call("waitForSelector", ".mark:text('created')")
    browser.call("waitForTimeout", 500)  # what grows into its place has done so
    picture(browser, folder / "job.png")
    browser.begin(width=1280, height=620)
    browser.open(door, "templates")
    browser.sees("embedding")
    picture(browser, folder / "templates.png")
    product.simulator.do(pve.ct(103).config.__setitem__, "memory", "4096")
    browser.open(door, "containers/103")
    browser.sees("Key by key")
    picture(browser, folder / "container.png")


def ensure(product: Product, requester: str, ctid: int) -> Handle[EnsureResult]:
    with Producer(product.redis_url, requester=requester) as producer:
        return producer.ensure(ctid)


def picture(browser: Browser, file: Path) -> None:
    browser.call("screenshot", {"path": str(file)})
    assert 10_000 < file.stat().st_size < MOST_BYTES
