"""Whether a container is an HA resource of Proxmox, as it is written in the file."""

# No postponed annotations here: pydantic needs the types when the classes are made.
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from phoenix_worker.catalog.fields import Matching, refused
from phoenix_worker.catalog.sections import Section

GroupName = Annotated[
    str,
    Matching(
        r"[A-Za-z][A-Za-z0-9_-]+",
        "the name of an HA group",
        "Use letters, digits, hyphens and underscores, two or more.",
    ),
]


class Ha(Section):
    """The container as an HA resource. What is not declared stays as it is."""

    enabled: bool = True
    """Whether it is one; `false` takes it out."""
    group: GroupName | None = None
    """HA group, which says on which nodes it may run. Proxmox VE 8; from 9 on, HA rules take the place of groups."""
    max_restart: int | None = Field(default=None, ge=0)
    """How often HA tries to start it again on its node; Proxmox's default is 1."""
    max_relocate: int | None = Field(default=None, ge=0)
    """How often HA tries to start it on another node after that; Proxmox's default is 1."""

    @model_validator(mode="after")
    def _is_on_or_empty(self) -> Self:
        if not self.enabled and (self.group, self.max_restart, self.max_relocate) != (None, None, None):
            raise refused("is switched off and has keys of a resource", "Write false, or leave out enabled.")
        return self


def _in_full(value: Any) -> Any:
    if isinstance(value, bool):
        return {"enabled": value}
    if not isinstance(value, dict):
        raise refused("is neither true, false nor an object", 'Write true, or an object such as {"max_restart": 2}.')
    return value


HaKey = Annotated[Ha, BeforeValidator(_in_full, json_schema_input_type=bool | Ha)]
