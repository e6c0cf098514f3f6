"""The forced command that `docs/proxmox-access.md` recommends for nodes: what it refuses, and what it would refuse.

`scripts/node_door.py` is the other side. A node without it allows everything, so nothing is foreseen there.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phoenix_worker.core.checkup.shell import FORBIDDEN_REMEDY
from phoenix_worker.core.differs.root_only import root_diff
from phoenix_worker.core.differs.scripts import scripts_to_run
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.proxmox import root_commands, scripts
from phoenix_worker.proxmox.scripts import Place

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.core.model.ports import NodeShell, Ran

FORESEE = ("phoenix-node-door", "--foresee")
FORBIDDEN = "forced-command"
_REFUSED = 126
_TOLD = b"phoenix-node-door: not allowed: "
Command = dict[str, Any]
"""An argument list `argv`, and the `raw_keys` that it changes, if any."""


def see_allowed(doing: str, ran: Ran) -> Ran:
    """Return how a command ended. Raises PermanentError for one that the forced command refused."""
    if ran.exit_code == _REFUSED and ran.err.startswith(_TOLD):
        raise _forbidden(doing, [ran.err.removeprefix(_TOLD).decode(errors="replace").strip()])
    return ran


def foreseen(shell: NodeShell, node: str, commands: Iterable[Command]) -> list[str] | None:
    """Return for which reasons the commands would be refused; None when its node_door.py is too old to say so."""
    try:
        ran = shell.run(node, FORESEE, stdin=json.dumps(list(commands)).encode())
    except PermanentError as refused:
        if refused.cause != FORBIDDEN:
            raise
        return None
    return list(map(str, json.loads(ran.out))) if ran.exit_code == 0 else []


def disallowed(shell: NodeShell, declaration: Declaration, expected: Observation) -> list[str]:
    """Return all that is refused of what comes to a container that looks as expected, as far as that can be known."""
    commands = list(commands_for(declaration, expected))
    return (foreseen(shell, declaration.node, commands) or []) if commands else []


def refusal(declaration: Declaration, reasons: Iterable[str]) -> PermanentError:
    """Return the error for a container that cannot become as declared."""
    return _forbidden(f"Unable to ensure CT {declaration.ctid} on {declaration.node}", reasons)


def commands_for(declaration: Declaration, expected: Observation) -> Iterator[Command]:
    """Name the commands that bring a container from what is expected to what is declared, and look at its health."""
    ctid, changes = declaration.ctid, root_diff(declaration, expected)
    yield from ({"argv": root_commands.making(directory)} for directory in changes.directories)
    if changes.put or changes.delete:
        digest = root_commands.digest(b"")
        yield {"argv": root_commands.setting(ctid, changes.put, changes.delete, digest)}
    if changes.raw:
        yield {"argv": root_commands.reading(ctid)}
        yield {"argv": root_commands.replacing(ctid, b"", b""), "raw_keys": list(changes.raw)}
    to_run = scripts_to_run(declaration, expected.marker)
    on_node = [script.on_node for script in to_run]
    looked_into = declaration.health_check is not None and declaration.runs
    if looked_into or not all(on_node):
        yield {"argv": scripts.running(Place(declaration.node, ctid), ["look"])}
    if any(on_node):
        yield {"argv": scripts.running(Place(declaration.node, ctid, on_node=True), ["look"])}


def _forbidden(doing: str, reasons: Iterable[str]) -> PermanentError:
    why = f"the forced command of the worker's SSH key does not allow {'; '.join(reasons)}"
    return PermanentError(f"{doing}: {why}.", cause=FORBIDDEN, remedy=FORBIDDEN_REMEDY)
