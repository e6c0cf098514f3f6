"""What an ensure would do, without doing it: the same rules as the canvas, on a look of just now."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phoenix_producer.contract import Outcome
from phoenix_producer.plans import Part, Why
from phoenix_worker.actions.builds import Builds
from phoenix_worker.actions.copies import sources
from phoenix_worker.actions.drained import refuse_drained
from phoenix_worker.actions.ensured_copies import ensured_copies
from phoenix_worker.actions.feasibility import refuse_too_old, refuse_unworkable, refuse_what_cannot_change
from phoenix_worker.actions.firewall_and_pool import with_surroundings_then
from phoenix_worker.actions.forced_command import refuse_disallowed_change, refuse_disallowed_making
from phoenix_worker.actions.look import about_template, assess, what_stays
from phoenix_worker.actions.made_again import needs_rebuild
from phoenix_worker.actions.moved_copies import Way, way_of
from phoenix_worker.actions.names import refuse_unknown_names
from phoenix_worker.actions.place import Choice, foresee_home
from phoenix_worker.actions.prerequisites import (
    because_of,
    dependencies_of,
    refuse_absent_os_template,
    refuse_unless_running,
)
from phoenix_worker.actions.remove import removal_line
from phoenix_worker.actions.standing_copies import arrived, on_its_way
from phoenix_worker.answers.side_by_side import only_shown, shared_looks
from phoenix_worker.core.allowed.ownership import judge, may_write
from phoenix_worker.core.differs.diff import diff, pending_restart
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.home import at_home
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.core.planned import moved_copies
from phoenix_worker.core.planned.feasibility import Origin
from phoenix_worker.core.planned.placement import told
from phoenix_worker.core.planned.plan import PlannedStep, is_configuring, is_making, plan
from phoenix_worker.core.planned.prediction import foretold
from phoenix_worker.core.planned.requested import as_requested
from phoenix_worker.step_names import StepName

if TYPE_CHECKING:
    from collections.abc import Sequence

    from phoenix_producer.contract import EnsureRequest
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.allowed.ownership import Verdict


@dataclass(slots=True)
class Forecast:
    """What an ensure of `declaration` would do."""

    declaration: Declaration
    parts: list[Part] = field(default_factory=list)
    """One for each CTID that it concerns, in the order of what happens, but that copies come before their template; the
    last is the container itself."""
    lines: list[str] = field(default_factory=list)
    """First what the CTID depends on, each template before its first clone; empty when nothing would be done."""
    templates_not_applied: dict[int, tuple[str, ...]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def needs_rebuild(self) -> tuple[str, ...]:
        """What stays as it is, of all CTIDs."""
        return tuple(line for part in self.parts for line in part.needs_rebuild)

    def add_copy(self, copy: Declaration, step: PlannedStep) -> None:
        """Tell of a copy of a template that is configured after it."""
        *others, asked = self.parts
        asked = asked.model_copy(update={"outcome": Outcome.UPDATED}) if asked.outcome is Outcome.UNCHANGED else asked
        self.parts = [*others, _part(copy, [step], Why.COPY, copy.copy_of), asked]
        self.lines.append(step.detail)


def foresee(task: PhoenixTask, request: EnsureRequest) -> Forecast:
    """Work out what an ensure would do. Raises what it would raise before it writes anything."""
    try:
        with shared_looks(task):
            return forecast(task, request)
    except TransientError as error:
        raise only_shown(task, error) from error


def forecast(task: PhoenixTask, request: EnsureRequest) -> Forecast:
    """Work it out by looks of now, without patience. Raises as `foresee`."""
    accepted = request.accept_not_applied
    declaration = as_requested(task.reach(task.current_declaration(request.ctid), accepted=accepted), request)
    found = Forecast(declaration)
    looks = _Looks(task, found, accepted=accepted)
    looks.dependencies(request.ctid)
    copies = ensured_copies(task, declaration)
    found.warnings += copies.left
    before = len(found.lines)
    looks.container(declaration, Why.ASKED, adopt=request.adopt)
    if 0 < before < len(found.lines):
        found.lines.insert(before, f"ensure CT {request.ctid} itself:")
    for copy, step in copies.to_configure:
        found.add_copy(copy, step)
    return found


class _Looks:
    """Fills in a forecast. What was told of a CTID once is not told again: it would be there by then."""

    def __init__(self, task: PhoenixTask, forecast: Forecast, *, accepted: bool) -> None:
        self._task = task
        self._accepted = accepted
        self._forecast = forecast
        self._asked: set[int] = set()
        self._builds = Builds(task)
        self._templates: dict[int, Observation] = {}
        """What each template will look like when it is cloned."""

    def dependencies(self, ctid: int) -> None:
        """Tell of everything that would be ensured first, the deepest before what depends on it."""
        catalog = self._task.catalog.current()
        for dependency in dependencies_of(self._task, ctid):
            if dependency in self._asked:
                continue
            self._asked.add(dependency)
            if dependency in catalog:
                self._dependency(ctid, catalog[dependency])
            else:
                refuse_unless_running(ctid, dependency, self._task.proxmox.running(dependency))
                self._forecast.parts.append(Part(ctid=dependency, role="guest", why=Why.DEPENDENCY, needed_by=ctid))

    def container(
        self, declaration: Declaration, why: Why, needed_by: int | None = None, *, adopt: bool = False, near: str = ""
    ) -> Observation:
        """Tell what would be done to one CTID, its template first where it is cloned; predict what it is then."""
        seen, verdict = assess(self._task, declaration, adopt=adopt)
        home = at_home(declaration, seen)
        declaration, because = self._home(home.standing_on(on_its_way(seen) or home.node), seen, near)
        if why is Why.ASKED:
            self._forecast.declaration = declaration
        way = way_of(self._task, declaration, seen)
        seen, verdict, steps = self._copying(declaration, seen, verdict, way)
        template = None
        if is_making(steps) and why is not Why.TEMPLATE:  # which was judged with what is made from it
            refuse_disallowed_making(self._task, declaration)
        if not way.source and any(step.name is StepName.CLONE for step in steps):
            source = sources(self._task, declaration, look=True)[0]
            declaration = declaration.cloned_by(source)
            template = with_surroundings_then(self._task.proxmox, declaration, self._template(source, declaration))
            steps = plan(declaration, seen, verdict, template)
        if is_making(steps):
            self._refuse_making(declaration, template, built=not way.source)
        elif steps:
            if is_configuring(steps):
                refuse_what_cannot_change(self._task, declaration, seen)
            refuse_disallowed_change(self._task, declaration, seen)
        if because:
            self._forecast.lines.append(f"place CT {declaration.ctid} on {declaration.node}: {because}")
        self._forecast.lines.extend(step.detail for step in steps)
        if may_write(verdict) and any(step.name is StepName.CONFIGURE for step in steps):
            self._forecast.warnings += what_stays(self._task, declaration, seen)
        changes = diff(declaration, seen) if may_write(verdict) else None
        self._forecast.warnings += self._builds.of_older_build(declaration, seen)
        stops = any(step.name is StepName.STOP for step in steps)
        part = _part(declaration, steps, why, needed_by).model_copy(
            update={
                "elsewhere": declaration.elsewhere,
                "placed": told(declaration.node, because),
                "pending_restart": () if stops else pending_restart(seen, changes),
                "needs_rebuild": needs_rebuild(self._task, declaration, seen),
            }
        )
        self._forecast.parts.append(part)
        return foretold(declaration, arrived(seen), template)

    def _dependency(self, ctid: int, dependency: Declaration) -> None:
        lines = self._forecast.lines
        try:
            self.dependencies(dependency.ctid)
            began = len(lines)
            self.container(self._task.reach(dependency, accepted=self._accepted), Why.DEPENDENCY, ctid)
        except PermanentError as error:
            raise because_of(ctid, dependency.ctid, error.message, error.remedy) from error
        if len(lines) > began:
            lines.insert(began, f"ensure CT {dependency.ctid} first, on which CT {ctid} depends:")

    def _copying(
        self, declaration: Declaration, seen: Observation, verdict: Verdict, way: Way
    ) -> tuple[Observation, Verdict, tuple[PlannedStep, ...]]:
        """Tell how a copy comes to its node; return what it is made of, and the steps that are taken for anything."""
        self._forecast.lines.extend(way.told(declaration))
        coming = on_its_way(seen)
        if way.source:
            return seen, verdict, moved_copies.moved(declaration, way.source, cloned=bool(coming))
        if coming:
            self._forecast.lines.append(removal_line(seen))
            seen = Observation(declaration.ctid, declaration.node, Presence.ABSENT)
            verdict = judge(declaration, seen)
        return seen, verdict, plan(declaration, seen, verdict)

    def _refuse_making(self, declaration: Declaration, template: Observation | None, *, built: bool) -> None:
        refuse_drained(self._task, declaration)
        if not built:
            return
        refuse_too_old(self._task, declaration)
        refuse_unknown_names(self._task, declaration, template)
        origin = Origin.seen(template) if template is not None else None
        refuse_unworkable(self._task, declaration, origin)
        refuse_absent_os_template(self._task, declaration)

    def _home(self, declaration: Declaration, seen: Observation, near: str) -> Choice:
        """Tell where it stands or would be placed, with the scripts that lie on that node."""
        choice = foresee_home(self._task, declaration, seen, near=near)
        if not declaration.nodes:
            return choice
        return choice._replace(declaration=self._task.reach(choice.declaration, accepted=self._accepted))

    def _template(self, template: Declaration, clone: Declaration) -> Observation:
        if template.ctid not in self._templates:
            self._templates[template.ctid] = self._template_then(template, clone)
        return self._templates[template.ctid]

    def _template_then(self, template: Declaration, clone: Declaration) -> Observation:
        seen = self._task.proxmox.observe_template(template.node, template.ctid)
        if not seen.is_template:
            template = self._task.reach(template, accepted=self._accepted)
            if template.not_applied:
                self._forecast.templates_not_applied[template.ctid] = template.not_applied
            return self.container(template, Why.TEMPLATE, clone.ctid, near=clone.node)
        self._forecast.warnings += about_template(self._task, template, seen, "would be cloned")
        return seen


def _part(declaration: Declaration, steps: Sequence[PlannedStep], why: Why, needed_by: int | None) -> Part:
    return Part(
        ctid=declaration.ctid,
        name=declaration.name,
        node=declaration.node,
        role=declaration.role,
        why=why,
        needed_by=needed_by,
        outcome=_outcome(steps),
        actions=tuple(action for step in steps for action in step.actions),
    )


def _outcome(steps: Sequence[PlannedStep]) -> Outcome:
    if not steps:
        return Outcome.UNCHANGED
    return Outcome.CREATED if is_making(steps) else Outcome.UPDATED
