"""What stays although nobody declares it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.catalog.declaration import Role, Volume
from phoenix_worker.catalog.host_parts import BindMount
from phoenix_worker.core.differs.undeclared import undeclared
from phoenix_worker.core.model.marker import Stage, write_marker
from tests.support.declared import DECLARED, FIREWALL, MARKER, NET0, seen

DATA = Volume("tank", 8, "/srv/data")
MP0 = "tank:subvol-103-disk-1,mp=/srv/data,size=8G"
TEMPLATE = replace(DECLARED, ctid=900, role=Role.TEMPLATE)
CHANGED = write_marker(replace(MARKER, declaration="h0"))
STAYS = ("CT 103 has a volume at /srv/data (mp0) that is not declared: it stays.",)


def test_a_volume_that_nobody_declares_is_told() -> None:
    assert undeclared(DECLARED, seen(mp0=MP0)) == STAYS
    assert undeclared(DECLARED, seen(mp0=MP0), [TEMPLATE]) == STAYS
    assert undeclared(replace(DECLARED, volumes=(DATA,)), seen(mp0=MP0)) == ()


def test_what_it_has_from_its_template_is_not() -> None:
    assert undeclared(DECLARED, seen(mp0=MP0), [TEMPLATE, replace(TEMPLATE, volumes=(DATA,))]) == ()
    made = write_marker(replace(MARKER, stage=Stage.MADE))
    assert undeclared(DECLARED, seen(mp0=MP0, net0=f"{NET0},firewall=1", description=made)) == ()


def test_a_bind_mount_is_no_volume() -> None:
    assert undeclared(DECLARED, seen(mp0="/tank/media,mp=/srv/data")) == ()
    mount = replace(DECLARED, bind_mounts=(BindMount("/tank/media", "/srv/data"),))
    assert undeclared(mount, seen(mp0=MP0)) == (), "that one needs a rebuild"


@pytest.mark.parametrize(
    ("net0", "notes", "told"),
    [
        (f"{NET0},firewall=1", CHANGED, True),
        (f"{NET0},firewall=1", None, True),
        (f"{NET0},firewall=1", write_marker(MARKER), False),
        (f"{NET0},firewall=0", CHANGED, False),
        (NET0, CHANGED, False),
    ],
)
def test_a_firewall_is_told_of_once_the_declaration_changed(net0: str, notes: str | None, *, told: bool) -> None:
    shown = seen(net0=net0, description=notes)
    assert any("the catalog declares no firewall for it" in line for line in undeclared(DECLARED, shown)) is told
    for declared, template in (
        (replace(DECLARED, firewall=FIREWALL), TEMPLATE),
        (DECLARED, replace(TEMPLATE, firewall=FIREWALL)),
    ):
        assert undeclared(declared, shown, [template]) == ()
