"""What `phoenix-lxc check` warns of fails later: when a worker dies, a certificate ends, or the quorum is lost."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_producer import EnsureFailed, Producer
from tests.acceptance.faults import refusing_connections
from tests.acceptance.scenes import failure_of, notes, refused, stand
from tests.crash.outages import Wire
from tests.integration.test_check import EVERYTHING, found, grant, lines, prepared
from tests.support.certificates import certificate
from tests.support.cli import invoke
from tests.support.product import container, template
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.product import Product

__all__ = ["prepared"]
pytestmark = pytest.mark.long

A_DAY = 86_400
NOBODY = 65534


def test_by_a_clock_that_is_behind_a_certificate_is_not_valid_yet(prepared: Product, tmp_path: Path) -> None:
    """Whose clock is wrong cannot be told; the one that looks at the certificate is the worker's."""
    prepared.simulator.set(prepared.simulator.pve, clock_ahead=A_DAY)
    text, _ = found("warning", f"Clock of {NODE}", 0)
    assert "by a wrong one, certificates seem expired or not yet valid" in text
    tomorrow = certificate(tmp_path, starts=1)
    tomorrow.with_suffix(".key").write_bytes(tomorrow.read_bytes())
    prepared.start_worker(PHOENIX_PROXMOX_CA_FILE=str(tomorrow))
    with refusing_connections(prepared, str(tomorrow)):
        failure = refused(prepared, 103)
    assert (failure.cause, "certificate is not yet valid" in failure.message) == ("tls", True)


def test_without_its_renewal_a_certificate_ends_and_nothing_is_asked_any_more(
    prepared: Product, tmp_path: Path
) -> None:
    prepared.simulator.set(prepared.simulator.pve, certificate_days=3)
    found("warning", f"Certificate of {NODE}", 0)
    expired = certificate(tmp_path, starts=-30, ends=-1)
    expired.with_suffix(".key").write_bytes(expired.read_bytes())
    prepared.start_worker(PHOENIX_PROXMOX_CA_FILE=str(expired))
    with refusing_connections(prepared, str(expired)):
        failure = refused(prepared, 103)
    assert (failure.cause, "certificate has expired" in failure.message) == ("tls", True)


def test_a_token_that_may_not_ask_for_the_quorum_destroys_without_it(prepared: Product) -> None:
    tops = ("/vms", "/nodes", "/storage", "/sdn")
    prepared.start_worker(PHOENIX_PATIENCE="0.1")
    assert prepared.ensure(103).outcome == "created"
    prepared.simulator.do(grant(), prepared.simulator.pve)
    ((token, _),) = prepared.simulator.pve.acl.items()
    prepared.simulator.set(prepared.simulator.pve, acl={token: [(top, EVERYTHING - {"VM.Migrate"}) for top in tops]})
    text, _ = found("warning", "Proxmox quorum", 0)
    assert "delete and convert containers without checking it" in text
    prepared.simulator.do(prepared.simulator.pve.lose_quorum)
    failure_of(prepared.producer.destroy(103))
    assert set(prepared.simulator.pve.harmed) == {103}


def test_a_token_that_may_not_see_disks_sees_no_linked_clones(prepared: Product) -> None:
    entry = template(storage_pool="local-zfs")
    prepared.declare({900: entry})
    prepared.simulator.add_template(900, storage="local-zfs", description=notes(900, "template"))
    stand(prepared, 777, rootfs="local-zfs:base-900-disk-0/vm-777-disk-0,size=8G")
    prepared.start_worker()
    assert "CT 777" in failure_of(prepared.producer.destroy(900)).message
    prepared.simulator.do(grant(*(EVERYTHING - {"Datastore.Audit"})), prepared.simulator.pve)
    assert "Datastore.Audit on /storage/local" in _lacking()
    assert "777" not in failure_of(prepared.producer.destroy(900)).message, "Proxmox alone keeps it"


def test_of_a_pool_that_the_token_may_not_see_nobody_knows_its_members(prepared: Product) -> None:
    prepared.declare({900: template(), 103: container(103, pool="prod")})
    stand(prepared, 103, description=notes(103))
    prepared.simulator.set(prepared.simulator.pve, pools={"prod": set(), "other": {103}})
    prepared.simulator.set(prepared.simulator.pve.ct(103), pool="other")
    prepared.start_worker()
    assert "pool other → prod" in _plan(prepared)
    prepared.simulator.do(grant(*(EVERYTHING - {"Pool.Audit"})), prepared.simulator.pve)
    assert "Pool.Audit on /pool/prod" in _lacking()
    assert "pool unset → prod" in _plan(prepared)


def _plan(product: Product) -> str:
    return " ".join(product.producer.plan(103).wait(timeout=60).lines)


def _lacking() -> str:
    (text,) = [line["text"] for line in lines(1) if line["about"] == "Proxmox privileges"]
    return text


def test_without_a_worker_or_with_one_that_hangs_requests_wait(
    prepared: Product, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PHOENIX_HEARTBEAT_TTL", "60")  # a heartbeat counts for that long
    found("warning", "Workers", 0)
    first = prepared.producer.ensure(103)
    with pytest.raises(TimeoutError):
        first.wait(timeout=0.5)
    worker = prepared.start_worker(PHOENIX_HEARTBEAT_TTL="60")
    assert first.wait(timeout=60).outcome == "created"
    with worker.stopped():
        text, _ = found("warning", "Workers", 0)
        assert text == "1 workers send a heartbeat, and only 0 answer"
        second = prepared.producer.ensure(103)
        with pytest.raises(TimeoutError):
            second.wait(timeout=0.5)
    assert second.wait(timeout=60).outcome == "unchanged"


def test_workers_with_another_catalog_do_another_thing(
    prepared: Product, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    worker = prepared.start_worker()
    theirs, here = prepared.catalog, tmp_path / "here.json"
    prepared.declare({900: template(), 103: container(103), 104: container(104)})
    here.write_text(theirs.read_text())
    prepared.declare({900: template(), 103: container(103)})
    monkeypatch.setenv("PHOENIX_CATALOG", str(here))
    assert found("warning", "Catalog of the workers", 0)[0] == "it differs from the one here"
    assert refused(prepared, 104).cause == "not-declared"
    prepared.start_worker("w2", PHOENIX_CATALOG=str(here))
    text, remedy = found("error", "Catalog of the workers")
    assert text.startswith("they use 2 different ones")
    assert remedy == "Give all workers the same file (PHOENIX_CATALOG)."
    wait_for(lambda: _outcome(prepared, 104) in {"not-declared", "catalog-changed"})
    worker.term()
    worker.wait()
    prepared.start_worker("w3", PHOENIX_CATALOG=str(here))
    wait_for(lambda: not [line for line in lines_of_now() if line["about"] == "Catalog of the workers"])
    assert prepared.ensure(104).outcome == "created"


def lines_of_now() -> list[dict[str, str]]:
    """What `check` has to say, whatever its exit code."""
    report = json.loads(invoke("check", "--json").stdout)
    return [line for line in report["lines"] if line["level"] != "ok"]


def _outcome(product: Product, ctid: int) -> str:
    try:
        return str(product.ensure(ctid).outcome)
    except EnsureFailed as failed:
        return failed.failure.cause


def test_on_an_unencrypted_line_requests_are_read_and_without_a_password_made_by_anybody(
    prepared: Product,
) -> None:
    """`check` sees both only where Redis is on another machine: `unit/test_checkup_redis.py`."""
    heard: list[bytes] = []
    wire = Wire(int(prepared.redis_url.rpartition(":")[2].partition("/")[0]))
    passing = wire._pass_on

    def listening(end: Any) -> None:
        heard.append(end.recv(65536, 2))  # MSG_PEEK
        passing(end)

    wire._pass_on = listening  # type: ignore[method-assign]  # heard besides
    prepared.start_worker()
    try:
        with Producer(wire.url, requester="anybody") as anybody:
            assert anybody.ensure(103).wait(timeout=60).outcome == "created"
    finally:
        wire.close()
    assert b"phoenix.ensure" in b"".join(heard)


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become somebody else")
def test_everybody_reads_a_secret_in_a_file_that_everybody_may_read(prepared: Product, tmp_path: Path) -> None:
    assert prepared.catalog
    env_file = tmp_path / ".env"
    env_file.write_text("PHOENIX_WEBHOOK_SECRET=a-secret\nPHOENIX_WEBHOOK_URL=https://127.0.0.1/\n")
    for mode, warned in ((0o644, True), (0o640, False)):
        env_file.chmod(mode)
        tmp_path.chmod(0o755)
        assert any(line["about"] == "Settings" for line in lines(0)) is warned
        folder = os.open(tmp_path, os.O_RDONLY)  # those above it are closed to others
        nobody = f"os.setgroups([]); os.setgid({NOBODY}); os.setuid({NOBODY})"
        read = ["python3", "-c", f"import os; os.fchdir({folder}); {nobody}; print(open('.env').read())"]
        done = subprocess.run(read, pass_fds=[folder], capture_output=True, check=False)
        os.close(folder)
        assert (b"a-secret" in done.stdout) is warned, done.stderr
