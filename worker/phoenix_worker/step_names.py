"""The steps of a job: their names in results and journals, and the Celery tasks that do them."""

from __future__ import annotations

from enum import StrEnum


class StepName(StrEnum):
    """One step. Results, journals and plans carry its value; `task` is the name of its Celery task."""

    CREATE = "create"
    CLONE = "clone"
    CONFIGURE = "configure"
    START = "start"
    PROVISION = "provision"
    STOP = "stop"
    SEAL = "seal"
    VERIFY = "verify"
    DESTROY = "destroy"
    REPLACE = "replace"
    COPY = "copy"
    """A clone from what was built at the scratch CTID; results call it a clone."""
    COPY_TEMPLATE = "copy-template"
    """A clone of a template that becomes its copy on another node; results call it a clone."""
    MOVE_COPY = "move-copy"
    """Its migration to that node; results call it one."""
    REBUILD_COPIES = "rebuild-copies"
    CONFIGURE_COPIES = "configure-copies"
    MARK = "mark"
    DROP_SNAPSHOTS = "drop-snapshots"
    REPORT = "report"
    MIGRATE = "migrate"

    @property
    def task(self) -> str:
        """The name of the Celery task that does this step."""
        return f"phoenix.{_TASKS.get(self, self.value)}"


_TASKS = {
    StepName.DESTROY: "remove",
    StepName.DROP_SNAPSHOTS: "drop_snapshots",
    StepName.REBUILD_COPIES: "rebuild_copies",
    StepName.CONFIGURE_COPIES: "configure_copies",
    StepName.MIGRATE: "move",
    StepName.COPY_TEMPLATE: "copy_template",
    StepName.MOVE_COPY: "move_copy",
}

MAKING = frozenset({StepName.CREATE, StepName.CLONE})
"""Steps after which a CTID exists that did not exist before."""
