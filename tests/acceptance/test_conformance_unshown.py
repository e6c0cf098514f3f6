"""Cases of the conformance run that a node or a token cannot show say why, and pass for nothing."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance import cluster_cases, corner_cases
from tests.conformance.__main__ import tried
from tests.conformance.ground import Ground, standing_ground
from tests.conformance.report import CaseReport, Report
from tests.conformance.scenes import DIRECT, FIRST, TEMPLATE
from tests.conformance.target import SECRET_VARIABLE, target_of
from tests.integration.test_check import EVERYTHING
from tests.support.product import add_os_template
from tests.support.proxmox import NODE
from tests.support.strict_pve import SECRET, TOKEN_ID

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.proxmox import Simulator

GRANTED = ("/nodes", "/pool", "/storage", "/sdn/zones/localnetwork/vmbr0", "/vms")


@pytest.fixture
def ground(simulator: Simulator, tmp_path: Path) -> Iterator[Ground]:
    """A running container and a stopped one, and a token with no more than docs/proxmox-access.md gives it."""
    add_os_template(simulator)
    acl = {TOKEN_ID: [(path, set(EVERYTHING)) for path in GRANTED]}
    simulator.set(simulator.pve, acl=acl)
    place = {"pve": f"https://{simulator.host}", "token": TOKEN_ID, "ca": Path(simulator.ca_file)}
    place |= {"node": NODE, "nodes": None}
    what = {"storage": "local-lvm", "ctids": "9000-9020", "bridge": "vmbr0", "os_template": None}
    options = Namespace(**place, **what, secret_file=None, template_storage="local")
    with standing_ground(target_of(options, {SECRET_VARIABLE: SECRET}), tmp_path, lambda _: None) as running:
        running.declare(running.ctid(FIRST), clone_from_ctid=running.ctid(TEMPLATE))
        running.declare_root(running.ctid(DIRECT))
        for number in (FIRST, DIRECT):
            running.ensure(running.ctid(number))
        yield running
        assert running.clean_up() == ()


def test_what_a_node_or_a_token_cannot_show_says_why(ground: Ground, simulator: Simulator) -> None:
    pools = dict(simulator.pve.pools)
    for case, why in (
        (corner_cases.a_volume_waits_for_a_stop_where_it_must, "pve1 gives volumes to running containers"),
        (corner_cases.a_fast_failure_of_a_slow_kind_is_told_soon, "(/sdn/zones/localnetwork/conformance0, SDN.Use)"),
        (cluster_cases.what_was_moved_is_followed, "it takes a second node (--nodes)"),
        (corner_cases.a_restore_that_runs_is_waited_for, "(/vms/9004, VM.Backup)"),
        (corner_cases.what_is_absent_can_be_made_with_a_grant_on_a_pool, "User.Modify"),
    ):
        told = tried(case, ground)
        assert (told.verdict, why in told.seen[-1]) == ("not shown", True), told
    assert (simulator.pve.pools, list(simulator.pve.apitokens)) == (pools, [TOKEN_ID])


def test_what_was_not_shown_is_not_counted_as_well() -> None:
    verdicts = ("ok", "not shown", "FAILED", "ok")
    report = Report(cases=[CaseReport(verdict, verdict, 0.1, [], []) for verdict in verdicts])
    assert report.summary() == "2 of 4 went well, 1 could not be shown. Left behind: nothing."
    assert "| not shown | not shown | 0.1 |" in report.markdown()
