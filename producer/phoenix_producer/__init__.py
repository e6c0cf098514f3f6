"""What services import to ask for containers: `from phoenix_producer import Producer`.

Each name is imported when it is first used: the command line must heed Ctrl-C before Celery is imported.
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # as in typing, whose import takes longer than all that comes before `main`
if TYPE_CHECKING:
    from typing import Any

    from phoenix_producer.client.channel import Unreachable
    from phoenix_producer.client.handle import Handle, Handles
    from phoenix_producer.client.producer import Producer
    from phoenix_producer.contract import (
        Address,
        Cancelled,
        ContractError,
        DesiredState,
        EnsureFailed,
        EnsureRequest,
        EnsureResult,
        Failure,
        Outcome,
        Progress,
        ProgressKind,
    )
    from phoenix_producer.nodes import Drained, Node, NodeState
    from phoenix_producer.plans import Action, Drift, Part, Plan, Why
    from phoenix_producer.standing import Exists, Standing, Template

__all__ = [
    "Action",
    "Address",
    "Cancelled",
    "ContractError",
    "DesiredState",
    "Drained",
    "Drift",
    "EnsureFailed",
    "EnsureRequest",
    "EnsureResult",
    "Exists",
    "Failure",
    "Handle",
    "Handles",
    "Node",
    "NodeState",
    "Outcome",
    "Part",
    "Plan",
    "Producer",
    "Progress",
    "ProgressKind",
    "Standing",
    "Template",
    "Unreachable",
    "Why",
]

_MODULES = {
    "phoenix_producer.client.channel": ("Unreachable",),
    "phoenix_producer.client.handle": (
        "Handle",
        "Handles",
    ),
    "phoenix_producer.client.producer": ("Producer",),
    "phoenix_producer.contract": (
        "Address",
        "Cancelled",
        "ContractError",
        "DesiredState",
        "EnsureFailed",
        "EnsureRequest",
        "EnsureResult",
        "Failure",
        "Outcome",
        "Progress",
        "ProgressKind",
    ),
    "phoenix_producer.nodes": (
        "Drained",
        "Node",
        "NodeState",
    ),
    "phoenix_producer.plans": (
        "Action",
        "Drift",
        "Part",
        "Plan",
        "Why",
    ),
    "phoenix_producer.standing": (
        "Exists",
        "Standing",
        "Template",
    ),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Import a public name. Raises AttributeError for any other."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_MODULE_OF[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
