"""What `phoenix-lxc` shows and stops of a product at work."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from typer.testing import CliRunner

from phoenix_producer import Address, Exists
from phoenix_producer.cli.phoenix_lxc import app
from tests.acceptance.scenes import in_line, notes, stand, waits_for_task
from tests.acceptance.test_cancelling import FOR_EVER, is_told
from tests.support.product import OS_TEMPLATE, container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from typer.testing import Result

    from tests.support.product import Product

NOBODYS_ID = "5b0e2f0a-9a3e-4d6b-8a69-0d0c54a3c002"
COMMAND = Path(sys.executable).parent / "phoenix-lxc"


def cli(product: Product, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--redis-url", product.redis_url, *arguments])


def test_jobs_at_work_are_shown_and_one_is_cancelled_by_the_beginning_of_its_id(product: Product) -> None:
    product.declare({900: template(), 103: container(103), 104: container(104)})
    product.simulator.pve.ct_secs["create"] = FOR_EVER
    worker = product.start_worker()
    building = product.producer.ensure(103)
    create = waits_for_task(product, "vzcreate")
    waiting = product.producer.ensure(104)
    wait_for(lambda: in_line(product, "ct/900"))
    worker.kill()
    told = {job["id"]: job for job in json.loads(cli(product, "jobs", "--json").stdout)}
    assert (told[building.id]["state"], told[building.id]["step"]) == ("waiting", "create 900")
    assert told[building.id]["waits_for"]["what"] == create.upid
    assert told[waiting.id]["waits_for"]["owners"] == [{"job": building.id, "what": "ensure 103"}]
    lines = cli(product, "jobs").stdout
    assert f"Proxmox: create CT 900 on {NODE} from {OS_TEMPLATE} {create.upid}" in lines
    assert "its turn at template 900 (next): held by ensure 103" in lines
    locks = {lock["name"]: lock for lock in json.loads(cli(product, "locks", "--json").stdout)}
    assert {name: len(lock["queue"]) for name, lock in locks.items()} == {
        "ct/103": 0, "ct/104": 0, "ct/900": 1, f"node/{NODE}": 0,
    }  # fmt: skip
    story = cli(product, "jobs", "show", building.id).stdout
    assert "create 900 waits for Proxmox: create CT 900" in story
    product.start_worker("w2")
    cancelled = cli(product, "cancel", waiting.id[:13], NOBODYS_ID)
    assert cancelled.exit_code == 1, "one of the two was not stopped"
    assert cancelled.stderr.startswith(f"{NOBODYS_ID}  is unknown")
    assert cancelled.stdout == f"{waiting.id}  cancelled; its requester gets a failure with the cause cancelled\n"
    is_told(waiting)
    again = cli(product, "cancel", waiting.id)
    assert (again.exit_code, again.stdout) == (1, "")
    product.simulator.do(product.simulator.pve.hurry)
    assert building.wait(timeout=60).outcome == "created"
    ended = cli(product, "jobs", "show", waiting.id).stdout
    assert f"104  cancelled: Job {waiting.id} was cancelled." in ended


def test_an_ensure_that_is_cancelled_elsewhere_ends_with_clear_words(product: Product) -> None:
    product.simulator.pve.ct_secs["create"] = FOR_EVER
    product.start_worker()
    environ = {**os.environ, "PHOENIX_REDIS_URL": product.redis_url}
    with subprocess.Popen(
        [COMMAND, "ensure", "103"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environ
    ) as ensuring:
        waits_for_task(product, "vzcreate")
        (job,) = json.loads(cli(product, "jobs", "--json").stdout)
        assert cli(product, "cancel", job["id"][:8]).exit_code == 0
        shown, complaint = ensuring.communicate(timeout=60)
    assert ensuring.returncode == 1
    assert shown.splitlines()[-1].endswith("  103  cancelled")
    assert complaint.startswith(f"103  cancelled: Job {job['id']} was cancelled.\n")


def test_status_tells_the_fixed_address_of_a_container(product: Product) -> None:
    fixed = {"bridge": "vmbr0", "ip": "10.1.2.3/24", "gw": "10.1.2.1"}
    product.declare({900: template(), 103: container(103, network_config=fixed), 104: container(104)})
    product.start_worker()
    product.ensure(103)
    of_103, of_104 = product.producer.status([103, 104]).wait(timeout=60)
    assert of_103.addresses == (Address(interface="eth0", address="10.1.2.3", prefix=24),)
    assert of_104.addresses == (), "it does not exist yet"
    assert "10.1.2.3/24" in cli(product, "status", "103").stdout


def test_status_tells_what_stands_at_each_ctid(product: Product) -> None:
    ctids = (101, 103, 104, 105, 106, 107)
    of_901 = {901: template(901), 108: container(108, 901)}
    product.declare({900: template(), **{ctid: container(ctid) for ctid in ctids}, **of_901})
    product.start_worker()
    product.ensure(103)
    product.ensure(104)
    product.simulator.do(product.simulator.pve.ct(104).config.update, {"memory": "256", "lock": "backup"})
    stand(product, 105)
    stand(product, 106, description=notes(106, stage="made"))
    stand(product, 107, lock="create")
    stand(product, 901, description=notes(901, "template"))
    writes = len(product.writes())
    seen = {one.ctid: one for one in product.producer.status().wait(timeout=60)}
    assert len(product.writes()) == writes
    assert {ctid: one.exists for ctid, one in seen.items()} == {
        101: Exists.ABSENT,
        103: Exists.CONTAINER,
        104: Exists.CONTAINER,
        105: Exists.NOT_OURS,
        106: Exists.HALF_MADE,
        107: Exists.HALF_MADE,
        108: Exists.ABSENT,
        900: Exists.TEMPLATE,
        901: Exists.HALF_MADE,
    }
    assert {ctid for ctid, one in seen.items() if one.running} == {103, 104}
    assert (seen[103].differs, seen[103].lock, seen[103].node) == ((), None, NODE)
    assert (seen[104].differs, seen[104].lock) == (("memory",), "backup")
    assert "without a marker of phoenix-lxc" in seen[105].problem
    assert seen[107].lock == "create"
    lines = {line.split()[0]: line for line in cli(product, "status", "103", "104", "900").stdout.splitlines()[1:]}
    assert lines["103"].endswith("container, running")
    assert lines["104"].endswith("container, running  differs: memory; locked: backup")
    assert lines["900"].split()[2:] == ["template", NODE, "template"]
    refused = cli(product, "status", "555")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "Unable to look at CT 555: it is not in the catalog." in refused.stderr
