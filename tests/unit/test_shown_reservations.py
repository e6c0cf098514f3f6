"""Until when what was reserved for one counts: until Proxmox's figures have it."""

from __future__ import annotations

import pytest

from phoenix_worker.actions.place import _shows
from phoenix_worker.core.model.cluster import GuestPlace, view_of
from phoenix_worker.core.planned.placement import Reservation


@pytest.mark.parametrize(
    ("guest", "shown"),
    [
        (GuestPlace(900, "pve1", memory_used=1), True),
        (GuestPlace(900, "pve1"), False),
        (GuestPlace(900, "pve1", is_template=True), True),
        (GuestPlace(900, "pve2", is_template=True), False),
        (GuestPlace(901, "pve1", is_template=True), False),
    ],
)
def test_a_template_is_shown_as_soon_as_it_is_listed_as_one(guest: GuestPlace, *, shown: bool) -> None:
    assert _shows(Reservation(900, "pve1"), view_of({}, {guest.ctid: guest})) is shown
