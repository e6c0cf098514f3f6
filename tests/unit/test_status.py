"""What is said to exist at a CTID, by the verdict of the ownership table."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from phoenix_producer.standing import Exists
from phoenix_worker.answers.status import exists
from phoenix_worker.catalog.declaration import Role
from phoenix_worker.core.allowed.ownership import judge
from phoenix_worker.core.model.marker import Marker, Stage, write_marker
from phoenix_worker.core.model.observation import Observation, Presence
from tests.support.declared import DECLARED, seen

if TYPE_CHECKING:
    from phoenix_worker.catalog.declaration import Declaration

TEMPLATE = replace(DECLARED, role=Role.TEMPLATE)
MADE_AS_TEMPLATE = write_marker(Marker(103, "c1", Role.TEMPLATE, Stage.CONFIGURED, "h1"))
ONLY_MADE = write_marker(Marker(103, "c1", Role.CONTAINER, Stage.MADE, "h1"))
BASE = "local-lvm:base-103-disk-0,size=16G"


def elsewhere(presence: Presence) -> Observation:
    return Observation(103, "pve2", presence)


@pytest.mark.parametrize(
    ("declared", "shown", "expected"),
    [
        (DECLARED, elsewhere(Presence.ABSENT), Exists.ABSENT),
        (DECLARED, elsewhere(Presence.VM), Exists.NOT_OURS),
        (DECLARED, elsewhere(Presence.OTHER_NODE), Exists.NOT_OURS),
        (DECLARED, seen(), Exists.CONTAINER),
        (DECLARED, seen(lock="backup"), Exists.CONTAINER),
        (DECLARED, seen(description=None), Exists.CONTAINER),  # hostname and MAC are as declared
        (DECLARED, seen(description=None, hostname="theirs"), Exists.NOT_OURS),
        (DECLARED, seen(description=ONLY_MADE), Exists.HALF_MADE),
        (DECLARED, seen(lock="create"), Exists.HALF_MADE),
        (DECLARED, seen(lock="destroyed"), Exists.HALF_MADE),
        (DECLARED, seen(description=MADE_AS_TEMPLATE), Exists.CONTAINER),
        (DECLARED, seen(description=MADE_AS_TEMPLATE, template="1", rootfs=BASE), Exists.TEMPLATE),
        (TEMPLATE, seen(description=MADE_AS_TEMPLATE, template="1", rootfs=BASE), Exists.TEMPLATE),
        (TEMPLATE, seen(description=MADE_AS_TEMPLATE, template="1"), Exists.HALF_MADE),
        (TEMPLATE, seen(description=MADE_AS_TEMPLATE), Exists.HALF_MADE),
    ],
)
def test_marker_and_flag_say_what_exists(declared: Declaration, shown: Observation, expected: Exists) -> None:
    assert exists(declared, shown, judge(declared, shown)) is expected
