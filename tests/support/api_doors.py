"""More addresses of a simulated cluster, each of which can be away while the others answer."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from tests.support.proxmox import Simulator


@dataclass
class ApiDoor:
    """One address, as a node's pveproxy has it. Answers to what was asked of it before it went away are lost."""

    simulator: Simulator
    address: str
    port: int = 0
    """Of this address; chosen when it first listens."""
    _site: web.TCPSite | None = field(default=None, repr=False)

    def open(self) -> None:
        """Listen, on the same port as before."""
        if self._site is None:
            self.simulator.do(self._listen)

    def shut(self) -> None:
        """Refuse connections, and break those that there are."""
        if self._site is not None:
            self.simulator.do(self._hang_up)

    @property
    def host(self) -> str:
        """Address and port."""
        return f"{self.address}:{self.port}"

    async def _listen(self) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.simulator.ca_file, self.simulator.key_file)
        runner = self.simulator.pve.runner
        self._site = web.TCPSite(runner, self.address, self.port, ssl_context=context)
        before = set(map(tuple, runner.addresses))
        await self._site.start()
        (listens,) = set(map(tuple, runner.addresses)) - before
        self.port = listens[1]

    async def _hang_up(self) -> None:
        site, self._site = self._site, None
        assert site is not None
        await site.stop()
        for connection in list(self.simulator.pve.runner.server.connections):
            transport = connection.transport
            if transport is None or transport.is_closing():  # one that was closed twice knows no address any more
                continue
            if transport.get_extra_info("sockname")[:2] == (self.address, self.port):
                transport.abort()
