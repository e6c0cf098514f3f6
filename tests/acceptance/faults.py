"""Faults of Proxmox for as long as a block lasts, and what may happen to an order on its way."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fakepve.certs import make_cert

from tests.support.proxmox import NODE, SECRET, TOKEN_ID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from tests.support.product import Product

LONG = 600.0


async def hang_up(product: Product) -> None:
    """Stop listening and break every connection; Proxmox's own tasks go on."""
    pve = product.simulator.pve
    for connection in pve.runner.server.connections:
        if connection.transport is not None:
            connection.transport.abort()
    await pve.stop()


@contextmanager
def refusing_connections(product: Product, listening_with: str = "") -> Iterator[None]:
    """Listen no more, or with another certificate."""
    simulator = product.simulator

    def listen(certificate: str) -> None:
        simulator.do(simulator.pve.start, certificate, str(Path(certificate).with_suffix(".key")))

    simulator.do(hang_up, product)
    if listening_with:
        listen(listening_with)
    yield
    if listening_with:
        simulator.do(hang_up, product)
    listen(simulator.ca_file)


@contextmanager
def resetting_connections(product: Product) -> Iterator[None]:
    network = product.simulator.pve.network
    product.simulator.do(network.update, {"drop_rate": 1.0})
    yield
    product.simulator.do(network.update, {"drop_rate": 0.0})


@contextmanager
def without_quorum(product: Product) -> Iterator[None]:
    product.simulator.do(product.simulator.pve.lose_quorum)
    yield
    product.simulator.do(product.simulator.pve.regain_quorum)


@contextmanager
def offline(product: Product) -> Iterator[None]:
    product.simulator.do(product.simulator.pve.set_node_offline, NODE)
    yield
    product.simulator.do(product.simulator.pve.set_node_offline, NODE, False)  # noqa: FBT003 - fakepve's


@contextmanager
def with_the_token_revoked(product: Product) -> Iterator[None]:
    tokens = product.simulator.pve.apitokens
    product.simulator.do(tokens.__setitem__, TOKEN_ID, "another")
    yield
    product.simulator.do(tokens.__setitem__, TOKEN_ID, SECRET)


@contextmanager
def with_privileges_taken_away(product: Product) -> Iterator[None]:
    """The clone may end; what follows it may not be looked at."""
    acl = product.simulator.pve.acl
    granted = acl[TOKEN_ID]
    product.simulator.do(acl.__setitem__, TOKEN_ID, [("/", {"VM.PowerMgmt"})])
    product.simulator.do(product.simulator.pve.hurry)
    yield
    product.simulator.do(acl.__setitem__, TOKEN_ID, granted)


def listening_as_another(product: Product, directory: Path) -> AbstractContextManager[None]:
    certificate, _, _ = make_cert(str(directory), hosts=("127.0.0.1",))
    return refusing_connections(product, certificate)


class Lost:
    """The first order is carried out, and its answer comes when nobody waits for it any more."""

    async def before(self, number: int) -> None:
        """Nothing keeps the order from being carried out."""

    async def after(self, number: int) -> None:
        if number == 1:
            await asyncio.sleep(LONG)


class Overtaken:
    """The first order is carried out, to its end, only when a second one comes, which then follows."""

    def __init__(self, product: Product) -> None:
        self._intervals = product.simulator.intervals
        self._second_came, self._first_is_over = asyncio.Event(), asyncio.Event()

    async def before(self, number: int) -> None:
        if number == 1:
            await self._second_came.wait()
        else:
            self._second_came.set()
            await self._first_is_over.wait()

    async def after(self, number: int) -> None:
        while number == 1 and any(one.end is None for one in self._intervals()):  # noqa: ASYNC110 - fakepve tells nobody
            await asyncio.sleep(0.01)
        self._first_is_over.set()


def orders_meet(product: Product, suffix: str, fate: Lost | Overtaken) -> None:
    """Let the orders to such a path, counted from 1, meet a fate on their way."""
    pve = product.simulator.pve
    answer, numbers = pve._answer, count(1)

    async def answering(request: Any, *rest: Any) -> Any:
        if request.method != "POST" or not request.path.endswith(suffix):
            return await answer(request, *rest)
        number = next(numbers)
        await fate.before(number)
        response = await answer(request, *rest)
        await fate.after(number)
        return response

    product.simulator.set(pve, _answer=answering)
