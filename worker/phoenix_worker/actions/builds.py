"""Which build of its template a container was cloned from, and which one stands there now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.actions.made_again import rebuilt_first
from phoenix_worker.core.differs.outdated import of_older_build, outdated
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.proxmox.error_table import UNREACHABLE

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


class Builds:
    """The builds of templates as they are now, each looked up once, and only where a marker names one to compare."""

    def __init__(self, task: PhoenixTask) -> None:
        self._task = task
        self._known: dict[int, str] = {}

    def outdated(self, declaration: Declaration, seen: Observation) -> tuple[str, ...]:
        """Say why what stands at a CTID is outdated; one look at its template, if it was not looked at before."""
        has_shell, build = self._task.shell is not None, self._below(declaration, seen)
        first = rebuilt_first(self._task, declaration, seen) if declaration.is_template else ()
        return outdated(declaration, seen, has_shell=has_shell, build=build, first=first)

    def of_older_build(self, declaration: Declaration, seen: Observation) -> tuple[str, ...]:
        """Say that it was cloned from an older build of its template, and nothing else."""
        return of_older_build(declaration, seen, self._below(declaration, seen))

    def _below(self, declaration: Declaration, seen: Observation) -> str:
        template = self._task.catalog.current().get(declaration.clone_from or 0)
        if template is None or seen.marker is None or not seen.marker.build:
            return ""
        if template.ctid not in self._known:
            self._known[template.ctid] = self._look(template)
        return self._known[template.ctid]

    def _look(self, template: Declaration) -> str:
        try:
            return build_of(self._task.proxmox.observe_template(template.node, template.ctid, elsewhere=False))
        except PermanentError:  # a template that we may not see is no reason to hide its clones
            return ""
        except TransientError as error:  # nor is one whose node is silent
            if error.cause != UNREACHABLE:
                raise
            return ""


def build_of(template: Observation) -> str:
    """Return the creation of a finished template; '' where nobody can tell."""
    marker = template.marker
    return marker.creation if marker is not None and template.is_ours and template.is_template else ""
