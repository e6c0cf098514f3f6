"""Answers of Proxmox to the watcher of another form than its own: what is watched goes on, nothing is set aside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from tests.support.product import container, template

if TYPE_CHECKING:
    from tests.support.product import Product


@pytest.mark.parametrize("strange", [{}, [], None, "x"])
def test_a_strange_answer_about_a_task_sets_nobody_aside(strange: Any, product: Product) -> None:
    product.declare({900: template(), 103: container(103)})
    product.simulator.add_template(900)
    pve, told = product.simulator.pve, 0
    answer = pve._answer

    async def answering(request: Any, *rest: Any) -> Any:
        nonlocal told
        if request.path.endswith("/status") and ":vzclone:" in request.path and told < 2:
            told += 1
            return web.json_response({"data": strange})
        return await answer(request, *rest)

    product.simulator.set(pve, _answer=answering)
    product.start_worker()
    assert product.ensure(103, timeout=60).outcome == "created"
    assert told
    assert not product.redis.exists("phoenix:aside")
