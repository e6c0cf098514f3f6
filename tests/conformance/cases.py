"""What must be true on every Proxmox, in this order: each case goes on from what those before have left."""

from __future__ import annotations

from typing import TYPE_CHECKING

from phoenix_producer import EnsureFailed, ProgressKind
from phoenix_worker.core.model.observation import Presence
from tests.conformance import cluster_cases, corner_cases
from tests.conformance.ground import PATIENCE, Ground, NotShownError
from tests.conformance.scenes import (
    DIRECT,
    FIRST,
    FOREIGN,
    LINKED,
    SECOND,
    TEMPLATE,
    THIRD,
    TO_BE,
    destroyed,
    make_without_us,
    refusal,
)

if TYPE_CHECKING:
    from collections.abc import Callable

KINDS_WITH_SNAPSHOTS = {"lvmthin", "rbd", "zfspool", "btrfs"}


def clones_of(ground: Ground, template: int) -> int:
    tasks = ground.door.recent_tasks(ground.target.node, template)
    return sum(task.kind == "vzclone" for task in tasks)


def a_plan_writes_nothing(ground: Ground) -> None:
    ctid = ground.declare(ground.ctid(FIRST), clone_from_ctid=ground.ctid(TEMPLATE))
    plan = ground.producer.plan(ctid).wait(PATIENCE)
    for line in plan.lines:
        ground.saw(line)
    assert plan.lines
    assert ground.look(ctid).presence is ground.look(ground.ctid(TEMPLATE)).presence is Presence.ABSENT


def a_container_is_made_from_a_template_that_is_built_on_the_way(ground: Ground) -> None:
    result = ground.ensure(ground.ctid(FIRST))
    assert (result.outcome, result.templates_built) == ("created", (ground.ctid(TEMPLATE),))
    made, template = ground.look(ground.ctid(FIRST)), ground.look(ground.ctid(TEMPLATE))
    assert made.running
    assert made.is_ours
    assert template.is_template
    ground.saw(f"{made.ctid}: {made.config['rootfs']}, {made.config['net0']}")


def what_is_right_is_left_alone(ground: Ground) -> None:
    ctid = ground.ctid(FIRST)
    before = ground.look(ctid)
    assert ground.ensure(ctid).outcome == "unchanged"
    assert ground.look(ctid).digest == before.digest


def notes_that_somebody_edited_stay_and_so_does_ours(ground: Ground) -> None:
    """Above our line, and with the line breaks of another editor."""
    seen = ground.look(ground.ctid(FIRST))
    assert seen.is_ours
    notes = f"Ask Ann before you stop it.\n\n{seen.config['description'].strip()}\n".replace("\n", "\r\n")
    ground.ask("PUT", f"nodes/{ground.target.node}/lxc/{seen.ctid}/config", description=notes)
    assert ground.look(seen.ctid).is_ours
    assert ground.ensure(seen.ctid).outcome == "unchanged"
    assert "Ask Ann" in ground.look(seen.ctid).config["description"]


def clones_of_one_template_queue(ground: Ground) -> None:
    for number in (SECOND, THIRD):
        ground.declare(ground.ctid(number), clone_from_ctid=ground.ctid(TEMPLATE))
    handles = [ground.producer.ensure(ground.ctid(number)) for number in (SECOND, THIRD)]
    assert [ground.told(handle.wait(PATIENCE)).outcome for handle in handles] == ["created", "created"]
    for handle in handles:
        refused = [one.detail for one in handle.progress(PATIENCE) if "locked (disk)" in one.detail]
        assert not refused, "Proxmox refused one while it made the other"


def what_changed_is_converged_and_disks_grow(ground: Ground) -> None:
    ctid = ground.declare(ground.ctid(FIRST), memory_mb=384, storage_size_gb=3)
    result = ground.ensure(ctid)
    for change in result.changes:
        ground.saw(change.words)
    assert result.outcome == "updated"
    seen = ground.look(ctid)
    assert (seen.config["memory"], seen.running) == ("384", True)
    assert "size=3G" in seen.config["rootfs"]
    assert ground.ensure(ctid).outcome == "unchanged"


def containers_are_stopped_and_started(ground: Ground) -> None:
    ctid = ground.ctid(FIRST)
    assert ground.ensure(ctid, state="stopped").outcome == "updated"
    assert not ground.look(ctid).running
    assert ground.ensure(ctid).outcome == "updated"
    assert ground.look(ctid).running


def a_container_is_made_from_the_os_template(ground: Ground) -> None:
    ctid = ground.declare_root(ground.ctid(DIRECT))
    assert ground.ensure(ctid).outcome == "created"
    assert ground.look(ctid).running
    assert ground.ensure(ctid).outcome == "unchanged"


def a_worker_that_is_killed_in_a_clone_is_carried_on(ground: Ground) -> None:
    ctid, template = ground.ctid(SECOND), ground.ctid(TEMPLATE)
    assert ground.told(ground.producer.destroy(ctid).wait(PATIENCE)).outcome == "destroyed"
    before = clones_of(ground, template)
    handle = ground.producer.ensure(ctid)
    for progress in handle.progress(PATIENCE):
        if progress.kind is ProgressKind.REMOTE_TASK:
            ground.worker.kill()
            ground.saw(f"killed while Proxmox ran {progress.upid}")
            break
    ground.start_worker()
    assert ground.told(handle.wait(PATIENCE)).outcome == "created"
    assert clones_of(ground, template) == before + 1, "nothing was cloned twice"


def a_template_that_linked_clones_hang_on_stays(ground: Ground) -> None:
    ctid, template = ground.ctid(LINKED), ground.ctid(TEMPLATE)
    ground.declare(ctid, clone_from_ctid=template, clone="linked")
    try:
        ground.ensure(ctid)
    except EnsureFailed as error:
        ground.withdraw(ctid)
        if error.failure.cause != "linked-clone-unavailable":
            raise
        raise NotShownError(f"{ground.target.storage} has no linked clones, and the error says so") from None
    ground.saw(ground.look(ctid).config["rootfs"])
    for refused in (ground.producer.destroy(template), ground.producer.rebuild(template)):
        assert str(ctid) in refusal(ground, refused).message
    assert ground.look(template).is_template
    destroyed(ground, ctid)


def what_is_not_ours_is_left_alone_until_it_is_adopted(ground: Ground) -> None:
    ctid = ground.declare_root(ground.ctid(FOREIGN))
    make_without_us(ground, ctid)
    before = ground.look(ctid)
    for handle in (ground.producer.ensure(ctid), ground.producer.destroy(ctid)):
        assert refusal(ground, handle).cause == "not-ours"
    assert ground.look(ctid).digest == before.digest
    assert ground.told(ground.producer.adopt(ctid).wait(PATIENCE)).outcome == "adopted"
    assert ground.look(ctid).is_ours
    assert ground.look(ctid).config["memory"] == "128", "adopting changes nothing else"
    assert ground.ensure(ctid).outcome == "updated"
    assert ground.look(ctid).config["memory"] == "256"


def a_template_to_be_loses_its_snapshots_and_is_sealed(ground: Ground) -> None:
    if ground.storage_type() not in KINDS_WITH_SNAPSHOTS:
        raise NotShownError(f"{ground.target.storage} has no snapshots")
    ctid = ground.declare_root(ground.ctid(TO_BE), is_template=True)
    make_without_us(ground, ctid)
    ground.end(ground.ask("POST", f"nodes/{ground.target.node}/lxc/{ctid}/snapshot", snapname="before"))
    assert ground.told(ground.producer.adopt(ctid).wait(PATIENCE)).outcome == "adopted"
    assert ground.look(ctid).is_template


def a_template_is_rebuilt(ground: Ground) -> None:
    template = ground.declare_root(ground.ctid(TEMPLATE), memory_mb=320)
    result = ground.told(ground.producer.rebuild(template).wait(PATIENCE))
    assert (result.outcome, result.templates_built) == ("rebuilt", (template,))
    seen = ground.look(template)
    assert (seen.is_template, seen.config["memory"]) == (True, "320")
    ground.withdraw(ground.ctid(THIRD))


def what_is_ours_is_destroyed(ground: Ground) -> None:
    for number in (FIRST, SECOND, DIRECT, FOREIGN, TEMPLATE):
        ctid = ground.ctid(number)
        assert ground.told(ground.producer.destroy(ctid).wait(PATIENCE)).outcome == "destroyed"
        assert ground.look(ctid).presence is Presence.ABSENT
        assert ground.producer.destroy(ctid).wait(PATIENCE).outcome == "unchanged"


CASES: tuple[Callable[[Ground], None], ...] = (
    a_plan_writes_nothing,
    a_container_is_made_from_a_template_that_is_built_on_the_way,
    what_is_right_is_left_alone,
    notes_that_somebody_edited_stay_and_so_does_ours,
    clones_of_one_template_queue,
    what_changed_is_converged_and_disks_grow,
    containers_are_stopped_and_started,
    corner_cases.what_is_protected_is_not_even_stopped,
    corner_cases.nobody_changes_the_case_of_a_tag,
    corner_cases.a_fast_failure_of_a_slow_kind_is_told_soon,
    corner_cases.a_volume_waits_for_a_stop_where_it_must,
    corner_cases.no_mount_hides_another,
    cluster_cases.what_was_moved_is_followed,
    cluster_cases.a_migration_meanwhile_is_waited_for,
    cluster_cases.storage_that_is_not_shared_is_told,
    a_container_is_made_from_the_os_template,
    corner_cases.a_restore_that_runs_is_waited_for,
    a_worker_that_is_killed_in_a_clone_is_carried_on,
    a_template_that_linked_clones_hang_on_stays,
    what_is_not_ours_is_left_alone_until_it_is_adopted,
    a_template_to_be_loses_its_snapshots_and_is_sealed,
    corner_cases.what_is_absent_can_be_made_with_a_grant_on_a_pool,
    a_template_is_rebuilt,
    corner_cases.a_template_is_rebuilt_before_those_that_are_cloned_from_it,
    what_is_ours_is_destroyed,
)
