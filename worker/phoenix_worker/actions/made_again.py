"""Tell what cannot be changed, with commands that bring it about. Templates are looked at for that, and only then."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.differs.unchangeable import needs_rebuild as with_remedy
from phoenix_worker.core.differs.unchangeable import unchangeable
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.planned.again import Way, remedy, way

if TYPE_CHECKING:
    from phoenix_worker.base import PhoenixTask
    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.core.model.observation import Observation


def needs_rebuild(task: PhoenixTask, declaration: Declaration, seen: Observation) -> tuple[str, ...]:
    """Say what stays as it is, and what to do. No call, unless something stays and it is a clone."""
    if not unchangeable(declaration, seen):
        return ()
    return with_remedy(declaration, seen, remedy(declaration, seen, _best_way(task, declaration)))


def rebuilt_first(task: PhoenixTask, declaration: Declaration, seen: Observation) -> tuple[int, ...]:
    """Name the templates that would pass on what stays as it is. As many calls as `needs_rebuild`."""
    return _best_way(task, declaration).first if unchangeable(declaration, seen) else ()


def _best_way(task: PhoenixTask, declaration: Declaration) -> Way:
    """Find the fewest templates to rebuild so that the least stays as it is.

    A template that is not finished is built by an ensure, so it is not named. Where the token may not look, the
    templates are taken to be as declared.
    """
    chain, first = [declaration], tuple[int, ...]()
    best: Way | None = None
    for template in task.catalog.current().above(declaration):
        try:
            seen = task.proxmox.observe_template(template.node, template.ctid, elsewhere=False)
        except PermanentError:
            return best or Way((), ())
        if seen.is_template:
            best = _better(best, way(chain, seen, first))
            if not best.left:
                return best
            first = (*first, template.ctid)
        chain.append(template)
    return _better(best, way(chain, None, first))


def _better(best: Way | None, other: Way) -> Way:
    return other if best is None or len(other.left) < len(best.left) else best
