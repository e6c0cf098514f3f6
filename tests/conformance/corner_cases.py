"""What went wrong once on a real Proxmox around the usual path. `cases.CASES` has their order."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from phoenix_producer import EnsureFailed
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.core.model.observation import Presence
from phoenix_worker.proxmox.api import ProxmoxApi
from phoenix_worker.proxmox.error_table import PERMISSION
from tests.conformance.by_others import (
    backed_up,
    backup_storage,
    configured,
    join,
    pool_and_its_token,
    restore_over,
)
from tests.conformance.ground import PATIENCE, PREFIX, Ground, NotShownError
from tests.conformance.scenes import DIRECT, FIRST, SPARE, TEMPLATE, THIRD, destroyed, refusal
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from phoenix_producer import Handle
    from phoenix_producer.contract import EnsureResult

RESTORE_SECONDS = 4
SLOW = 120
"""Seconds that the worker thinks a start takes."""
NO_BRIDGE = f"{PREFIX.rstrip('-')}0"


def mounts(ground: Ground, ctid: int) -> dict[str, int]:
    """The numbers of a container's mounts, by their paths."""
    found = {}
    for key, value in ground.look(ctid).config.items():
        if key.startswith("mp"):
            path = next(part for part in value.split(",") if part.startswith("mp="))
            found[path.removeprefix("mp=")] = int(key.removeprefix("mp"))
    return found


def volumes(ground: Ground, *paths: str) -> list[dict[str, str | int]]:
    return [{"pool": ground.target.storage, "size_gb": 1, "mount_point": path} for path in paths]


def what_is_protected_is_not_even_stopped(ground: Ground) -> None:
    ctid = ground.ctid(FIRST)
    with configured(ground, ctid, protection=1):
        assert refusal(ground, ground.producer.destroy(ctid)).cause == "protected"
        assert ground.look(ctid).running


def nobody_changes_the_case_of_a_tag(ground: Ground) -> None:
    ctid = ground.ctid(THIRD)
    path = f"nodes/{ground.target.node}/lxc/{ctid}/config"
    ground.ask_if_allowed("PUT", path, tags="Theirs;phoenix;theirs")
    theirs = ground.look(ctid).config["tags"]
    kept = "Theirs" in theirs
    ground.saw(f"the datacenter made {theirs} of Theirs;phoenix;theirs")
    ground.declare(ctid, memory_mb=320)
    assert ground.ensure(ctid).outcome == "updated"
    assert ground.look(ctid).config["tags"] == theirs
    ground.declare(ctid, tags=["Prod", "Web"])
    assert ground.ensure(ctid).outcome == "updated"
    ours = set(ground.look(ctid).config["tags"].split(";"))
    assert ours == {"Prod", "Web", "phoenix"} if kept else {tag.lower() for tag in ours} == {"prod", "web", "phoenix"}
    assert ground.ensure(ctid).outcome == "unchanged"
    ground.declare(ctid, tags=["PROD", "Web"])
    assert ground.ensure(ctid).outcome == ("updated" if kept else "unchanged"), "another case is another tag, or is not"
    assert ("PROD" in ground.look(ctid).config["tags"].split(";")) is kept


def a_fast_failure_of_a_slow_kind_is_told_soon(ground: Ground) -> None:
    """Its looks come at 1, 5 and 25 s, so it is told after five times its length at the latest, or a second."""
    ctid = ground.ctid(FIRST)
    assert ground.ensure(ctid, state="stopped").outcome == "updated"
    with (
        configured(ground, ctid, net1=f"name=eth1,bridge={NO_BRIDGE}"),
        ground.learned("vzstart", SLOW),
    ):
        handle = ground.producer.ensure(ctid)
        began, ended = _watched(ground, handle)
        refusal(ground, handle, patience=SLOW / 2)
        late = time.monotonic() - ended
    ground.saw(f"a start that failed after {ended - began:.1f} s was told {late:.1f} s later")
    assert late <= 4 * (ended - began) + 2
    assert ground.ensure(ctid).outcome == "updated"


def _watched(ground: Ground, handle: Handle[EnsureResult]) -> tuple[float, float]:
    """Look ourselves when a request's start begins and ends, by our own clock."""
    upid = next((one.upid for one in handle.progress(PATIENCE) if one.upid and ":vzstart:" in one.upid), None)
    assert upid is not None, "no start was asked for"
    began = time.monotonic()
    end = wait_for(lambda: ground.door.task_end(upid), PATIENCE)
    assert end is not None
    if end.succeeded:
        raise NotShownError(f"{ground.target.node} starts containers with an interface on the absent {NO_BRIDGE}")
    return began, time.monotonic()


def a_volume_waits_for_a_stop_where_it_must(ground: Ground) -> None:
    path, ctid = "/srv/conformance", ground.ctid(FIRST)
    ground.ensure(ctid)
    ground.declare(ctid, volumes=volumes(ground, path))
    refused = None
    try:
        ground.ensure(ctid)
    except EnsureFailed as error:
        refused = error.failure
    if refused is not None:
        ground.saw(f"{refused.cause}: {refused.message}")
        assert (refused.cause, f"pct shutdown {ctid}" in refused.remedy) == ("hotplug", True)
    assert ground.look(ctid).running
    assert ground.ensure(ctid, state="stopped").outcome == "updated"
    assert path in mounts(ground, ctid)
    assert ground.ensure(ctid).outcome == "updated"
    assert ground.ensure(ctid).outcome == "unchanged"
    if refused is None:
        raise NotShownError(f"{ground.target.node} gives volumes to running containers")


def no_mount_hides_another(ground: Ground) -> None:
    inner, outer, other = "/srv/one/inner", "/srv/one", "/srv/two/inner"
    ctid = ground.declare(ground.free(SPARE), clone_from_ctid=ground.ctid(TEMPLATE))
    ground.declare(ctid, volumes=volumes(ground, inner, outer, other))
    assert ground.ensure(ctid, state="stopped").outcome == "created"
    there = mounts(ground, ctid)
    ground.saw(f"{there}")
    assert there[outer] < there[inner]
    ground.declare(ctid, volumes=volumes(ground, inner, outer, other, "/srv/two", "/srv"))
    told = " ".join(ground.ensure(ctid, state="stopped").needs_rebuild)
    ground.saw(told)
    assert mounts(ground, ctid) == there, "no number before theirs is left"
    assert "/srv/two" in told
    assert "/srv is not mounted" in told
    destroyed(ground, ctid)


def a_restore_that_runs_is_waited_for(ground: Ground) -> None:
    ctid, storage = ground.ctid(DIRECT), backup_storage(ground)
    assert ground.ensure(ctid, state="stopped").outcome == "updated"
    with backed_up(ground, ctid, storage) as archive:
        upid = restore_over(ground, ctid, archive, RESTORE_SECONDS)
        try:
            wait_for(lambda: ground.look(ctid).lock == "create" or ground.door.task_end(upid), PATIENCE)
            handle = ground.producer.ensure(ctid, state="stopped")
            if ground.door.task_end(upid) is not None:
                raise NotShownError(f"the restore ended before it could be looked at: {upid}")
            result = ground.told(handle.wait(PATIENCE))
            assert ground.door.task_end(upid) is not None, "it was not waited for"
        finally:
            ground.end(upid)
    ground.saw(f"while Proxmox ran {upid}")
    assert result.outcome in {"unchanged", "updated"}
    assert ground.look(ctid).is_ours


def what_is_absent_can_be_made_with_a_grant_on_a_pool(ground: Ground) -> None:
    """Proxmox refuses to show such a token an id that nothing has, since it is in no pool."""
    pool, ctid, template = f"{PREFIX}pool", ground.free(SPARE), ground.ctid(TEMPLATE)
    with pool_and_its_token(ground, pool) as access:
        join(ground, pool, template)
        _see_no_other_guests(ground, ProxmoxApi(access), ctid)
        ground.declare(ctid, clone_from_ctid=template, pool=pool)
        with ground.worker_with(access):
            assert ground.ensure(ctid).outcome == "created"
            for outcome in ("destroyed", "unchanged"):
                assert ground.told(ground.producer.destroy(ctid).wait(PATIENCE)).outcome == outcome
            assert ground.ensure(ctid, state="stopped").outcome == "created"
            destroyed(ground, ctid)


def _see_no_other_guests(ground: Ground, door: ProxmoxApi, absent: int) -> None:
    assert door.observe(ground.target.node, absent).presence is Presence.ABSENT
    refused = None
    try:
        door.observe(ground.target.node, ground.ctid(FIRST))
    except PermanentError as error:
        refused = error
    assert refused is not None, "the token was granted more than its pool"
    ground.saw(refused.message)
    assert refused.cause == PERMISSION


def a_template_is_rebuilt_before_those_that_are_cloned_from_it(ground: Ground) -> None:
    parent, child = ground.ctid(TEMPLATE), ground.free(SPARE)
    ground.declare(child, clone_from_ctid=parent, is_template=True)
    assert ground.ensure(child).outcome == "created"
    ground.declare(parent, swap_mb=96)
    for result in ground.producer.rebuild_many((child, parent)).wait(PATIENCE):
        assert ground.told(result).outcome == "rebuilt"
    for ctid in (parent, child):
        assert ground.look(ctid).config["swap"] == "96", f"{ctid} is of the older build"
    clone = ground.ctid(FIRST)
    outdated = {
        one.ctid: " ".join(one.outdated) for one in ground.producer.drift([clone, parent, child]).wait(PATIENCE)
    }
    ground.saw(outdated[clone])
    assert f"cloned from an older build of template {parent}" in outdated[clone]
    assert (outdated[parent], outdated[child]) == ("", "")
    destroyed(ground, child)
