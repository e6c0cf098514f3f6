"""Which build of its template a container was cloned from, and which one stands there now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.actions.made_again import rebuilt_first
from phoenix_worker.core.differs.outdated import has_older_build, of_older_build, outdated
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

    def outdated(self, declaration: Declaration, seen: Observation, *, configured: bool = False) -> tuple[str, ...]:
        """Say why what stands at a CTID is outdated; one look at its template, if it was not looked at before.

        Of what is about to be `configured`, what will be outdated still.
        """
        has_shell, build = self._task.shell is not None, self._below(declaration, seen)
        first = rebuilt_first(self._task, declaration, seen) if declaration.is_template else ()
        return outdated(declaration, seen, has_shell=has_shell, build=build, first=first, configured=configured)

    def of_older_build(self, declaration: Declaration, seen: Observation) -> tuple[str, ...]:
        """Say that it was cloned from an older build of its template, and nothing else."""
        return of_older_build(declaration, seen, self._below(declaration, seen))

    def is_older(self, declaration: Declaration, seen: Observation) -> bool:
        """Return whether it was cloned from an older build of its template."""
        return has_older_build(declaration, seen, self._below(declaration, seen))

    def _below(self, declaration: Declaration, seen: Observation) -> str:
        catalog, marker = self._task.catalog.current(), seen.marker
        template = catalog.get(declaration.clone_from or 0)
        if template is None or marker is None or not marker.build:
            return ""
        source = template if marker.via is None else catalog.copy(template.ctid, marker.via, seen.node)
        if source.ctid not in self._known:
            self._known[source.ctid] = self._look(source)
        return self._known[source.ctid]

    def _look(self, source: Declaration) -> str:
        try:
            seen = self._task.proxmox.observe_template(source.node, source.ctid, elsewhere=False)
        except PermanentError:  # a template that we may not see is no reason to hide its clones
            return ""
        except TransientError as error:  # nor is one whose node is silent
            if error.cause != UNREACHABLE:
                raise
            return ""
        return build_of(seen) if seen.marker is None or seen.marker.copy_of == source.copy_of else ""


def build_of(template: Observation) -> str:
    """Return the creation of a finished template; '' where nobody can tell."""
    marker = template.marker
    return marker.creation if marker is not None and template.is_ours and template.is_template else ""
