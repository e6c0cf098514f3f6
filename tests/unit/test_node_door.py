"""The forced command for nodes, in this process: each rule at its edges, and the reasons that it gives."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from phoenix_worker.proxmox.root_commands import HAVE_DIRECTORY
from scripts import node_door
from scripts.node_door import REPLACE, NotAllowed, Rules, allow, foresee, see_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ALLOWED = [
    *(
        "--ctids",
        "100-199,,900,1000-1001",
        "--directories",
        "/tank:/srv/media/::/tank/inner",
        "--devices",
        "/dev/kvm,/dev/dri/*",
    ),
    *("--hookscripts", "local:snippets/a-*,,local:snippets/b", "--raw-keys", "lxc.cap.*,lxc.autodev"),
]
LOCK, CONF = "/run/lock/lxc/pve-config-103.lock", "/etc/pve/lxc/103.conf"
DIGEST = "0123456789abcdef0123456789abcdef01234567"
REPLACING = ["flock", "-w", "10", "-E", "75", LOCK, "sh", "-c", REPLACE, "sh", CONF, DIGEST, DIGEST]
MAKING = ["python3", "-c", HAVE_DIRECTORY, "/tank/x", "0", "33", "1"]
OTHER_VERSION = "(install the node_door.py of the workers' version)"


def rules(*arguments: str) -> Rules:
    return Rules(arguments or ALLOWED)


def reason_of(do: Callable[[], object]) -> str:
    """For which reasons something is refused; nothing where it is allowed."""
    try:
        do()
    except NotAllowed as refused:
        return str(refused)
    return ""


def why(argv: list[str], judged: Rules | None = None) -> str:
    return reason_of(lambda: allow(list(argv), judged or rules()))


@pytest.mark.parametrize("ctid", ["100", "150", "199", "900", "1000", "1001"])
def test_the_ends_of_a_range_are_in_it(ctid: str) -> None:
    assert rules().ctid(ctid) == ctid
    assert why(["pct", "unlock", ctid]) == why(["pct", "exec", ctid, "--", "true"]) == ""
    assert why(["cat", f"/etc/pve/lxc/{ctid}.conf"]) == ""


@pytest.mark.parametrize("ctid", ["99", "200", "899", "901", "1002", "0100", "", "a", "100 ", "10", "1000000000"])
def test_what_is_outside_of_them_is_not(ctid: str) -> None:
    assert why(["pct", "unlock", ctid]) == f"CTID {ctid} (--ctids)"
    assert why(["pct", "exec", ctid, "--", "sh"]) == f"CTID {ctid} (--ctids)"
    if ctid.isdigit():
        assert why(["cat", f"/etc/pve/lxc/{ctid}.conf"]) == f"CTID {ctid} (--ctids)"


def test_a_longest_ctid_may_be_allowed() -> None:
    assert Rules(["--ctids", "100-999999999"]).ctid("999999999") == "999999999"


@pytest.mark.parametrize(
    "path", ["/tank", "/tank/x", "/tank/inner/x/y", "/tank/innermost", "/srv/media/x", "/tank/a\nb"]
)
def test_a_directory_is_in_one_that_is_allowed(path: str) -> None:
    assert why(["pct", "set", "103", "--mp12", f"{path},mp=/x,ro=1"]) == ""
    assert why([*MAKING[:3], path, *MAKING[4:]]) == ""


@pytest.mark.parametrize(
    "path",
    ["/tankard", "/srv", "tank/x", "/tank/", "/tank//x", "//tank/x", "/tank/../etc", "/tank/./x", "/tank/..", "", "/"],
)
def test_another_directory_is_not(path: str) -> None:
    assert why(["pct", "set", "103", "--mp12", f"{path},mp=/x,ro=1"]) == f"directory {path} (--directories)"
    assert why([*MAKING[:3], path, *MAKING[4:]]) == f"directory {path} (--directories)"


@pytest.mark.parametrize("path", ["/tank/\0", "/tank/\ud800"])
def test_what_is_no_path_is_refused(path: str) -> None:
    assert why(["pct", "set", "103", "--mp0", f"{path},mp=/x"]).startswith(f"directory {path} (not a path: ")


def test_the_whole_node_may_be_allowed() -> None:
    Rules(["--directories", "/"]).directory("/usr/share")


def test_a_path_with_a_link_is_refused(tmp_path: Path) -> None:
    """Wherever it leads: Proxmox mounts none, and what is allowed itself may be one that a container planted."""
    inside = tmp_path / "tank"
    (inside / "fast").mkdir(parents=True)
    (inside / "out").symlink_to("/etc")
    (inside / "in").symlink_to("fast")
    (tmp_path / "link").symlink_to(inside)
    tops = (inside, inside / "out", tmp_path / "link")
    judged = Rules(["--directories", ":".join(map(str, tops))])
    judged.directory(str(inside / "x" / "y"))
    for path, real in (
        (inside / "out" / "x", "/etc/x"),
        (inside / "in", f"{inside}/fast"),
        (tmp_path / "link", f"{inside}"),
    ):
        with pytest.raises(NotAllowed) as refused:
            judged.directory(str(path))
        assert refused.value.reasons == (f"directory {path} (it leads to {real} by a link: declare that one)",)


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("--dev0", "/dev/kvm,mode=0660", ""),
        ("--dev12", "/dev/dri/card0", ""),
        ("--dev0", "/dev/sda", "device /dev/sda (--devices)"),
        ("--dev0", "/dev/dri/../sda", "device /dev/dri/../sda (--devices)"),
        ("--dev0", "/DEV/KVM", "device /DEV/KVM (--devices)"),
        ("--hookscript", "local:snippets/a-1.sh", ""),
        ("--hookscript", "local:snippets/b", ""),
        ("--hookscript", "local:snippets/c", "hookscript local:snippets/c (--hookscripts)"),
        ("--hookscript", "", "hookscript  (--hookscripts)"),
        ("--delete", "dev0,dev12", ""),
        ("--delete", "dev0,mp0", "deleting dev0,mp0"),
        ("--delete", "dev", "deleting dev"),
        ("--features", "keyctl=1", ""),
        ("--digest", "00", ""),
        ("--rootfs", "a:8", "option --rootfs"),
        ("--mp", "/tank,mp=/x", "option --mp"),
        ("--mp0x", "/tank,mp=/x", "option --mp0x"),
        ("--devx", "/dev/kvm", "option --devx"),
        ("--mp0", "local-lvm:8,mp=/srv", "directory local-lvm:8 (--directories)"),
    ],
)
def test_an_option_is_judged_by_its_value(name: str, value: str, reason: str) -> None:
    assert why(["pct", "set", "103", name, value]) == reason
    assert why(["pct", "set", "103", "--digest", "1", name, value]) == reason


def test_all_that_is_wrong_is_told_once_and_in_order() -> None:
    argv = ["pct", "set", "200", "--rootfs", "a", "--mp0", "/etc,mp=/etc", "--rootfs", "b"]
    assert why(argv) == "CTID 200 (--ctids); option --rootfs; directory /etc (--directories)"
    with pytest.raises(NotAllowed) as refused:
        allow(argv, rules())
    assert refused.value.reasons == ("CTID 200 (--ctids)", "option --rootfs", "directory /etc (--directories)")
    see_all([])
    see_all([lambda: None])


@pytest.mark.parametrize("given", [(), ("--ctids", ""), ("--directories", "")])
def test_what_is_not_said_is_not_allowed(given: tuple[str, ...]) -> None:
    bare = Rules(given)
    assert why(["pct", "unlock", "103"], bare) == "CTID 103 (--ctids)"
    assert why(MAKING, bare) == "directory /tank/x (--directories)"
    assert why(["pct", "list"], bare) == ""
    allowed = Rules(["--ctids", "103"])
    assert why(["pct", "set", "103", "--dev0", "/dev/nvidia0"], allowed) == "", "GPUs are"
    assert why(["pct", "set", "103", "--dev0", "/dev/kvm"], allowed) == "device /dev/kvm (--devices)"
    assert why(["pct", "set", "103", "--hookscript", ""], allowed) == "hookscript  (--hookscripts)"
    assert not allowed.node_scripts


@pytest.mark.parametrize(
    "key",
    [
        *("lxc.apparmor.profile", "lxc.autodev", "lxc.cap.keep", "lxc.cgroup2.memory.max", "lxc.environment"),
        *("lxc.idmap", "lxc.mount.auto", "lxc.prlimit.nofile"),
    ],
)
def test_these_raw_keys_may_change_unless_others_are_named(key: str) -> None:
    Rules([]).change("", f"{key}: x\n")
    with pytest.raises(NotAllowed, match=rf"raw key {key} \(--raw-keys\)"):
        Rules(["--raw-keys", "lxc.hook.*"]).change("", f"{key}: x\n")


PRESENT = "arch: amd64\nlxc.cap.keep: a\nlxc.hook.start = mine\n\n[snap]\nlxc.cap.keep: b\n"


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (PRESENT, PRESENT, ""),
        (PRESENT, PRESENT.replace("keep: a", "keep = c  "), ""),
        (PRESENT, PRESENT.replace("keep: a\n", "keep: a\nlxc.autodev: 1\nlxc.autodev: 0\n"), ""),
        (PRESENT, PRESENT.replace("start = mine", "start:   mine "), ""),
        (PRESENT, PRESENT.replace("start = mine", "start = evil"), "raw key lxc.hook.start (--raw-keys)"),
        (PRESENT, PRESENT.replace("lxc.hook.start = mine\n", ""), "raw key lxc.hook.start (--raw-keys)"),
        (
            PRESENT,
            PRESENT.replace("lxc.hook.start = mine", "lxc.mount.entry: /\nlxc.hook.start: x"),
            "raw key lxc.hook.start (--raw-keys); raw key lxc.mount.entry (--raw-keys)",
        ),
        ("lxc.hook.a: 1\nlxc.hook.a: 2", "lxc.hook.a: 2\nlxc.hook.a: 1", "raw key lxc.hook.a (--raw-keys)"),
        ("lxc.hook.a: 1\nlxc.hook.b: 2", "lxc.hook.b: 2\nlxc.hook.a: 1", ""),
        (PRESENT, PRESENT.replace("amd64", "arm64"), "a change of other lines than raw ones"),
        (PRESENT, PRESENT.replace("keep: b", "keep: c"), "a change of other lines than raw ones"),
        (PRESENT, PRESENT.replace("[snap]", "[PVE:pending] "), "a change of other lines than raw ones"),
        ("[pve:pending]\nlxc.autodev: 1", "[pve:pending]\nlxc.autodev: 0", "a change of other lines than raw ones"),
        ("[Snap_1-x] \nlxc.autodev: 1", "[Snap_1-x] \nlxc.autodev: 0", "a change of other lines than raw ones"),
        ("lxc.cap.keep a", "lxc.cap.keep b", "a change of other lines than raw ones"),
        ("", "\n", "a change of other lines than raw ones"),
    ],
)
def test_only_raw_lines_of_the_container_itself_change_and_only_by_allowed_keys(
    old: str, new: str, reason: str
) -> None:
    assert reason_of(lambda: rules().change(old, new)) == reason


# Which commands there are


@pytest.mark.parametrize(
    ("argv", "reason"),
    [
        (["pct", "list"], ""),
        (["pct", "list", "103"], "pct list 103"),
        (["pct", "exec", "103", "--"], "pct exec 103"),
        (["pct", "exec", "103", "sh", "x"], "pct exec 103"),
        (["pct", "unlock", "103", "x"], "pct unlock 103"),
        (["pct", "set", "103", "--digest"], "pct set 103"),
        (["pct", "set", "103"], ""),
        (["pct", "destroy", "103", "--force"], "pct destroy 103"),
        (["cat", "/etc/pve/lxc/103.conf", "x"], "cat /etc/pve/lxc/103.conf x"),
        (["cat", "/etc/pve/lxc/103xconf"], "cat /etc/pve/lxc/103xconf"),
        (["cat", "/etc/pve/lxc/103.conf\n"], "cat '/etc/pve/lxc/103.conf\n'"),
        (MAKING, ""),
        ([*MAKING[:-1], "0"], ""),
        ([*MAKING[:-1], "2"], "other arguments than those to make a directory"),
        ([*MAKING[:4], "0", "x", "1"], "other arguments than those to make a directory"),
        ([*MAKING[:4], "1" * 11, "0", "1"], "other arguments than those to make a directory"),
        ([*MAKING[:3], "/", *MAKING[3:]], "other arguments than those to make a directory"),
        (
            ["python3", "-c", "pass\udcff", *MAKING[3:]],
            f"another program than that of this version to make a directory {OTHER_VERSION}",
        ),
        (["python3", "-c"], "python3 -c"),
        ([], "a login without a command"),
        (["sh", "-c", "id", "phoenix-lxc"], "scripts on the node (--node-scripts)"),
        (["sh", "-c", "id", "other"], "sh -c id"),
        (["sha256sum", "-z", "--", "/x"], "scripts on the node (--node-scripts)"),
        (["sha256sum", "-z", "--"], "sha256sum -z --"),
        (["id"], "id"),
    ],
)
def test_a_command_is_one_of_these(argv: list[str], reason: str) -> None:
    assert why(argv) == reason


def test_scripts_on_the_node_are_a_choice() -> None:
    """By the second of them, older workers hash scripts."""
    for argv in (["sh", "-c", "id", "phoenix-lxc", "x"], ["sha256sum", "-z", "--", "/x", "/y"]):
        assert why(argv, Rules(["--node-scripts"])) == ""


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, ""),
        ({8: f"{REPLACE}id\n"}, f"another way to replace a file {OTHER_VERSION}"),
        ({6: "bash"}, f"another way to replace a file {OTHER_VERSION}"),
        ({5: LOCK.replace("103", "104")}, "another file than a container's configuration under its lock"),
        ({10: "/etc/passwd"}, "another file than a container's configuration under its lock"),
        ({10: CONF.replace("103", "200"), 5: LOCK.replace("103", "200")}, "CTID 200 (--ctids)"),
        ({11: DIGEST[:-1]}, "a digest that is none"),
        ({12: DIGEST.upper()}, "a digest that is none"),
        ({12: f"{DIGEST} "}, "a digest that is none"),
    ],
)
def test_a_configuration_is_replaced_in_one_way(changes: dict[int, str], reason: str) -> None:
    argv = [changes.get(number, word) for number, word in enumerate(REPLACING)]
    assert reason_of(lambda: node_door.replacing(argv, rules())) == reason


# What is foreseen


@pytest.mark.parametrize(
    ("asked", "reasons"),
    [
        ([], []),
        ([{"argv": ["pct", "list"]}], []),
        ([{"argv": REPLACING, "raw_keys": ["lxc.cap.keep"]}], []),
        ([{"argv": ["id"]}, {"argv": ["pct", "unlock", "200"]}, {"argv": ["id"]}], ["id", "CTID 200 (--ctids)"]),
        (
            [{"argv": [*REPLACING[:-1], "x"], "raw_keys": ["lxc.hook.a", "lxc.autodev"]}],
            ["a digest that is none", "raw key lxc.hook.a (--raw-keys)"],
        ),
    ],
)
def test_reasons_are_foreseen(asked: list[dict[str, list[str]]], reasons: list[str]) -> None:
    assert foresee(json.dumps(asked).encode(), rules()) == reasons


@pytest.mark.parametrize(
    "asked",
    [
        *(b"[1]", b"1", b"null", b'{"argv": ["id"]}', b'[{"a": 1}]', b'[{"argv": 1}]', b'[{"argv": [1]}]'),
        *(b'[{"argv": ["pct", "unlock", 103]}]', b'[{"argv": ["pct", "list"], "raw_keys": [1]}]', b"[" * 100_000),
        *(b'[{"argv": ["pct", "list"], "raw_keys": null}]', b'[["pct", "list"]]', b"", b"{", b"\xff"),
    ],
)
def test_what_is_no_list_of_commands_is_refused(asked: bytes) -> None:
    with pytest.raises((NotAllowed, ValueError)):
        foresee(asked, rules())


def test_its_arguments_are_explained(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit) as ended:
        Rules(["--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith("usage: phoenix-node-door [-h] [--ctids CTIDS] ")
    assert "A forced command for the SSH key of phoenix-lxc workers on a Proxmox node" in text
    explained = dict(one.strip().partition(" ")[::2] for one in text.split("\n  --")[1:])
    explained = {name: " ".join(words.split()) for name, words in explained.items()}
    assert explained == {
        "ctids": "CTIDS CTIDs, as 100-199,900; none by default",
        "directories": "DIRECTORIES where bind mounts may be, as /tank:/srv; none by default",
        "devices": "DEVICES devices for containers, patterns; /dev/nvidia*",
        "hookscripts": ("HOOKSCRIPTS hookscripts, patterns, as local:snippets/*: anything, as root; none by default"),
        "raw-keys": f"RAW_KEYS raw keys that may change, patterns; {node_door.RAW_KEYS}",
        "node-scripts": "scripts on the node itself: anything, as root",
    }


@pytest.mark.parametrize(
    ("option", "value"),
    [
        *(("--ctids", value) for value in ("abc", "199-100", "100-", "-5", "99", "100 - 199", "\u0661\u0660\u0663")),
        *(("--directories", value) for value in ("tank", "/tank/../etc", "/srv:./tank", "//tank")),
    ],
)
def test_what_would_allow_nothing_or_something_else_is_wrong_usage(
    option: str, value: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        Rules([f"{option}={value}"])
    assert ended.value.code == 2
    assert f"argument {option}: '" in capsys.readouterr().err
