"""What an ensure would do, line by line, without doing it: the same rules as the canvas, on a look of just now."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from phoenix_producer.contract import Outcome
from phoenix_worker.core.errors import PermanentError
from phoenix_worker.core.ownership import judge
from phoenix_worker.core.plan import PlannedStep, StepName, plan
from phoenix_worker.core.rebuild import needs_rebuild
from phoenix_worker.prerequisites import because_of, dependencies_of, refuse_unless_running
from phoenix_worker.surroundings import with_surroundings
from phoenix_worker.survey import not_made_by_us

if TYPE_CHECKING:
    from phoenix_producer.contract import EnsureRequest
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.task import PhoenixTask

_MAKING = {StepName.CREATE, StepName.CLONE}


@dataclass(slots=True)
class Forecast:
    """What an ensure of `declaration` would do."""

    declaration: Declaration
    outcome: Outcome = Outcome.UNCHANGED
    lines: list[str] = field(default_factory=list)
    """First what the CTID depends on, each template before its first clone; empty when nothing would be done."""
    templates_not_applied: dict[int, tuple[str, ...]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def foresee(task: PhoenixTask, request: EnsureRequest) -> Forecast:
    """Work out what an ensure would do. Raises what it would raise before it writes anything."""
    accepted = request.accept_not_applied
    declaration = task.reach(task.declaration(request.ctid), accepted=accepted)
    if request.state is not None:
        declaration = replace(declaration, state=request.state)
    forecast = Forecast(declaration)
    looks = _Looks(task, forecast, accepted=accepted)
    looks.dependencies(request.ctid)
    before = len(forecast.lines)
    steps = looks.steps(declaration, adopt=request.adopt)
    if steps:
        forecast.outcome = Outcome.CREATED if _MAKING & {step.name for step in steps} else Outcome.UPDATED
    if steps and before:
        forecast.lines.insert(before, f"ensure CT {request.ctid} itself:")
    return forecast


class _Looks:
    """Fills in a forecast. What was told of a CTID once is not told again: it would be there by then."""

    def __init__(self, task: PhoenixTask, forecast: Forecast, *, accepted: bool) -> None:
        self._task = task
        self._accepted = accepted
        self._forecast = forecast
        self._told: set[int] = set()

    def dependencies(self, ctid: int) -> None:
        """Tell of everything that would be ensured first, the deepest before what depends on it."""
        catalog = self._task.catalog.current()
        for dependency in dependencies_of(self._task, ctid):
            if dependency not in catalog:
                refuse_unless_running(ctid, dependency, self._task.proxmox.running(dependency))
            elif self._is_news(dependency):
                self._dependency(ctid, catalog[dependency])

    def steps(self, declaration: Declaration, *, adopt: bool = False) -> tuple[PlannedStep, ...]:
        """Tell the steps of one CTID, with those of its template where it is cloned."""
        seen = self._task.proxmox.observe(declaration.node, declaration.ctid)
        seen = with_surroundings(self._task.proxmox, declaration, seen)
        steps = plan(declaration, seen, judge(declaration, seen, adopt=adopt))
        self._forecast.warnings.extend(needs_rebuild(declaration, seen))
        for step in steps:
            if step.name is StepName.CLONE:
                self._template(self._task.declaration(declaration.clone_from))
            self._forecast.lines.append(step.detail)
        return steps

    def _dependency(self, ctid: int, dependency: Declaration) -> None:
        lines = self._forecast.lines
        try:
            self.dependencies(dependency.ctid)
            began = len(lines)
            self.steps(self._task.reach(dependency, accepted=self._accepted))
        except PermanentError as error:
            raise because_of(ctid, dependency.ctid, error.message, error.remedy) from error
        if len(lines) > began:
            lines.insert(began, f"ensure CT {dependency.ctid} first, on which CT {ctid} depends:")

    def _template(self, template: Declaration) -> None:
        if not self._is_news(template.ctid):
            return
        seen = self._task.proxmox.observe_template(template.node, template.ctid)
        if not seen.is_template:
            template = self._task.reach(template, accepted=self._accepted)
            if template.not_applied:
                self._forecast.templates_not_applied[template.ctid] = template.not_applied
            self.steps(template)
        elif not seen.is_ours:
            self._forecast.warnings.append(not_made_by_us(template.ctid, "would be cloned"))

    def _is_news(self, ctid: int) -> bool:
        news = ctid not in self._told
        self._told.add(ctid)
        return news
