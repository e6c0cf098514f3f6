"""Where a container stands, whatever the catalog says; names of nodes that there are not; what the nodes hold."""

from __future__ import annotations

from dataclasses import replace

import pytest

from phoenix_worker.core.model.cluster import GuestPlace, NodeState, view_of
from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.home import at_home, strangers_apart
from phoenix_worker.core.model.marker import write_marker
from phoenix_worker.core.model.nodes import refuse_unknown_node
from phoenix_worker.core.model.observation import Observation, Presence
from tests.support.declared import MARKER, MINIMAL

ANYWHERE = replace(MINIMAL, node="", nodes=("pve1", "pve2"))
THEIRS = Observation(103, "pve3", Presence.HERE, {"hostname": "theirs", "memory": "512"}, running=True)
OURS = replace(THEIRS, config={"description": write_marker(replace(MARKER, via=9155))})


def test_somebody_else_s_on_a_node_that_is_not_declared_is_elsewhere() -> None:
    apart = Observation(103, "pve3", Presence.OTHER_NODE, {"hostname": "theirs"})
    assert strangers_apart(ANYWHERE, THEIRS) == apart
    assert strangers_apart(ANYWHERE, OURS) == OURS
    assert strangers_apart(MINIMAL, THEIRS) == THEIRS, "it was looked for on its node alone"
    on_one = replace(THEIRS, node="pve2")
    assert strangers_apart(ANYWHERE, on_one) == on_one
    absent = Observation(103, "pve3", Presence.ABSENT)
    assert strangers_apart(ANYWHERE, absent) == absent


def test_what_is_ours_is_at_home_where_it_stands_and_knows_what_it_was_cloned_from() -> None:
    declared = replace(ANYWHERE, via=7)
    assert at_home(declared, OURS) == replace(declared.standing_on("pve3"), via=9155)
    assert at_home(declared, THEIRS) == declared.standing_on("pve3")
    copied = replace(THEIRS, config={"description": write_marker(replace(MARKER, ctid=104, via=9155))})
    assert at_home(declared, copied) == declared.standing_on("pve3")
    assert at_home(declared, replace(OURS, presence=Presence.OTHER_NODE)) == declared


@pytest.mark.parametrize(("name", "hint"), [("pve4", "Did you mean 'pve1'? "), ("x", "")])
def test_a_node_that_there_is_not_is_refused_with_those_that_there_are(name: str, hint: str) -> None:
    refuse_unknown_node("pve1", ["pve1"], "drain")
    with pytest.raises(PermanentError) as refused:
        refuse_unknown_node(name, ["other", "pve1"], "drain")
    assert refused.value.message == f"Unable to drain: the cluster has no node '{name}'."
    assert (refused.value.cause, refused.value.remedy) == ("no-such-node", f"{hint}Its nodes are: other, pve1.")


def test_a_failure_is_told_with_what_to_do() -> None:
    passing = TransientError("busy")
    assert (str(passing), passing.message, passing.cause, passing.remedy) == ("busy", "busy", "transient", "")
    lasting = PermanentError("no", cause="x", remedy="Do it.")
    assert (str(lasting), lasting.args) == ("no Do it.", ("no",))


def test_guests_are_added_up_also_on_nodes_that_are_not_seen() -> None:
    guests = [GuestPlace(101, "pve1", memory=5), GuestPlace(102, "pve9", memory=3), GuestPlace(103, "pve9")]
    view = view_of({name: NodeState(name) for name in ("pve1", "pve2")}, {one.ctid: one for one in guests})
    assert view.promised == {"pve1": 5, "pve2": 0, "pve9": 3}
    assert view.counts == {"pve1": 1, "pve2": 0, "pve9": 2}
    assert view.without_figures == (guests[2],)
