"""Scripts in containers, as their owner sees them: real SSH, real processes, a Proxmox that is told the same state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from phoenix_producer import ProgressKind
from tests.acceptance.scenes import before, done, failure_of, refused
from tests.support.product import container, example, template
from tests.support.ssh_node import SshNode, ssh_node
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from tests.support.product import Product

__all__ = ["ssh_node"]

LEAVES_A_FILE = """#!/bin/sh
set -e
echo "setting up $CT_NAME"
mkdir -p etc
echo "$CTID $CT_NAME $(grep -c nvidia_driver_version "$CT_CONFIG")" >"etc/$(basename "$0").$CTID"
env >"etc/environment.$CTID"
cp "$CT_CONFIG" "etc/config.$CTID"
echo done
"""
WAITS = """#!/bin/sh
echo "begun $$" >>begun
echo one
while [ ! -e go ]; do sleep 0.1; done
echo two
echo "ended $$" >>begun
"""


def write_scripts(product: Product, **scripts: str) -> None:
    folder = product.catalog.parent / "features"
    folder.mkdir(exist_ok=True)
    for name, text in scripts.items():
        (folder / f"{name}.sh").write_text(text)


def declare(product: Product, *, globals_: dict[str, Any] | None = None, **entries: dict[str, Any]) -> None:
    configs = {name.removeprefix("ct"): entry for name, entry in entries.items()}
    product.catalog.write_text(json.dumps({**(globals_ or {}), "lxc_configs": configs}))


def with_features(ctid: int, *features: str, **more: Any) -> dict[str, Any]:
    return container(ctid, features=list(features), **more)


def begun(root: Path) -> list[str]:
    """What the waiting script did so far."""
    return (root / "begun").read_text().splitlines() if (root / "begun").exists() else []


def marker_of(product: Product, ctid: int) -> str:
    return product.config(ctid)["description"].rpartition("phoenix-lxc:")[2]


def test_templates_are_built_with_their_scripts_and_clones_have_what_they_left(
    product: Product, ssh_node: SshNode
) -> None:
    product.catalog.write_text(json.dumps(example(inside=True)))
    write_scripts(product, base_setup=LEAVES_A_FILE, nvidia=LEAVES_A_FILE)
    product.start_worker(**ssh_node.environ())
    result = product.ensure(801)
    assert done(result) == [
        ("create", 900),
        ("start", 900),
        ("provision", 900),
        ("stop", 900),
        ("seal", 900),
        ("clone", 901),
        ("configure", 901),
        ("start", 901),
        ("provision", 901),
        ("stop", 901),
        ("seal", 901),
        ("clone", 801),
        ("configure", 801),
        ("start", 801),
    ]
    assert result.not_applied == ()
    assert result.templates_not_applied == {}
    etc = ssh_node.root(801) / "etc"
    assert sorted(path.name for path in etc.iterdir() if path.name.startswith("script")) == ["script.900", "script.901"]
    assert (etc / "script.900").read_text() == "900 Copy-Base 1\n"
    given = json.loads((etc / "config.901").read_text())
    assert given["clone_from_ctid"] == "900"
    assert given["nvidia_driver_version"] == "580.76.05"
    assert given["template"]["name"] == "Copy-Base"
    assert given["lxc_configs"]["901"]["features"] == ["nvidia"]
    assert "PHOENIX" not in (etc / "environment.900").read_text(), "nothing of the worker's environment"
    assert "scripts=base_setup:" in marker_of(product, 900)

    healthy = product.ensure(103)
    assert done(healthy)[-2:] == [("start", 103), ("provision", 103)]
    assert (ssh_node.root(103) / "etc" / "script.103").exists()
    assert "verified=" in marker_of(product, 103)
    commands, writes = len(ssh_node.commands), len(product.writes())
    for ctid in (801, 103, 900):
        assert product.ensure(ctid).outcome == "unchanged"
    assert (len(ssh_node.commands), len(product.writes())) == (commands, writes), "what ran is not run again"


def test_a_script_goes_on_without_its_worker_and_its_connection_and_is_started_once(
    product: Product, ssh_node: SshNode
) -> None:
    declare(product, ct900=template(), ct100=with_features(100, "waits", "after"))
    write_scripts(product, waits=WAITS, after=LEAVES_A_FILE)
    worker = product.start_worker(**ssh_node.environ())
    handle = product.producer.ensure(100)
    wait_for(lambda: product.status(100) == "running")
    root = ssh_node.root(100)
    wait_for(lambda: begun(root))
    ssh_node.cut()
    worker.kill()
    product.start_worker("w2", **ssh_node.environ())
    looks = len(ssh_node.commands)
    wait_for(lambda: len(ssh_node.commands) > looks + 1)
    ssh_node.cut()
    (root / "go").touch()
    result = handle.wait(timeout=60)
    assert result.outcome == "created"
    assert [line.split()[0] for line in begun(root)] == ["begun", "ended"]
    assert (root / "etc" / "script.100").exists(), "the next one ran too"
    said = [event.detail for event in handle.progress() if event.kind is ProgressKind.OUTPUT]
    assert "\n".join(said).splitlines()[:2] == ["one", "two"]


def test_a_script_that_fails_is_told_with_its_last_words_and_run_anew(product: Product, ssh_node: SshNode) -> None:
    declare(product, ct900=template(), ct100=with_features(100, "first", "second"))
    write_scripts(product, first=LEAVES_A_FILE, second="#!/bin/sh\necho tried >>tries\necho no such package\nexit 7\n")
    product.start_worker(**ssh_node.environ())
    failure = refused(product, 100)
    assert failure.cause == "script-failed"
    assert "features/second.sh ended with exit code 7" in failure.message
    assert failure.message.endswith("\n  no such package")
    assert "features/second.sh" in product.producer.plan(100).wait(timeout=60).lines[0]
    root = ssh_node.root(100)
    assert len((root / "tries").read_text().splitlines()) == 1
    first = (root / "etc" / "script.100").stat().st_mtime_ns
    write_scripts(product, second="#!/opt/none -u\n")
    missing = refused(product, 100)
    assert "features/second.sh ended with exit code 127" in missing.message
    assert missing.remedy.startswith("See that the container has /opt/none -u, which its first line names,")
    write_scripts(product, second="#!/bin/sh\necho well >>tries\n")
    assert done(product.ensure(100)) == [("configure", 100), ("provision", 100)]
    assert (root / "tries").read_text() == "tried\nwell\n"
    assert (root / "etc" / "script.100").stat().st_mtime_ns == first, "the first one is not run again"


def test_a_script_is_run_again_when_it_changed_or_that_is_wanted(product: Product, ssh_node: SshNode) -> None:
    declare(product, ct900=template(), ct100=with_features(100, "counts"))
    write_scripts(product, counts="#!/bin/sh\necho first >>count\n")
    product.start_worker(**ssh_node.environ())
    product.ensure(100)
    root = ssh_node.root(100)
    assert product.ensure(100, rerun=["counts"]).outcome == "updated"
    write_scripts(product, counts="#!/bin/sh\necho changed >>count\n")
    assert product.ensure(100, dry_run=True).plan[-2].endswith("provision CT 100 on pve1: features/counts.sh")
    product.ensure(100)
    assert (root / "count").read_text() == "first\nfirst\nchanged\n"
    assert refused(product, 100, rerun=["nothing"]).cause == "no-such-script"
    assert refused(product, 900, rerun=["counts"]).cause == "no-such-script"


def test_a_script_that_takes_too_long_is_ended_with_its_children(product: Product, ssh_node: SshNode) -> None:
    declare(product, ct900=template(), ct100=with_features(100, "long", script_timeouts={"long": 2}))
    write_scripts(product, long="#!/bin/sh\necho waiting\nsleep 600 & echo $! >child\nwait\n")
    product.start_worker(**ssh_node.environ())
    failure = refused(product, 100)
    assert failure.cause == "script-timeout"
    assert "took longer than 2 s" in failure.message
    assert failure.message.endswith("\n  waiting")
    wait_for(lambda: _is_gone((ssh_node.root(100) / "child").read_text()))


def test_a_cancelled_job_ends_its_script(product: Product, ssh_node: SshNode) -> None:
    declare(product, ct900=template(), ct100=with_features(100, "long"))
    write_scripts(product, long="#!/bin/sh\nsleep 600 & echo $! >child\nwait\n")
    product.start_worker(**ssh_node.environ())
    handle = product.producer.ensure(100)
    wait_for(lambda: product.status(100) == "running")
    child = ssh_node.root(100) / "child"
    wait_for(lambda: child.exists() and child.read_text().strip())
    handle.cancel().wait(timeout=60)
    assert failure_of(handle).cause == "cancelled"
    wait_for(lambda: _is_gone(child.read_text()))


def test_a_container_that_restarts_under_its_script(product: Product, ssh_node: SshNode) -> None:
    declare(product, ct900=template(), ct100=with_features(100, "waits"))
    write_scripts(product, waits=WAITS)
    product.start_worker(**ssh_node.environ())
    handle = product.producer.ensure(100)
    wait_for(lambda: product.status(100) == "running")
    root = ssh_node.root(100)
    wait_for(lambda: begun(root))
    ssh_node.stop_containers_processes(100)
    assert failure_of(handle).cause == "script-lost"
    (root / "go").touch()
    assert done(product.ensure(100)) == [("provision", 100)], "the next request runs it anew"


def test_a_missing_script_is_refused_before_anything_is_made(product: Product, ssh_node: SshNode) -> None:
    declare(product, ct900=template(features=["gone"]), ct100=container(100))
    product.start_worker(**ssh_node.environ())
    failure = refused(product, 100)
    assert failure.cause == "script-missing"
    assert "features/gone.sh not found" in failure.message
    assert product.writes() == []


def test_health_checks_and_snapshots(product: Product, ssh_node: SshNode) -> None:
    check = {"command": "test -e well || { echo still ill; false; }", "retries": 2, "interval": 0}
    declare(
        product,
        ct900=template(),
        ct100=with_features(100, "first", health_check=check, enable_lifecycle_snapshots=True),
    )
    write_scripts(product, first=LEAVES_A_FILE)
    product.start_worker(**ssh_node.environ())
    failure = refused(product, 100)
    assert failure.cause == "not-well"
    assert failure.message.endswith("\n  still ill")
    assert list(product.simulator.pve.ct(100).snapshots) == ["pre-configured"]
    assert product.producer.plan(100).wait(timeout=60).lines[0].startswith("verify CT 100")
    (ssh_node.root(100) / "well").touch()
    assert product.ensure(100).outcome == "updated"
    assert list(product.simulator.pve.ct(100).snapshots) == ["pre-configured", "final-form"]
    assert product.ensure(100).outcome == "unchanged"
    assert len(product.simulator.intervals("vzsnapshot")) == 2


def test_a_storage_without_snapshots_is_told(product: Product, ssh_node: SshNode) -> None:
    declare(product, ct900=template(), ct100=with_features(100, "first", enable_lifecycle_snapshots=True))
    write_scripts(product, first=LEAVES_A_FILE)
    product.simulator.pve.task_failures["vzsnapshot"] += ["snapshot feature is not available"] * 2
    product.start_worker(**ssh_node.environ())
    result = product.ensure(100)
    assert [warning for warning in result.warnings if "pre-configured" in warning]
    assert [warning for warning in result.warnings if "final-form" in warning]
    assert product.ensure(100).outcome == "unchanged"


def test_bind_mounts_are_named_where_they_prevent_a_snapshot(product: Product, ssh_node: SshNode) -> None:
    declare(product, ct900=template(), ct100=with_features(100, "first", enable_lifecycle_snapshots=True))
    write_scripts(product, first=LEAVES_A_FILE)
    product.start_worker(**ssh_node.environ())
    mounts = {"mp3": "/tank/data,mp=/srv", "mp4": "/tank/more,mp=/opt/"}
    before(product, "POST", "/100/snapshot", lambda: product.simulator.pve.ct(100).config.update(mounts))
    obstacle = "Proxmox takes none of a container with bind mounts (/srv, /opt)."
    assert [warning for warning in product.ensure(100).warnings if "snapshot" in warning] == [
        f"CT 100 has no snapshot {name}: {obstacle}" for name in ("pre-configured", "final-form")
    ]


def test_without_the_door_what_needs_it_is_refused_and_accepted_on_request(product: Product) -> None:
    declare(product, ct900=template(features=["base"]), ct100=container(100), ct101=with_features(101, "base"))
    write_scripts(product, base=LEAVES_A_FILE)
    product.start_worker()
    own, template_s = refused(product, 101), refused(product, 100)
    assert "CT 101 on pve1: features needs shell access to the node" in own.message
    assert "CT 900 on pve1: features needs shell access to the node" in template_s.message
    assert product.writes() == []
    result = product.ensure(101, accept_not_applied=True)
    assert [line.partition(":")[0] for line in result.not_applied] == ["features"]
    assert list(result.templates_not_applied) == [900]
    assert product.ensure(100).outcome == "created", "it needs no shell, and its template is there"


def _is_gone(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid.strip()}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_scripts_on_the_node_are_run_there_with_the_ctid(product: Product, ssh_node: SshNode, tmp_path: Path) -> None:
    declare(product, ct900=template(features=["base"]), ct100=with_features(100, "base"))
    script = tmp_path / "install_base.sh"
    script.write_text(f'#!/bin/sh\necho "$1 $CTID $CT_NAME" >>{tmp_path}/ran\npct exec "$1" -- touch from-the-node\n')
    script.chmod(0o755)
    product.start_worker(**ssh_node.environ(PHOENIX_SCRIPTS=f"{tmp_path}/install_{{feature}}.sh"))
    assert product.ensure(100).templates_built == (900,)
    assert (tmp_path / "ran").read_text() == "900 900 ct900\n100 100 ct100\n"
    assert (ssh_node.root(100) / "from-the-node").exists()
    assert product.ensure(100).outcome == "unchanged"
    script.write_text(f"#!/bin/sh\necho changed >>{tmp_path}/ran\n")
    assert done(product.ensure(100)) == [("provision", 100)]
    script.write_text('#!/bin/sh\necho "# more" >>"$0"\n')
    failure = refused(product, 100)
    assert failure.cause == "script-changed"
    assert f"{script} was changed on pve1" in failure.message
    assert product.producer.plan(100).wait(timeout=60).lines, "it has not run"
    script.unlink()
    assert refused(product, 100).cause == "script-missing"
    assert product.producer.destroy(100).wait(timeout=60).outcome == "destroyed", "that needs no script"


def test_scripts_on_the_node_run_again_for_a_container_that_is_made_again(
    product: Product, ssh_node: SshNode, tmp_path: Path
) -> None:
    """Whoever destroyed the earlier one. What ours left on the node goes with it."""
    product.simulator.add_template(900)
    declare(product, ct900=template(), ct100=with_features(100, "base"))
    script = tmp_path / "install_base.sh"
    script.write_text(f"#!/bin/sh\necho ran >>{tmp_path}/ran\n")
    script.chmod(0o755)
    product.start_worker(**ssh_node.environ(PHOENIX_SCRIPTS=f"{tmp_path}/install_{{feature}}.sh"))
    assert product.ensure(100).outcome == "created"
    product.simulator.do(lambda: product.simulator.pve._drop(product.simulator.pve.ct(100)))
    assert ("provision", 100) in done(product.ensure(100))
    assert (tmp_path / "ran").read_text() == "ran\n" * 2
    home = Path(f"{ssh_node._directory}/var/lib/phoenix-lxc/100")
    assert len(list(home.glob("*/base/*"))) == 2, "a run belongs to a creation"
    assert product.producer.destroy(100).wait(timeout=60).outcome == "destroyed"
    assert not home.exists()
    assert ("provision", 100) in done(product.ensure(100))
    assert (tmp_path / "ran").read_text() == "ran\n" * 3


def test_a_rebuilt_template_has_what_its_scripts_are_now(product: Product, ssh_node: SshNode) -> None:
    declare(product, ct900=template(features=["base"]), ct100=container(100))
    write_scripts(product, base="#!/bin/sh\necho old >made\n")
    product.start_worker(**ssh_node.environ(PHOENIX_SCRATCH_CTIDS="9000-9099"))
    product.ensure(900)
    write_scripts(product, base='#!/bin/sh\ngrep -c "\\"$CTID\\"" "$CT_CONFIG" >made\n')
    told = " ".join(product.producer.plan(100).wait(timeout=60).warnings)
    assert "its script base has changed since" in told
    result = product.producer.rebuild(900).wait(timeout=60)
    assert [step for step in done(result) if step[0] == "provision"] == [("provision", 9000)]
    assert (ssh_node.root(900) / "made").read_text() == "1\n"
    made = product.ensure(100)
    assert (made.outcome, made.templates_built, made.warnings) == ("created", (), ())
