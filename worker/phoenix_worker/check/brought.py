"""Which copies of templates are migrated to a node on which they cannot be created, as workers would do it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_worker.core.checkup.copies import copying_paths
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.os_templates import file_name
from phoenix_worker.core.planned import moved_copies
from phoenix_worker.proxmox.offer_cache import Offering

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from phoenix_worker.catalog.declaration import Declaration
    from phoenix_worker.catalog.loading import Catalog
    from phoenix_worker.core.model.observation import Observation
    from phoenix_worker.proxmox.api import ProxmoxApi


class Brought:
    """Which copies are migrated to a node where they cannot be created for want of their OS template."""

    def __init__(self, api: ProxmoxApi, catalog: Catalog) -> None:
        self._api, self._catalog, self._offering = api, catalog, Offering(api)

    def among(self, lacking: Iterable[tuple[str, str]]) -> Iterator[Declaration]:
        """Return those that come to the nodes that lack an OS template, each a node and a volume."""
        for node, volume in lacking:
            for template in self._catalog.values():
                if template.is_template and template.os_template == volume and self._catalog.copy_ctids:
                    copy = self._catalog.copy(template.ctid, self._catalog.copy_ctids[0], node)
                    yield from [copy] if self.instead(copy) else []

    def instead(self, copy: Declaration) -> bool:
        """Return whether one is migrated instead of created. What cannot be looked at is not."""
        template, volume = self._catalog.get(copy.copy_of or 0), copy.os_template
        if template is None or template.node == copy.node or volume is None or copy.download is not None:
            return False
        if not is_nowhere(self._api, self._offering, copy.node, volume):
            return False
        try:
            return not self._objection(copy, self._api.observe_template(template.node or copy.node, template.ctid))
        except (PermanentError, TransientError):
            return False  # another line has that trouble

    def _objection(self, copy: Declaration, template: Observation) -> str:
        held = {path: self._api.privileges(path) for path in copying_paths([copy])}
        return (
            moved_copies.unfit(copy, template, ())
            or moved_copies.lacking(moved_copies.privileges(copy), held)
            or moved_copies.no_storage(template, copy.node, self._offering.on(copy.node).storages)
            or moved_copies.no_room(template, copy.node, self._api.cluster())
        )


def is_nowhere(api: ProxmoxApi, offering: Offering, node: str, volume: str) -> bool:
    """Return whether a node is known to have an OS template neither on its storage nor in Proxmox's index."""
    try:
        return not offering.has_os_template(node, volume) and file_name(volume) not in api.appliances(node)
    except (PermanentError, TransientError):
        return False  # another line has that trouble
