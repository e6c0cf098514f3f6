from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.browser.driving import Browser
from tests.support.driven_ledger import driven
from tests.support.http_door import HttpDoor, serving

__all__ = ["driven"]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with Browser() as browser:
        yield browser


@pytest.fixture
def browser(chromium: Browser) -> Iterator[Browser]:
    """A new page. Whatever happens on it, no code of others runs, nothing breaks, nothing comes from elsewhere."""
    chromium.begin()
    chromium.complaints()
    yield chromium
    assert chromium.complaints() == []


@pytest.fixture
def door(redis_url: str, tmp_path: Path) -> Iterator[HttpDoor]:
    """A server without tokens: whoever is on this machine is an operator."""
    with serving(redis_url, tmp_path) as door:
        yield door
