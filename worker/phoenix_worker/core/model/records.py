"""What steps and the journal hold as JSON, read back."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from phoenix_producer.contract import Outcome, Step
from phoenix_worker.core.model.firewall import FirewallState
from phoenix_worker.core.model.ha import HaState
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.step_names import StepName

_MADE = frozenset({Outcome.CREATED, Outcome.REBUILT})


def steps_in(values: list[dict[str, Any]]) -> tuple[Step, ...]:
    """Return the steps, as the contract has them."""
    return tuple(Step(**{name: value[name] for name in Step.model_fields if name in value}) for value in values)


def changes_in(values: list[dict[str, Any]], ctid: int | None = None) -> tuple[Any, ...]:
    """Return the configuration changes that the steps made, to one CTID or to all."""
    return tuple(change for value in values if ctid in (None, value["ctid"]) for change in value.get("changes", ()))


def templates_in(values: list[dict[str, Any]]) -> tuple[int, ...]:
    """Return the templates that were made on the way."""
    return tuple(value["ctid"] for value in values if value["name"] == StepName.SEAL)


def unapplied_in(values: list[dict[str, Any]], *, but: int | None) -> dict[int, tuple[str, ...]]:
    """Return what was not applied to the templates converted on the way, other than to the requested CTID."""
    sealed = {value["ctid"]: tuple(value["not_applied"]) for value in values if value["name"] == StepName.SEAL}
    return {ctid: lines for ctid, lines in sealed.items() if lines and ctid != but}


def told_in(values: list[dict[str, Any]], *kinds: str) -> tuple[str, ...]:
    """Return what the steps met that their requester should know: `warnings`, or what `needs_rebuild`."""
    return tuple(dict.fromkeys(line for value in values for kind in kinds for line in value.get(kind, ())))


def as_made_by(job: str, result: dict[str, Any]) -> dict[str, Any]:
    """Return the result of a job as it is told to a request that shares its run: what it made, that job has made."""
    made = result.get("outcome") in _MADE and result.get("made_by") is None
    return result | {"made_by": job, "steps": [], "changes": []} if made else result


def to_json(seen: Observation) -> dict[str, Any]:
    """Return an observation for the journal."""
    return asdict(seen)


def from_json(entry: dict[str, Any]) -> Observation:
    """Return an observation from the journal."""
    firewall = entry["firewall"] and FirewallState(**entry["firewall"] | {"rules": tuple(entry["firewall"]["rules"])})
    ha = entry.get("ha") and HaState(**entry["ha"])
    fields = {
        "ha": ha,
        "presence": Presence(entry["presence"]),
        "pending": tuple(entry["pending"]),
        "firewall": firewall,
    }
    return Observation(**entry | fields)
