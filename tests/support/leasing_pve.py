"""The addresses that DHCP and SLAAC give, as `GET …/interfaces` of a real node tells them."""

from __future__ import annotations

from typing import Any

from fakepve.model import PveError
from fakepve.server import FakePve

from phoenix_worker.commands.demo.leases import address, told, with_leases


class Leasing(FakePve):  # type: ignore[misc] # fakepve publishes no types
    """Base of the strict simulator."""

    lease_secs = 0.0
    """Seconds after its start in which a container gets what DHCP and SLAAC give."""
    more_addresses: tuple[str, ...] = ()
    """What every interface of a container has besides, before all others; temporary addresses, say."""
    of_its_own: tuple[str, ...] = ()
    """What an interface has that only the container knows, such as the bridge of a Docker inside it."""
    before_2025 = False
    """Whether only the last address of each family is told, without a list."""

    interfaces_fail = ""
    """Why the node cannot look into the network of a container."""

    async def _lxc_interfaces(self, user: str, v: dict[str, Any]) -> list[dict[str, Any]] | None:
        if self.interfaces_fail:
            raise PveError(500, self.interfaces_fail)
        lines = await super()._lxc_interfaces(user, v)
        if lines is None:
            return None
        loopback, *others = with_leases(lines, self.ct(int(v["vmid"])), self.lease_secs)
        others = [told(line, [*map(_address, self.more_addresses), *line["ip-addresses"]]) for line in others]
        if self.of_its_own:
            others.append(told({"name": "docker0", "hwaddr": "02:42:00:00:00:01"}, [*map(_address, self.of_its_own)]))
        return [*map(_old, (loopback, *others))] if self.before_2025 else [loopback, *others]


def _address(text: str) -> dict[str, Any]:
    found, _, prefix = text.partition("/")
    return address("inet6" if ":" in found else "inet", found, int(prefix))


def _old(line: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in line.items() if key not in {"ip-addresses", "hardware-address"}}
