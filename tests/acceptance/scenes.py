"""What tests find standing on the node, and what happens on it at a chosen moment."""

from __future__ import annotations

import inspect
import re
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import EnsureFailed
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable

    from phoenix_producer import EnsureResult, Handle, Plan
    from phoenix_producer.contract import Failure
    from tests.support.product import Product
    from tests.support.proxmox import Interval

_LINE = re.compile(r"(?P<verb>\w+) (?:template \d+ to )?CT (?P<ctid>\d+) on ")


def notes(ctid: int, role: str = "container", stage: str = "configured") -> str:
    """Our marker, of a declaration that is no longer the catalog's."""
    return f"phoenix-lxc: ctid={ctid} id=0123456789 as={role} stage={stage} hash=0ld"


def net0(mac: str = "BC:24:11:00:00:01") -> str:
    return f"name=eth0,bridge=vmbr0,hwaddr={mac},ip=dhcp,type=veth"


def stand(product: Product, ctid: int, *, running: bool = False, **config: Any) -> None:
    """Put a container on the node that this test's worker did not make."""
    node = config.pop("node", NODE)
    config = {"hostname": "theirs", "net0": net0(), "rootfs": f"local-lvm:vm-{ctid}-disk-0,size=8G", **config}
    status = "running" if running else "stopped"
    product.simulator.do(product.simulator.pve.add_ct, ctid, node=node, status=status, config=config)


def refused(product: Product, ctid: int, **options: Any) -> Failure:
    """Ensure what cannot be, and return why."""
    return failure_of(product.producer.ensure(ctid, **options))


def failure_of(handle: Handle[Any]) -> Failure:
    """Wait for a request that fails."""
    with pytest.raises(EnsureFailed) as failed:
        handle.wait(timeout=60)
    return failed.value.failure


def told(failure: Failure) -> str:
    return f"{failure.cause}: {failure.message} {failure.remedy}"


def before(product: Product, method: str, suffix: str, act: Callable[[], Any], *, asked: int = 1) -> None:
    """Do something once, on the simulator's loop, just before it answers the first such request, or a later one."""
    pve = product.simulator.pve
    answer = pve._answer
    waiting: list[Callable[[], Any]] = [act, *[bool] * (asked - 1)]

    async def answering(request: Any, *rest: Any) -> Any:
        if waiting and request.method == method and request.path.endswith(suffix):
            begun = waiting.pop()()
            if inspect.isawaitable(begun):
                await begun
        return await answer(request, *rest)

    product.simulator.set(pve, _answer=answering)


def planned(lines: tuple[str, ...]) -> list[tuple[str, int]]:
    """The steps that a plan's lines tell of; `verify` is in no result."""
    found = [_LINE.match(line) for line in lines]
    assert all(found), lines
    steps = [("seal" if one["verb"] == "convert" else one["verb"], int(one["ctid"])) for one in found if one]
    return [step for step in steps if step[0] != "verify"]


def done(result: EnsureResult) -> list[tuple[str, int]]:
    return [(step.name, step.ctid) for step in result.steps]


def foreseen(plan: Plan) -> list[tuple[str, int]]:
    """The steps that a plan's actions come to, each CTID's changes being one."""
    told = [
        ("configure" if action.kind in {"change", "grow", "record"} else action.kind, part.ctid)
        for part in (*plan.first, plan)
        for action in part.actions
    ]
    return [step for step, before in zip(told, [None, *told], strict=False) if step != before]


def foreseen_changes(plan: Plan) -> list[tuple[str | None, ...]]:
    """What a plan changes of the container itself: key, old and new."""
    return [(one.key, one.old, one.new) for one in plan.actions if one.kind in {"change", "grow"}]


def changes_of(result: EnsureResult) -> list[tuple[str | None, ...]]:
    """The same of what was done, without the MAC that Proxmox chose for a clone: nobody can foresee that."""
    return [(change.key, *_without_random_mac(result, change.old, change.new)) for change in result.changes]


def _without_random_mac(result: EnsureResult, old: str | None, new: str | None) -> tuple[str | None, str | None]:
    chosen = re.search(r",hwaddr=[^,]*", old or "") if result.outcome == "created" else None
    return (
        (old, new)
        if chosen is None or old is None or new is None
        else (
            old.replace(chosen[0], ""),
            new.replace(chosen[0], ""),
        )
    )


def waits_for_task(product: Product, kind: str) -> Interval:
    """Wait for a Proxmox task of this kind that a job waits for."""

    def watched() -> list[Interval]:
        known = product.redis.hkeys("phoenix:watched")
        return [one for one in product.simulator.intervals(kind) if f"upid/{one.upid}" in known]

    return wait_for(watched)[-1]


def in_line(product: Product, lock: str) -> int:
    """How many wait for a lock."""
    return int(product.redis.zcount(f"phoenix:lock:{lock}", "(0", "+inf"))


def writes_to(product: Product, ctid: int) -> list[str]:
    """What was asked of one guest, as `METHOD rest-of-path`."""
    base = f"/nodes/{NODE}/lxc/{ctid}"
    return [f"{method} {path.removeprefix(base)}" for method, path in product.writes() if path.startswith(base)]
