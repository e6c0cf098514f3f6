"""Plans for people: a tree with colors on a terminal, indented lines elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from phoenix_producer.cli.terminal import not_applied_lines, outcome_lines
from phoenix_producer.contract import Failure, Outcome
from phoenix_producer.plain_text import plain_line
from phoenix_producer.plans import Why
from phoenix_producer.standing import Exists

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phoenix_producer.plans import Drift, Part, Plan
    from phoenix_producer.standing import Lane, Template

_INDENT = "     "
_STYLES = {
    "create": "green",
    "clone": "green",
    "change": "yellow",
    "grow": "yellow",
    "record": "dim",
    "start": "cyan",
    "stop": "cyan",
    "seal": "green",
}
_NOTE, _PROBLEM = "dim", "red"
_WOULD = {Outcome.CREATED: "would be created", Outcome.UPDATED: "would be updated", Outcome.UNCHANGED: "nothing to do"}


@dataclass(slots=True)
class Branch:
    """A line and what hangs on it."""

    text: str
    style: str = ""
    branches: list[Branch] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.text = plain_line(self.text)

    def lines(self, console: Console) -> Iterator[str]:
        """Draw it for who reads there."""
        if console.is_terminal:
            with console.capture() as drawn:
                console.print(self._tree())
            yield from drawn.get().splitlines()
        else:
            yield from self._plain("")

    def _tree(self) -> Tree:
        tree = Tree(Text(self.text, style=self.style), guide_style="dim")
        for branch in self.branches:
            tree.children.append(branch._tree())  # noqa: SLF001 - of its own kind
        return tree

    def _plain(self, indent: str) -> Iterator[str]:
        yield f"{indent}{self.text}"
        for branch in self.branches:
            yield from branch._plain(indent + _INDENT)  # noqa: SLF001 - of its own kind


class PlanLines:
    """Draws plans one after the other. A CTID that has its own plan, or was drawn before, is drawn once."""

    def __init__(self, answers: Iterable[Any], console: Console | None = None) -> None:
        self._console = console or Console()
        self._told = {one.ctid: "see there" for one in answers}

    def __call__(self, answer: Plan | Failure) -> Iterator[str]:
        """Draw one plan, or write why there is none."""
        if isinstance(answer, Failure):
            yield from outcome_lines(answer)
            return
        yield from self._branch(answer, {part.ctid: part for part in answer.first}).lines(self._console)

    def _branch(self, plan: Plan, parts: dict[int, Part]) -> Branch:
        top = self._part(plan, list(parts.values()))
        top.branches += [Branch(line.strip(), _NOTE) for line in not_applied_lines(plan)]
        return top

    def _part(self, part: Part, others: list[Part]) -> Branch:
        branch = Branch(_title(part), "bold" if part.why is Why.ASKED else "")
        for other in others:
            if other.needed_by == part.ctid:
                branch.branches.append(self._other(other, others))
        branch.branches += _own(part)
        return branch

    def _other(self, part: Part, others: list[Part]) -> Branch:
        if part.ctid in self._told:
            return Branch(f"{_title(part)}: {self._told[part.ctid]}", _NOTE)
        self._told[part.ctid] = "see above"
        return self._part(part, others)


class DriftLines:
    """Draws what differs, CTID by CTID; nothing of those that are as declared or do not exist."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    def __call__(self, drifts: Iterable[Drift]) -> Iterator[str]:
        """Draw them one after the other, or say that there is nothing to draw."""
        shown = [one for one in drifts if one.differs or one.problem]
        for one in shown:
            yield from self._branch(one).lines(self._console)
        if not shown:
            yield "Nothing that exists differs from the catalog."

    def _branch(self, drift: Drift) -> Branch:
        where = f" on {drift.node}" if drift.node else ""
        top = Branch(f"{drift.ctid}  {drift.name}".rstrip() + f"  {drift.exists}{where}", "bold")
        # Why a template is outdated says already what of it needs a rebuild.
        top.branches = list(_own(drift.model_copy(update={"needs_rebuild": ()}) if drift.outdated else drift))
        top.branches += [Branch(line, _PROBLEM) for line in (*drift.outdated, drift.problem) if line]
        return top


class TemplateLines:
    """Draws templates one after the other, each with its copies."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()

    def __call__(self, templates: Iterable[Template]) -> Iterator[str]:
        """Draw them in the order in which they come."""
        for one in templates:
            above = f" of {one.clone_from}" if one.clone_from is not None else ""
            lanes = f", {one.lanes} lanes" if one.lanes > 1 else ""
            top = Branch(f"{one.ctid}  {one.name}  {_lane(one, f'template{above}')}{lanes}", "bold", _remarks(one))
            top.branches += [Branch(f"{copy.ctid}  {_lane(copy, 'copy')}", "", _remarks(copy)) for copy in one.copies]
            yield from top.lines(self._console)


def _lane(one: Lane, kind: str) -> str:
    what = kind if one.exists is Exists.TEMPLATE else f"{kind}, {one.exists}"
    storage = f", {one.storage}" if one.storage else ""
    size = f", {' + '.join(f'{one:g}' for one in one.disks.values())} GiB" if one.disks else ""
    hash_ = f", hash {one.hash}" if one.hash else ""
    waiting = f", {one.waiting} waiting" if one.waiting else ""
    outdated = ", outdated" if one.outdated else ""
    return f"{what} on {one.node}{storage}{size}{hash_}{outdated}{waiting}"


def _remarks(one: Lane) -> list[Branch]:
    return [Branch(line, _PROBLEM) for line in (*one.outdated, one.problem) if line]


def _own(part: Part) -> Iterator[Branch]:
    if part.placed:
        yield Branch(f"placed on {part.placed}", _NOTE)
    yield from (Branch(action.words, _STYLES.get(action.kind, "")) for action in part.actions)
    yield from (Branch(f"takes effect at the next start: {key}", _NOTE) for key in part.pending_restart)
    yield from (Branch(line, _PROBLEM) for line in part.needs_rebuild)
    if part.elsewhere:
        yield Branch(part.elsewhere, _NOTE)


def _title(part: Part) -> str:
    named = f"{part.ctid}  {part.name}".rstrip()
    if part.role == "guest":
        return f"{named}  {part.needed_by} depends on it; it runs"
    unchanged = part.outcome is Outcome.UNCHANGED
    where = f" on {part.node}" if part.node and not unchanged else ""
    first = " first" if part.why in {Why.DEPENDENCY, Why.TEMPLATE} and not unchanged else ""
    reason = {
        Why.COPY: f" (a copy of {part.needed_by})",
        Why.DEPENDENCY: f" ({part.needed_by} depends on it)",
        Why.TEMPLATE: f" (the template of {part.needed_by})",
    }
    return f"{named}  {_WOULD[part.outcome]}{first}{where}{reason.get(part.why, '')}"
