"""What services import to ask for containers: `from phoenix_producer import Producer`."""

from phoenix_producer.client.channel import Unreachable
from phoenix_producer.client.handle import Handle, Handles
from phoenix_producer.client.producer import Producer
from phoenix_producer.contract import (
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
from phoenix_producer.plans import Action, Drift, Part, Plan, Why
from phoenix_producer.standing import Exists, Standing

__all__ = [
    "Action",
    "Cancelled",
    "ContractError",
    "DesiredState",
    "Drift",
    "EnsureFailed",
    "EnsureRequest",
    "EnsureResult",
    "Exists",
    "Failure",
    "Handle",
    "Handles",
    "Outcome",
    "Part",
    "Plan",
    "Producer",
    "Progress",
    "ProgressKind",
    "Standing",
    "Unreachable",
    "Why",
]
