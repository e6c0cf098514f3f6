"""Orders that Proxmox accepts and that have no effect: none at all, or one that is gone once it was seen."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

from fakepve.server import API, ok

from tests.support.migrating_pve import Turn

if TYPE_CHECKING:
    from collections.abc import Callable, Container

    from tests.acceptance.troubles import Site

ALWAYS = 1 << 30
_MAKING = frozenset({"vzclone", "vzcreate"})
_SOON = 0.005
"""Seconds after which what a task did is gone: by then it has told its end."""
_LOOKS = ("/config", "/status/current")


def undone(kind: str, guests: Container[int] = (), *, seen: int = 0, times: int = ALWAYS) -> Any:
    """Have tasks of a kind end well, and what they did be gone: at once, or when it was `seen` so often.

    Those of these guests, or of the row's own.
    """

    def begin(site: Site, ctid: int) -> None:
        pve, of, left = site.pve, guests or {ctid}, [times]
        earlier = pve.task

        async def task(node: str, ttype: str, tid: Any, user: str, body: Any, **how: Any) -> Any:
            ct = how.get("vm")
            if ttype == kind and left[0] and (ct is None or ct.vmid in of):
                left[0] -= 1
                body = _undoing(pve, kind, ct, body, seen)
            return await earlier(node, ttype, tid, user, body, **how)

        site.product.simulator.set(pve, task=task)

    return begin


def _undoing(pve: Any, kind: str, ct: Any, body: Callable[[], Any], seen: int) -> Any:
    """What a task does then, in place of its work."""

    async def act() -> Any:
        if ct is None:
            return None
        before = copy.deepcopy((ct.config, ct.snapshots, ct.status, ct.node))
        note = await body()

        def undo() -> None:
            if kind in _MAKING:
                pve._drop(ct)
                return
            if ct not in pve.cts:
                pve.cts.append(ct)
            ct.config, ct.snapshots, ct.status, ct.node = before
            ct.lock = None

        if seen:
            pve.turns.append(Turn(seen, lambda path: path.endswith(tuple(f"/{ct.vmid}{end}" for end in _LOOKS)), undo))
        else:
            asyncio.get_running_loop().call_later(_SOON, undo)
        return note

    return act


def unheard(method: str, suffix: str, *, times: int = ALWAYS) -> Any:
    """Have Proxmox answer a kind of request as if it had done it, and do nothing."""

    def begin(site: Site, ctid: int) -> None:
        pve, left, end = site.pve, [times], suffix.format(ctid=ctid)
        earlier = pve._answer

        async def answer(request: Any, *rest: Any) -> Any:
            path = request.path.removeprefix(API)
            if left[0] and request.method == method and path.endswith(end):
                left[0] -= 1
                return ok(None)
            return await earlier(request, *rest)

        site.product.simulator.set(pve, _answer=answer)

    return begin


def deaf_root(site: Site, _: int) -> None:
    """Have each change by root on the node end well, and do nothing."""
    says = type(site.node)._pct_says

    def say(argv: list[str]) -> dict[str, Any]:
        return {"code": 0, "say": ""} if argv[0] in {"set", "unlock", "written"} else says(site.node, argv)

    vars(site.node)["_pct_says"] = say


def heal(site: Site) -> None:
    """Let orders have their effect again."""
    for name in ("task", "_answer"):
        site.do(vars(site.pve).pop, name, None)
    site.do(site.pve.turns.clear)
    site.heal()
