"""The lines of `phoenix-lxc check` about the nodes as such, whole."""

from __future__ import annotations

from typing import Any

import pytest

from phoenix_worker.core.checkup.cluster import NodeFacts, judge_node, judge_nodes, judge_quorum, judge_version
from phoenix_worker.core.checkup.line import Level, Line

OK, WARNING, ERROR = Level.OK, Level.WARNING, Level.ERROR


def test_versions_before_8_are_warned_of_and_a_lost_quorum_is_an_error() -> None:
    assert judge_version("8.4.1") == Line("Proxmox version", OK, "8.4.1")
    assert judge_version("9-1.2").level is OK
    assert judge_version("7.4-3") == Line(
        "Proxmox version",
        WARNING,
        "7.4-3; phoenix-lxc is tested with 8 and 9",
        "Try on a container that you can spare.",
    )
    assert judge_quorum(quorate=True) == Line("Proxmox quorum", OK, "the cluster has quorum")
    assert judge_quorum(quorate=False) == Line(
        "Proxmox quorum",
        ERROR,
        "lost: nothing can be created or changed",
        "Start or reconnect nodes of the cluster until `pvecm status` shows `Quorate: Yes`.",
    )


def test_nodes_that_the_catalog_names() -> None:
    online = {"pve2": False, "pve1": True}
    (far,) = judge_nodes({"atlas": [101]}, online)
    assert far.remedy == "Correct `node` in the catalog, or PHOENIX_NODE. There are: pve1, pve2."
    assert list(judge_nodes({"pve9": [101], "pve1": [102, 103], "pve2": [104, 105]}, online)) == [
        Line("Node pve1", OK, "online; used by 2 catalog entries"),
        Line("Node pve2", ERROR, "is not online, and the catalog wants 104, 105 there", "Start the node."),
        Line(
            "Node pve9",
            ERROR,
            "the cluster has none of this name, and the catalog wants 101 there",
            "Correct `node` in the catalog, or PHOENIX_NODE. There are: pve1, pve2. Did you mean pve2?",
        ),
    ]


@pytest.mark.parametrize(
    ("facts", "line"),
    [
        ({"clock_ahead_s": 4.0}, Line("Clock of pve1", OK, "differs by 4 s from this machine's")),
        ({"clock_ahead_s": -4.0}, Line("Clock of pve1", OK, "differs by 4 s from this machine's")),
        (
            {"clock_ahead_s": 9.0},
            Line(
                "Clock of pve1",
                WARNING,
                "is 9 s ahead of this machine's: by a wrong one, certificates seem expired or not yet valid",
                "Synchronize both clocks: timedatectl set-ntp true",
            ),
        ),
        (
            {"clock_ahead_s": -9.0},
            Line(
                "Clock of pve1",
                WARNING,
                "is 9 s behind this machine's: by a wrong one, certificates seem expired or not yet valid",
                "Synchronize both clocks: timedatectl set-ntp true",
            ),
        ),
        ({"certificate_days": 15.0}, Line("Certificate of pve1", OK, "ends in 15 days")),
        (
            {"certificate_days": 14.0},
            Line(
                "Certificate of pve1",
                WARNING,
                "ends in 14 days",
                "On the node: pvecm updatecerts --force && systemctl reload pveproxy",
            ),
        ),
    ],
)
def test_its_clock_and_its_certificate(facts: dict[str, Any], line: Line) -> None:
    assert list(judge_node(NodeFacts("pve1", **facts), {}, {}, frozenset())) == [line]
    assert list(judge_node(NodeFacts("pve1"), {}, {}, frozenset())) == [], "the token may not ask"
