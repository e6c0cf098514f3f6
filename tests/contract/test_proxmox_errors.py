"""What Proxmox says, and which of the two kinds of failure it becomes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import requests
from fakepve.shapes import PRIVILEGES
from urllib3.exceptions import ProtocolError

from phoenix_worker.core.model.errors import PermanentError, TransientError
from phoenix_worker.core.model.ports import CloneOrder, CreateOrder, TaskEnd
from phoenix_worker.proxmox.error_table import TABLE
from phoenix_worker.proxmox.translate import Answer, Request, error_of_answer, error_of_exception, error_of_task
from tests.support.node_typing import type_on_node
from tests.support.proxmox import NODE, TOKEN_ID, SaidIn, Simulator
from tests.support.proxmox_sayings import SAYINGS

if TYPE_CHECKING:
    from phoenix_worker.core.model.ports import Proxmox
    from phoenix_worker.proxmox.error_row import Row

POST = Request("POST", "nodes/pve1/lxc/900/clone", "clone template 900 to CT 103 on pve1", "VM.Clone on /vms/900")
GET = Request("GET", "nodes/pve1/lxc/103/config", "look at CT 103 on pve1", "VM.Audit on /vms/103")
CLONE = CloneOrder(NODE, 900, 103, "Step-CA", "", full=True)
OS_TEMPLATE = "local:vztmpl/debian-13-standard_13.1-1_amd64.tar.zst"
T, P = TransientError, PermanentError


@pytest.mark.parametrize(("status", "said", "kind", "cause", "remedy"), SAYINGS)
def test_what_is_said_decides(status: int, said: str, kind: type[Exception], cause: str, remedy: str) -> None:
    error = error_of_answer(POST, Answer(status, message=f"{said}\n"))
    assert (type(error), error.cause) == (kind, cause)
    assert remedy in error.remedy
    assert error.message.startswith("Unable to clone template 900 to CT 103 on pve1: ")
    assert said.rstrip(".") in error.message


@pytest.mark.parametrize(
    "lock",
    [
        "snapshot",
        "snapshot-delete",
        "backup",
        "migrate",
        "rollback",
        "mounted",
        "fstrim",
        "disk",
        "create",
        "destroyed",
    ],
)
def test_every_lock_of_a_container_is_waited_for(lock: str, simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.set(simulator.pve.ct(103), lock=lock)
    with pytest.raises(TransientError, match=rf"CT is locked \({lock}\)") as locked:
        door.configure(NODE, 103, changes={"memory": "512"}, delete=[], digest=None)
    assert (locked.value.cause, "pct unlock" in locked.value.remedy) == ("locked", True)


def test_a_tag_that_only_administrators_may_set_is_named(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.ct(103).config.update, {"tags": "registered;Theirs"})
    everything_else = [("/", set(PRIVILEGES) - {"Sys.Modify"})]
    simulator.do(simulator.pve.acl.__setitem__, TOKEN_ID, everything_else)
    simulator.set(simulator.pve, registered_tags=frozenset({"phoenix", "registered"}))
    for tags, tag in (("phoenix;registered", "phoenix"), ("Theirs", "registered")):
        with pytest.raises(PermanentError, match=f"for modifying tag '{tag}'") as refused:
            door.configure(NODE, 103, changes={"tags": tags}, delete=[], digest=None)
        assert refused.value.cause == "tag-not-allowed"
        assert f"In the datacenter's options, add the tag '{tag}' to" in refused.value.remedy
    door.configure(NODE, 103, changes={"tags": "registered;theirs"}, delete=[], digest=None)


def test_trouble_of_the_node_is_found_in_the_log_of_a_task() -> None:
    log = ("lxc_start: Unable to create new inotify object: Too many open files", "TASK ERROR: startup failed")
    error = error_of_task("start CT 103 on pve1", TaskEnd("startup for container '103' failed", log))
    assert (type(error), error.cause) == (T, "inotify-used-up")
    assert "sysctl -w fs.inotify.max_user_instances=" in error.remedy
    log = ("  Insufficient free space: 2048 extents needed, but only 0 available", "TASK ERROR: command failed")
    full = error_of_task("grow mp0 of CT 103", TaskEnd("command '/sbin/lvextend -L 8G' failed: exit code 5", log))
    assert (type(full), full.cause) == (P, "no-space")
    known = error_of_task("start CT 103 on pve1", TaskEnd("unable to extract: No space left on device", log))
    assert known.cause == "no-space"


@pytest.mark.parametrize(
    ("line", "cause", "remedy"),
    [
        ("ERROR: migration aborted (duration 00:00:03): storage 'nas' is not online", "storage-away", "'nas'"),
        ("ERROR: cfs-lock 'storage-nas' error: got lock request timeout", "lock-timeout", "Nothing to do"),
        ("ERROR: failed to move config file to node 'pb': Permission denied", "no-quorum", "pvecm status"),
    ],
)
def test_what_passes_may_be_in_the_log_of_a_task_alone(line: str, cause: str, remedy: str) -> None:
    error = error_of_task("migrate CT 103 from pa to pb", TaskEnd("migration aborted", (line,)))
    assert (type(error), error.cause) == (T, cause)
    assert remedy in error.remedy


def test_a_hotplug_that_is_refused_needs_a_stop(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103, status="running")
    simulator.set(simulator.pve, hotplug_refused="mount: permission denied")
    with pytest.raises(PermanentError, match=r"mp0: unable to hotplug mp0: mount: permission denied") as refused:
        door.configure(NODE, 103, changes={"mp0": "local-lvm:1,mp=/srv"}, delete=[], digest=None)
    assert refused.value.cause == "hotplug"
    assert "needs a stop" in refused.value.remedy


def test_a_pending_change_is_taken_back_as_the_remedy_prints(simulator: Simulator) -> None:
    simulator.do(simulator.pve.add_ct, 103, status="running")
    simulator.do(simulator.pve.ct(103).pending.update, {"mp0": "nosuch:1,mp=/srv"})
    said = Answer(500, message="unable to apply pending change mp0 : storage 'nosuch' is broken")
    error = error_of_answer(Request("POST", "nodes/pve1/lxc/103/status/start", "start CT 103 on pve1", ""), said)
    assert (error.cause, type_on_node(simulator, error.remedy)) == ("pending-change", ["pct set 103 --revert mp0"])
    assert simulator.pve.ct(103).pending == {}


@pytest.mark.parametrize("row", TABLE, ids=lambda row: f"{row.cause} {row.pattern} {row.statuses}")
def test_every_row_has_a_cause_and_a_remedy(row: Row) -> None:
    assert row.cause
    assert row.remedy
    assert row.pattern or row.statuses


@pytest.mark.parametrize("status", [408, 502, 504, 596, 597, 598, 599])
def test_whether_it_was_done_is_unknown_when_the_answer_is_lost(status: int) -> None:
    assert error_of_answer(POST, Answer(status)).cause == "unknown-outcome"
    assert error_of_answer(GET, Answer(status)).cause == "unreachable"


ENDS: list[tuple[str, type[Exception], str]] = [
    # (exit status, kind, cause)
    ("unexpected status", T, "proxmox-worker-died"),
    ("CT is locked (snapshot-delete)", T, "locked"),
    ("cfs-lock 'storage-shared' error: got lock request timeout", T, "lock-timeout"),
    ("unable to open file '/etc/pve/nodes/pb/lxc/103.conf.tmp.88' - Permission denied", T, "no-quorum"),
    ("ipcc_send_rec[1] failed: Connection refused", T, "passing-trouble"),
    ("qemu-img: Could not open '/srv/images/900/base-900-disk-0.raw': No such file", P, "proxmox-error"),
    ("zfs error: cannot open 'rpool/data/base-900-disk-0': dataset does not exist", P, "proxmox-error"),
    ("CT is locked (backup)", T, "locked"),
    ("can't lock file '/run/lock/lxc/pve-config-133.lock' - got timeout", T, "lock-timeout"),
    ("clone failed: interrupted by signal", P, "aborted"),
    ("you can't start a CT if it's a template", P, "is-template"),
    ("unable to create CT 900 - volume 'local:vztmpl/x.tar.zst' does not exist", P, "volume-missing"),
    ("unable to create CT 900 - unable to extract: No space left on device", P, "no-space"),
    ("startup for container '103' failed", P, "proxmox-error"),
]


@pytest.mark.parametrize(("said", "kind", "cause"), ENDS)
def test_the_same_words_end_tasks(said: str, kind: type[Exception], cause: str) -> None:
    error = error_of_task("start CT 103 on pve1", TaskEnd(said, ("zero", "one", "two", " ", "three", "four")))
    assert (type(error), error.cause) == (kind, cause)
    assert str(error).startswith(f"Unable to start CT 103 on pve1: {said}. Its log ends: one | two | three | four")


def test_wrong_fields_are_named() -> None:
    error = error_of_answer(POST, Answer(400, "Parameter verification failed.", fields={"memory": "minimum 16\n"}))
    assert error.message.endswith(": Parameter verification failed. memory: minimum 16.")


@pytest.mark.parametrize(
    ("reason", "message", "told"),
    [
        ("CT is locked (disk)", "", "CT is locked (disk)"),
        ("", "CT is locked (disk)\n", "CT is locked (disk)"),
        ("Internal Server Error", "CT is locked (disk)", "CT is locked (disk)"),
        ("CT is locked (disk)", "Internal Server Error", "CT is locked (disk)"),
        ("Internal Server Error", "", "Internal Server Error"),
        ("", "", "HTTP status 500"),
    ],
)
def test_the_more_telling_of_reason_and_message_is_told(reason: str, message: str, told: str) -> None:
    assert error_of_answer(GET, Answer(500, reason, message)).message == f"Unable to look at CT 103 on pve1: {told}."


# No answer at all


class NoReason(requests.RequestException):
    """What has no words of its own."""


@pytest.mark.parametrize(
    ("error", "read", "sent"),
    [
        (requests.exceptions.SSLError("EOF occurred in violation of protocol"), "unreachable", "unknown-outcome"),
        (requests.exceptions.SSLError("tlsv1 alert internal error"), "unreachable", "unknown-outcome"),
        (requests.exceptions.SSLError("decryption failed or bad record mac"), "unreachable", "unknown-outcome"),
        (requests.exceptions.SSLError("certificate verify failed"), "tls", "tls"),
        (requests.ConnectTimeout("connect"), "unreachable", "unreachable"),
        (requests.ReadTimeout("read"), "unreachable", "unknown-outcome"),
        (requests.exceptions.ChunkedEncodingError("cut"), "unreachable", "unknown-outcome"),
        (NoReason(), "unreachable", "unknown-outcome"),
    ],
)
def test_what_may_have_been_done_is_unknown(error: OSError, read: str, sent: str) -> None:
    assert [error_of_exception(request, error).cause for request in (GET, POST)] == [read, sent]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            requests.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError(104, "reset by peer"))),
            "[Errno 104] reset by peer",
        ),
        (NoReason(), "NoReason"),
    ],
)
def test_the_innermost_reason_is_told(error: OSError, words: str) -> None:
    assert error_of_exception(GET, error).message == f"Unable to look at CT 103 on pve1: {words}."


# Over the wire


@pytest.mark.parametrize("said_in", SaidIn)
def test_it_does_not_matter_where_proxmox_says_it(simulator: Simulator, door: Proxmox, said_in: SaidIn) -> None:
    simulator.add_template(900, lock="disk")
    simulator.set(simulator.pve, said_in=said_in)
    with pytest.raises(TransientError) as locked:
        door.clone(CLONE)
    assert str(locked.value) == "Unable to clone template 900 to CT 103 on pve1: CT is locked (disk)."
    simulator.set(simulator.pve.ct(900), lock=None)
    simulator.do(simulator.pve.add_vm, 103, "windows", node=NODE)
    with pytest.raises(PermanentError) as exists:
        door.clone(CLONE)
    assert exists.value.cause == "already-exists"


def test_a_wrong_token_is_told(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.apitokens.clear)
    with pytest.raises(PermanentError) as refused:
        door.observe(NODE, 103)
    assert refused.value.cause == "proxmox-login"


def test_a_missing_privilege_is_named_with_its_path(simulator: Simulator, door: Proxmox) -> None:
    simulator.add_template(900)
    simulator.set(simulator.pve, acl={})
    with pytest.raises(PermanentError) as refused:
        door.clone(CLONE)
    assert refused.value.remedy == "Give the API token the privilege VM.Clone on /vms/900."


def test_what_only_root_may_set_says_so(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    with pytest.raises(PermanentError) as refused:
        door.configure(NODE, 103, changes={"features": "keyctl=1"}, delete=[], digest=None)
    assert refused.value.cause == "root-only"


def test_a_bad_value_names_its_field(simulator: Simulator, door: Proxmox) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    with pytest.raises(PermanentError, match="memory: value must have a minimum value of 16") as refused:
        door.configure(NODE, 103, changes={"memory": "8"}, delete=[], digest=None)
    assert refused.value.cause == "bad-parameter"


def test_linked_clones_on_a_directory_are_refused_even_of_a_template(simulator: Simulator, door: Proxmox) -> None:
    simulator.add_template(900, "local-dir")
    with pytest.raises(PermanentError, match=r"'local-dir:900/base-900-disk-0\.raw' is not available") as refused:
        door.clone(CloneOrder(NODE, 900, 103, "Step-CA", "", full=False))
    assert refused.value.cause == "linked-clone-unavailable"
    assert '"clone": "full"' in refused.value.remedy


def test_a_storage_that_is_not_there_is_told(door: Proxmox) -> None:
    with pytest.raises(PermanentError) as refused:
        door.create(CreateOrder(NODE, 900, OS_TEMPLATE, unprivileged=True, config={"rootfs": "nowhere:8"}))
    assert refused.value.cause == "storage-missing"


def test_a_node_that_is_not_there_or_is_off(simulator: Simulator, door: Proxmox) -> None:
    with pytest.raises(PermanentError) as strange:
        door.observe("pve9", 103)
    simulator.do(simulator.pve.set_node_offline, NODE)
    with pytest.raises(TransientError) as away:
        door.observe(NODE, 103)
    assert (strange.value.cause, away.value.cause) == ("no-such-node", "unreachable")


@pytest.mark.parametrize("harm", ["destroy", "convert_to_template"])
@pytest.mark.parametrize("unseen", [set(), {"Sys.Audit"}])
def test_nothing_that_does_its_damage_without_quorum_is_sent_without_it(
    harm: str, unseen: set[str], simulator: Simulator, door: Proxmox
) -> None:
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.acl.__setitem__, TOKEN_ID, [("/", set(PRIVILEGES) - unseen)])
    simulator.do(simulator.pve.lose_quorum)
    with pytest.raises(TransientError, match=r"CT 103 .*: the cluster has no quorum") as refused:
        getattr(door, harm)(NODE, 103)
    assert refused.value.cause == "no-quorum"
    assert simulator.pve.harmed == []
    simulator.do(simulator.pve.regain_quorum)
    getattr(door, harm)(NODE, 103)


def test_who_cannot_ask_for_quorum_is_not_held_up(simulator: Simulator, door: Proxmox) -> None:
    grants, unseen = simulator.pve.acl, set(PRIVILEGES) - {"Sys.Audit"}
    simulator.do(grants.__setitem__, TOKEN_ID, [("/", unseen)])
    door.need_quorum("rebuild CT 103 on pve1, where it is not", (NODE, 103))
    simulator.do(simulator.pve.add_ct, 103)
    simulator.do(simulator.pve.lose_quorum)
    door.need_quorum("place CT 103")
    simulator.do(grants.__setitem__, TOKEN_ID, [("/", unseen - {"VM.Migrate"})])
    door.need_quorum("destroy CT 103 on pve1", (NODE, 103))


def test_a_lost_quorum_is_waited_for(simulator: Simulator, door: Proxmox) -> None:
    simulator.add_template(900)
    simulator.do(simulator.pve.lose_quorum)
    with pytest.raises(TransientError) as refused:
        door.clone(CLONE)
    assert refused.value.cause == "no-quorum"
