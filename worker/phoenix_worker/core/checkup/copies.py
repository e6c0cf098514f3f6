"""Whether there are CTIDs for the copies of templates that a catalog comes to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.checkup.line import error, fine, listed, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.checkup.line import Line
    from phoenix_worker.core.model.cluster import ClusterView

_ABOUT = "Template copies"
_OTHERS = "Set PHOENIX_COPY_CTIDS of the workers to CTIDs that nothing else uses."


def judge_copy_ctids(catalog: Catalog, sure: Sequence[Declaration], view: ClusterView) -> Iterator[Line]:
    """Say what else has the CTIDs of copies, and whether enough are left for those that will surely be made.

    What is a copy is guessed by its name, as the cluster lists it; workers look at the markers.
    """
    ctids = catalog.copy_ctids
    if ctids is None:
        return
    names = {one.name for one in catalog.values() if one.is_template}
    there = (one for ctid, one in sorted(view.guests.items()) if ctid in ctids)
    others = [one.ctid for one in there if one.is_vm or (one.name and one.name not in names)]
    range_, left = f"PHOENIX_COPY_CTIDS ({ctids[0]}-{ctids[-1]})", len(ctids) - len(others)
    taken = f"{listed(others)} of {range_} are other guests" if others else f"{range_} are {len(ctids)}"
    if len(sure) > left:
        yield error(_ABOUT, f"{len(sure)} are to be made, and there are CTIDs for {left}: {taken}", _OTHERS)
    elif others:
        yield warning(_ABOUT, f"{taken}, which are left alone and passed over", _OTHERS)
    else:
        yield fine(_ABOUT, f"{len(sure)} are to be made at CTIDs of {range_}, beside those that placement may need")
