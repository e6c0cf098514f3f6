"""Whether something is an HA resource, where `…/status/current` calls it unmanaged."""

from __future__ import annotations

from typing import Any, cast

import pytest

from phoenix_worker.actions.forbidden import as_in_ha
from phoenix_worker.core.model.cluster import GuestPlace, view_of
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.ha import HaState
from phoenix_worker.core.model.observation import Observation, Presence
from phoenix_worker.proxmox.error_table import PERMISSION


class _Proxmox:
    def __init__(self, *, shown: bool, told: HaState | PermanentError) -> None:
        self._shown, self._told = shown, told

    def cluster(self, *, fresh: bool) -> Any:
        assert fresh
        return view_of({}, {103: GuestPlace(103, "pve1", in_ha=self._shown)})

    def ha_resource(self, ctid: int) -> HaState:
        assert (ctid, self._shown) == (103, True), "nothing is asked of what HA does not show"
        if isinstance(self._told, PermanentError):
            raise self._told
        return self._told


REFUSED = PermanentError("Permission check failed (/, Sys.Audit)", cause=PERMISSION, remedy="Grant it.")


@pytest.mark.parametrize(
    ("shown", "told", "is_one"),
    [
        (False, HaState(managed=True), False),
        (True, HaState(managed=True), True),
        (True, HaState(), False),
        (True, REFUSED, True),
    ],
)
def test_what_ha_shows_counts_where_the_resource_itself_is_there_or_cannot_be_asked_for(
    told: HaState | PermanentError, *, shown: bool, is_one: bool
) -> None:
    proxmox = cast("Any", _Proxmox(shown=shown, told=told))
    assert as_in_ha(proxmox, Observation(103, "pve1", Presence.HERE)).ha_managed is is_one
