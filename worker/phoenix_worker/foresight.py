"""What an ensure would do, line by line, without doing it: the same rules as the canvas, on a look of just now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from phoenix_worker.core.ownership import judge
from phoenix_worker.core.plan import StepName, plan

if TYPE_CHECKING:
    from phoenix_producer.contract import EnsureRequest
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.task import PhoenixTask


def foresee(task: PhoenixTask, request: EnsureRequest) -> list[str]:
    """List what would be done, templates first as the canvas builds them; empty when nothing would."""
    declaration = task.declaration(request.ctid)
    if request.state is not None:
        declaration = replace(declaration, state=request.state)
    return _lines(task, declaration, adopt=request.adopt)


def _lines(task: PhoenixTask, declaration: Declaration, *, adopt: bool) -> list[str]:
    seen = task.proxmox.observe(declaration.node, declaration.ctid)
    steps = plan(declaration, seen, judge(declaration, seen, adopt=adopt))
    lines: list[str] = []
    for step in steps:
        if step.name is StepName.CLONE:
            lines += _template_lines(task, declaration)
        lines.append(step.detail)
    return lines


def _template_lines(task: PhoenixTask, declaration: Declaration) -> list[str]:
    template = task.declaration(declaration.clone_from)
    if task.proxmox.observe_template(template.node, template.ctid).is_template:
        return []
    return _lines(task, template, adopt=False)
