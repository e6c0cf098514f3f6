"""The examples of docs/messages.md are what the program writes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.acceptance.scenes import failure_of, stand
from tests.support.product import OS_TEMPLATE, container

if TYPE_CHECKING:
    from tests.support.product import Product

PAGE = Path(__file__).parents[2] / "docs" / "messages.md"
REQUEST_ID = "0c7f2b9e-5a43-4d3c-9a52-8d4a3b0f6e21"
"""As on the page."""


def test_a_refusal_reads_as_the_page_shows_it(product: Product) -> None:
    product.declare({103: container(103, None, template=OS_TEMPLATE)})
    stand(product, 103)
    product.start_worker()
    failure_of(product.producer.ensure(103, request_id=REQUEST_ID))
    stored = json.loads(str(product.redis.get(f"celery-task-meta-{REQUEST_ID}")))
    (shown,) = re.findall(r'^```json\n(\{\n  "status": "FAILURE".*?)^```', PAGE.read_text(), re.DOTALL | re.MULTILINE)
    page = json.loads(shown)
    assert {name: stored[name] for name in page} == page, json.dumps(stored, indent=2)
