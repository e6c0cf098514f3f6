"""Trouble of Proxmox that stays until it is taken away, each kind at a place of its own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.product import Product
    from tests.support.root_node import RootNode

LONG = 600.0
BUSY = "can't lock file '/run/lock/lxc/pve-config-103.lock' - got timeout"
AWAY = (595, "Connection refused")


@dataclass
class Site:
    """A cluster of two nodes with a shell on the first, and its product."""

    product: Product
    node: RootNode

    def do(self, act: Callable[..., Any], *args: Any, **more: Any) -> Any:
        return self.product.simulator.do(act, *args, **more)

    @property
    def pve(self) -> Any:
        return self.product.simulator.pve

    def heal(self) -> None:
        """Take all trouble away."""
        self.product.simulator.set(self.pve, failures={})
        self.do(self.pve.task_failures.clear)
        self.do(self.pve.ct_secs.update, {"clone": 0.05, "create": 0.0})
        self.do(self.pve.hurry)
        vars(self.node).pop("_pct_says", None)


class Always(list[str]):
    """How every task of a kind ends."""

    def pop(self, _index: Any = -1) -> str:
        return self[0]


def failing(method: str, suffix: str, status: int = 500, text: str = BUSY) -> Any:
    """Have Proxmox answer so to each request of a kind."""
    return lambda site, ctid: site.do(site.pve.fail, method, suffix.format(ctid=ctid), status, text)


def unread(suffix: str) -> Any:
    return failing("GET", suffix, *AWAY)


def tasks(kind: str) -> Any:
    """Have Proxmox accept each order of a kind, and its task fail."""
    return lambda site, _: site.do(site.pve.task_failures.__setitem__, kind, Always([BUSY]))


def strange(kind: str) -> Any:
    """Have each task of a kind go on in a state that Proxmox documents nowhere."""

    def begin(site: Site, _: int) -> Callable[[], None]:
        site.do(site.pve.ct_secs.update, {"clone": LONG})

        def change() -> None:
            for one in site.product.simulator.intervals(kind):
                if one.end is None and one.upid:
                    site.do(site.pve.tasks[one.upid].update, {"status": "unknown"})

        return change

    return begin


def gone(kind: str) -> Any:
    """Have Proxmox list the tasks of a kind that run, and know nothing of them."""

    def begin(site: Site, _: int) -> None:
        for one in site.product.simulator.intervals(kind):
            if one.end is None:
                site.do(site.pve.tasks.pop, one.upid)

    return begin


def no_shell(site: Site, _: int) -> None:
    """Have each command in a container, and each change by root, meet a lock."""
    vars(site.node)["_pct_says"] = lambda _: {"code": 255, "say": BUSY}


def dying(kind: str) -> Any:
    """Have each Proxmox worker of a kind die at its work, which leaves its locks."""

    def begin(site: Site, _: int) -> Callable[[], None]:
        site.do(site.pve.ct_secs.update, {"clone": LONG, "create": LONG})

        def kill() -> None:
            for one in site.product.simulator.intervals(kind):
                if one.end is None and site.pve.has_begun(one.upid):
                    site.do(site.pve.kill_worker, one.upid)

        return kill

    return begin
