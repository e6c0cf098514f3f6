"""What a script is told, what is told of it, and that it runs once: by this machine's shells, without a container."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from phoenix_worker.catalog.declaration import Script
from phoenix_worker.catalog.directories import read_directory
from phoenix_worker.core.model.errors import PermanentError
from phoenix_worker.proxmox import scripts
from phoenix_worker.proxmox.local_shell import LocalShell
from phoenix_worker.proxmox.scripts import Place, ScriptState
from tests.support.declared import DECLARED
from tests.support.proxmox import NODE
from tests.support.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from phoenix_worker.core.model.ports import NodeShell, Ran

SHELLS = [shell for shell in ("sh", "busybox") if shutil.which(shell)]
"""busybox's is what Alpine has; it is tried where the machine has it."""
GIVEN = replace(DECLARED, script_json='{"name": "Step-CA"}\n')


class Inside:
    """A container that is only a directory: its commands run here, by the shell that it is said to have."""

    def __init__(self, directory: Path, shell: str) -> None:
        self._directory = directory
        self._shell = ["busybox", "sh"] if shell == "busybox" else [shell]
        self._local = LocalShell(NODE)

    def run(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Ran:
        assert list(argv[:4]) == ["pct", "exec", "103", "--"]
        assert argv[4] == "sh"
        words = [word.replace("/var/lib/phoenix-lxc", f"{self._directory}/lib", 1) for word in argv[5:]]
        words = [argv[6] if word.startswith("# Runs a script") else word for word in words]
        return self._local.run(node, [*self._shell, *words], stdin=stdin, timeout=timeout)


PLACE = Place(NODE, 103)


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> NodeShell:
    return Inside(tmp_path, request.param)


def script(text: str, *, ran_as: str = "00aa", **more: Any) -> Script:
    return Script("base", "features/base.sh", ran_as, base64.b64encode(text.encode()).decode(), **more)


def start(shell: NodeShell, what: Script, token: str = "t1") -> tuple[ScriptState, str]:  # noqa: S107 - no secret
    return scripts.start(shell, PLACE, GIVEN, what, token)


def end_of(shell: NodeShell, run: str) -> ScriptState:
    def ended() -> ScriptState | None:
        seen = scripts.look(shell, PLACE, run, 0)
        return seen if seen is not None and not seen.under_way else None

    seen = wait_for(ended)
    assert seen is not None
    return seen


def test_a_script_is_given_its_environment_and_its_output_and_exit_code_are_kept(shell: NodeShell) -> None:
    _, run = start(shell, script('#!/bin/sh\necho "$CTID $CT_NAME $*"\ncat "$CT_CONFIG"\necho oops >&2\nexit 3\n'))
    seen = end_of(shell, run)
    assert (seen.state, seen.code) == ("ended", "3")
    assert seen.log.decode() == f"103 {GIVEN.name} 103\n{GIVEN.script_json}oops\n"
    assert seen.size == len(seen.log)
    rest = scripts.look(shell, PLACE, run, 4)
    assert rest is not None
    assert rest.log == seen.log[4:]
    assert scripts.tail(shell, PLACE, run, seen.size)[-1] == "oops"


def test_the_last_lines_begin_with_a_whole_one(shell: NodeShell) -> None:
    """Where they are cut out of a longer log, there may be the half of a color, or of a letter."""
    said = "".join(f"\x1b[0;32m{number:03} größer\x1b[0m {'x' * 150}\n" for number in range(60))
    _, run = start(shell, script(f"#!/bin/sh\ncat <<'END'\n{said}END\nexit 1\n"))
    size = end_of(shell, run).size
    for cut in range(0, 180, 5):
        told = scripts.tail(shell, PLACE, run, size - cut)
        assert told[0].endswith(f" größer {'x' * 150}"), told[0]
        assert told[0][:3].isdecimal()


def test_any_interpreter_and_any_bytes(shell: NodeShell) -> None:
    big = script(
        "#!/usr/bin/env python3\nimport json, os\n"
        + "# filler\n" * 20_000
        + "print(json.load(open(os.environ['CT_CONFIG'])))\n"
    )
    seen = end_of(shell, start(shell, big)[1])
    assert (seen.code, seen.log) == ("0", f"{json.loads(GIVEN.script_json)}\n".encode())


def test_what_is_under_way_is_taken_by_whoever_wants_the_same(shell: NodeShell, tmp_path: Path) -> None:
    waits = script(f"#!/bin/sh\necho x >>{tmp_path}/ran\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.05; done\n")
    first, again, other_job = start(shell, waits), start(shell, waits), start(shell, waits, "t2")
    assert len({first[1], again[1], other_job[1]}) == 1
    assert start(shell, replace(waits, hash="00bb"), "t3")[0].state == "busy"
    (tmp_path / "go").touch()
    assert end_of(shell, first[1]).code == "0"
    assert start(shell, waits, "t4")[0] == ScriptState("ended", "0"), "it ended well: there is nothing to do"
    assert (tmp_path / "ran").read_text() == "x\n"
    assert end_of(shell, start(shell, replace(waits, again=True), "t5")[1]).code == "0"
    assert (tmp_path / "ran").read_text() == "x\nx\n"


def test_what_failed_is_told_to_its_own_job_and_run_anew_for_another(shell: NodeShell) -> None:
    fails = script("#!/bin/sh\nexit 9\n")
    _, run = start(shell, fails)
    end_of(shell, run)
    assert start(shell, fails)[0] == ScriptState("ended", "9")
    state, anew = start(shell, fails, "t2")
    assert state.under_way
    assert anew != run


def test_what_is_stopped_ends_with_all_that_it_started(shell: NodeShell, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "alive")
    _, run = start(shell, script(f"#!/bin/sh\nsleep 600 >{tmp_path}/alive &\ntrap '' HUP\nwait\n"))
    with (tmp_path / "alive").open() as alive:
        assert scripts.stop(shell, PLACE, run) == ScriptState("ended", "stopped")
        assert alive.read() == "", "nobody has it open any more"
    assert scripts.stop(shell, PLACE, run) == ScriptState("ended", "stopped")


def test_what_is_killed_from_outside_is_lost(shell: NodeShell) -> None:
    _, run = start(shell, script("#!/bin/sh\nkill -9 -$(ps -o pgid= -p $$ | tr -d ' ')\n"))
    assert end_of(shell, run).state == "lost"


@pytest.mark.parametrize(("file", "told"), [("log", "running"), ("pid", "starting"), ("exit", "running")])
def test_a_pipe_for_a_file_of_the_run_holds_no_look(shell: NodeShell, tmp_path: Path, file: str, told: str) -> None:
    """Root in the container can put one there, and each look would take all the time that it has from the others."""
    (tmp_path / "go").touch()
    _, run = start(shell, script(f"#!/bin/sh\nwhile [ -e {tmp_path}/go ]; do sleep 0.05; done\n"))
    wait_for((Path(run) / "pid").exists)
    (Path(run) / file).unlink(missing_ok=True)
    os.mkfifo(Path(run) / file)
    assert scripts.look(shell, PLACE, run, 0) == ScriptState(told, "", 0, b"")
    (tmp_path / "go").unlink()


def test_what_never_began_stands_in_nobody_s_way(shell: NodeShell, tmp_path: Path) -> None:
    """The node restarted while it was pushed."""
    for version in ("00aa", "00bb"):
        left = tmp_path / "lib" / "base" / f"{version}.t0"
        left.mkdir(parents=True)
        assert start(shell, script("#!/bin/sh\n"), "t1")[0].state in {"starting", "busy"}
        os.utime(left, (1, 1))
        seen = end_of(shell, start(shell, script("#!/bin/sh\necho ran\n"), f"t{version}")[1])
        assert (seen.code, seen.log, left.exists()) == ("0", b"ran\n", False)
        shutil.rmtree(left.parent)


def test_a_place_that_cannot_be_written(shell: NodeShell, tmp_path: Path) -> None:
    (tmp_path / "lib").write_text("a file where a directory should be")
    with pytest.raises(PermanentError) as caught:
        start(shell, script("#!/bin/sh\n"))
    assert caught.value.cause == "script-start"


def archived(folder: Path, **files: str) -> bytes:
    (folder / "files").mkdir()
    for name, text in files.items():
        (folder / "files" / name).write_text(text)
    content = read_directory(folder / "files").content
    assert content is not None
    return content


def test_directories_lie_beside_the_script_that_they_are_pushed_with(shell: NodeShell, tmp_path: Path) -> None:
    declared = replace(GIVEN, archives={"d1": archived(tmp_path, common="say() { echo said; }\n")})
    what = script('#!/bin/sh\n. "$(dirname "$0")/files/common"\nsay\n', directories=("d1",))
    _, run = scripts.start(shell, PLACE, declared, what, "t1")
    assert end_of(shell, run).log == b"said\n"


def test_what_is_cut_on_the_way_is_not_run(shell: NodeShell, tmp_path: Path) -> None:
    cut = archived(tmp_path, common="x" * 5000)[:1500]
    what = script("#!/bin/sh\necho ran\n", directories=("d1",))
    with pytest.raises(PermanentError) as caught:
        scripts.start(shell, PLACE, replace(GIVEN, archives={"d1": cut}), what, "t1")
    assert caught.value.cause == "script-start"
    assert list((tmp_path / "lib" / "base").iterdir()) == []


def test_a_script_that_looks_after_health_is_run_here_and_now_and_leaves_nothing(
    shell: NodeShell, tmp_path: Path
) -> None:
    declared = replace(GIVEN, archives={"d1": archived(tmp_path, common="code=7\n")})
    text = '#!/bin/sh\n. "$(dirname "$0")/files/common"\necho "$* $CTID $CT_NAME"; cat "$CT_CONFIG" >&2; exit $code\n'
    ran = scripts.check(shell, PLACE, declared, script(text, directories=("d1",)), 60)
    assert (ran.exit_code, ran.out.decode(), ran.err.decode()) == (7, f"103 103 {GIVEN.name}\n", GIVEN.script_json)
    assert list((tmp_path / "lib").iterdir()) == []


class OnNode:
    """A node that is only a directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._local = LocalShell(NODE)

    def run(self, node: str, argv: Sequence[str], *, stdin: bytes = b"", timeout: float = 60.0) -> Ran:
        words = [re.sub("^/var/lib/phoenix-lxc", f"{self._directory}/lib", word) for word in argv]
        return self._local.run(node, words, stdin=stdin, timeout=timeout)


FROM_NODE = Place(NODE, 103, on_node=True, creation="c1")
CHANGES: dict[str, Callable[[Path], object]] = {
    "written": lambda file: file.write_text("#!/bin/sh\necho other\n"),
    "replaced": lambda file: (shutil.copy(file, file.with_suffix(".new")), file.with_suffix(".new").replace(file)),
    "removed": lambda file: file.unlink(),
    "written and written back": lambda file: [file.write_text(text) for text in ("", file.read_text())],
}


def run_on_node(
    tmp_path: Path, text: str, meanwhile: Callable[[Path], object], after: str = "", job: str = "t1"
) -> ScriptState:
    """Start a script of the node; it is changed before it begins, or when it has made the file `after`."""
    file, shell = tmp_path / "install_base.sh", OnNode(tmp_path)
    file.write_text(text)
    file.chmod(0o755)
    hashed = scripts.contents(shell, NODE, [str(file)])[str(file)]
    if not after:
        meanwhile(file)
    _, run = scripts.start(shell, FROM_NODE, GIVEN, Script("base", str(file), "a1", on_node=True, sha256=hashed), job)
    if after:
        wait_for((tmp_path / after).exists)
        meanwhile(file)
        (tmp_path / "go").touch()

    def ended() -> ScriptState | None:
        seen = scripts.look(shell, FROM_NODE, run, 0)
        return seen if seen is not None and not seen.under_way else None

    seen = wait_for(ended)
    assert seen is not None
    return seen


def test_a_script_of_the_node_that_is_what_was_hashed_is_run_where_it_lies(tmp_path: Path) -> None:
    seen = run_on_node(tmp_path, '#!/bin/sh\necho "$0 $* $CTID $CT_NAME"\nexit 4\n', lambda _: None)
    assert (seen.code, seen.log.decode()) == ("4", f"{tmp_path}/install_base.sh 103 103 {GIVEN.name}\n")


def test_a_run_counts_for_its_creation_alone(shell: NodeShell, tmp_path: Path) -> None:
    """A clone has in it what ran in its template, and what was adopted has whatever there is."""
    what = script(f"#!/bin/sh\necho x >>{tmp_path}/ran\n")
    places = [Place(NODE, 103, creation=creation) for creation in ("template", "clone", "adopted", "adopted")]
    for number, place in enumerate(places):
        assert end_of(shell, scripts.start(shell, place, GIVEN, what, f"t{number}")[1]).code == "0"
    assert (tmp_path / "ran").read_text() == "x\n" * len(places)
    assert scripts.start(shell, places[1], GIVEN, what, "later")[0] == ScriptState("ended", "0")


def test_what_ran_on_the_node_before_a_restore_is_run_for_what_was_restored(tmp_path: Path) -> None:
    """It is the same creation, and its notes of before the backup say that nothing ran."""
    for job in ("before", "after"):
        assert run_on_node(tmp_path, f"#!/bin/sh\necho x >>{tmp_path}/ran\n", lambda _: None, job=job).code == "0"
    assert (tmp_path / "ran").read_text() == "x\n" * 2


def a_pipe(file: Path) -> None:
    file.unlink()
    os.mkfifo(file)


@pytest.mark.parametrize("kind", ["a pipe", "a device", "a directory"])
def test_what_is_no_file_is_not_read_on_the_node(tmp_path: Path, kind: str) -> None:
    """It may have no end: each attempt would leave a process of root's there."""
    places = {"a pipe": tmp_path / "pipe", "a device": Path("/dev/zero"), "a directory": tmp_path}
    os.mkfifo(places["a pipe"])
    with pytest.raises(PermanentError) as caught:
        scripts.contents(OnNode(tmp_path), NODE, [__file__, str(places[kind])])
    assert caught.value.message == f"Unable to read scripts on {NODE}: {places[kind]}: Not a regular file."


def test_what_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"absent: No such file") as caught:
        scripts.contents(OnNode(tmp_path), NODE, [str(tmp_path / "absent")])
    assert caught.value.cause == "script-missing"


@pytest.mark.parametrize("change", ["written", "removed", "a pipe"])
def test_a_script_of_the_node_that_is_not_what_was_hashed_is_not_run(tmp_path: Path, change: str) -> None:
    seen = run_on_node(tmp_path, "#!/bin/sh\necho hello\n", {**CHANGES, "a pipe": a_pipe}[change])
    assert (seen.state, seen.code, seen.log) == ("ended", "changed", b"")


@pytest.mark.parametrize("change", CHANGES)
def test_a_script_of_the_node_that_is_changed_while_it_runs_has_not_run(tmp_path: Path, change: str) -> None:
    text = f"#!/bin/sh\ntouch {tmp_path}/begun; while [ ! -e {tmp_path}/go ]; do sleep 0.05; done; exit\n"
    assert run_on_node(tmp_path, text, CHANGES[change], after="begun").code == "changed"


HOSTILE = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda text: "/" not in text
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(name=HOSTILE, json_text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_names_and_values_of_the_catalog_are_never_read_by_a_shell(
    shell: NodeShell, tmp_path: Path, name: str, json_text: str
) -> None:
    shutil.rmtree(tmp_path / "lib", ignore_errors=True)
    declared = replace(GIVEN, name=name, script_json=json_text)
    prints = script('#!/bin/sh\nprintf "%s\\n" "$CT_NAME"\ncat "$CT_CONFIG"\n')
    _, run = scripts.start(shell, PLACE, declared, prints, "t1")
    assert end_of(shell, run).log == f"{name}\n{json_text}".encode()
