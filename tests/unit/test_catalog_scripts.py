"""Where scripts are, what lies beside them, and what is refused about them."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from typing import TYPE_CHECKING, Any

import pytest

from phoenix_worker.catalog.directories import BYTES_AT_MOST, FILES_AT_MOST
from phoenix_worker.catalog.loading import Defaults
from phoenix_worker.catalog.scripts import ScriptPlaces
from tests.unit.catalog_files import DEFAULTS, OS_TEMPLATE, clone, loaded, refusals, template

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from phoenix_worker.catalog.declaration import Script

SCRIPTED: dict[str, Any] = {
    "900": template(features=["base"], memory_mb=512),
    "103": clone(features=["base"], application_script="app.sh", health_check={"command": "true"}),
}


def put(folder: Path, *names: str, text: str = "#!/bin/sh\n") -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_each_script_runs_where_its_kind_does_unless_it_says_otherwise(tmp_path: Path) -> None:
    keys = {"features": ["base", "gpu"], "application_script": "app.sh"}
    on_node = Defaults("pve", scripts=ScriptPlaces("/opt/install_{feature}.sh"))

    def files(defaults: Defaults, **more: Any) -> list[tuple[str, bool]]:
        (tmp_path / "app.sh").write_text("#!/bin/sh\n")
        scripts = loaded(tmp_path, {"103": template(**keys, **more)}, defaults)[103].scripts
        return [(script.file, script.on_node) for script in scripts]

    assert files(on_node) == [("/opt/install_base.sh", True), ("/opt/install_gpu.sh", True), ("app.sh", False)]
    own = {"script_files": {"gpu": "features/gpu.sh", "application_script": "/srv/app"}}
    assert files(on_node, **own) == [("/opt/install_base.sh", True), ("features/gpu.sh", False), ("/srv/app", True)]
    own = {"script_files": {"gpu": "/opt/gpu"}}
    assert files(DEFAULTS, **own) == [("features/base.sh", False), ("/opt/gpu", True), ("app.sh", False)]
    catalog = loaded(tmp_path, {"103": template(**keys)}, on_node)
    assert (catalog.warnings, catalog[103].scripts[2].missing) == ((), False)


def test_a_file_for_a_script_that_is_not_run_is_refused(tmp_path: Path) -> None:
    entry = template(features=["base"], script_files={"bsae": "features/base.sh", "application_script": "a.sh"})
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": entry}})
    assert refusal.problem == "script_files has bsae, application_script, which it does not run."
    assert refusal.remedy == "Its scripts are: base."


def test_what_is_declared_without_newer_keys_keeps_its_hashes(tmp_path: Path) -> None:
    """A version that knows more must not run every script again. These are those of the commit before."""
    put(tmp_path, "features/base.sh", "app.sh")
    catalog = loaded(tmp_path, SCRIPTED, site="lab")
    hashes = {ctid: (one.hash, *(script.hash for script in one.scripts)) for ctid, one in catalog.items()}
    assert hashes == {
        900: ("46cf0f9a39b68253", "7f549c0ec8953fab"),
        103: ("576b652860046767", "92e26c99aebcecf2", "876025e1f26d905d"),
    }


def test_the_entry_of_a_template_is_there_for_the_scripts_of_its_clones(tmp_path: Path) -> None:
    put(tmp_path, "features/base.sh", "app.sh")

    def catalog(**root: Any) -> Any:
        between = clone(800, name="between", features=["base"])
        return loaded(tmp_path, SCRIPTED | {"800": template(ports=["80"], **root), "900": between})

    given = json.loads(catalog()[103].script_json)
    assert (given["template"]["name"], given["template"]["template"]["ports"]) == ("between", ["80"])
    assert given["template"]["template"]["template"] == OS_TEMPLATE
    assert given["lxc_configs"] == {"103": SCRIPTED["103"]}
    assert catalog()[103].scripts == catalog(memory_mb=256)[103].scripts, "they are not run again for that"


def scripts(folder: Path, **keys: Any) -> tuple[Script, ...]:
    return loaded(folder, {"103": template(features=["base", "web"], **keys)})[103].scripts


def test_directories_beside_scripts_are_pushed_with_them(tmp_path: Path) -> None:
    put(tmp_path, "features/base.sh", "features/web.sh", "features/files/lib.sh", "features/web.files/etc/web.conf")
    (tmp_path / "features/files/lib.sh").chmod(0o700)
    (tmp_path / "features/files/same").symlink_to("lib.sh")
    declared = loaded(tmp_path, {"103": template(features=["base", "web"])})[103]
    base, web = declared.scripts
    assert web.directories[:1] == base.directories
    parts = [declared.archives[digest] for digest in web.directories]
    with tarfile.open(fileobj=io.BytesIO(b"".join(parts) + bytes(1024))) as archive:
        members = {one.name: (oct(one.mode), one.linkname, one.uid) for one in archive.getmembers() if not one.isdir()}
    assert members == {
        "files/lib.sh": ("0o755", "", 0),
        "files/same": ("0o777", "lib.sh", 0),
        "web.files/etc/web.conf": ("0o644", "", 0),
    }


def test_a_script_is_another_one_with_what_lies_in_its_directories(tmp_path: Path) -> None:
    put(tmp_path, "features/base.sh", "features/web.sh")

    def hashes() -> list[str]:
        return [script.hash for script in scripts(tmp_path)]

    alone = hashes()
    put(tmp_path, "features/web.files/a")
    with_own = hashes()
    assert (with_own[0], with_own[1] == alone[1]) == (alone[0], False)
    os.utime(tmp_path / "features/web.files/a", (1, 1))
    assert hashes() == with_own, "times do not count"
    (tmp_path / "features/web.files/a").chmod(0o755)
    assert hashes()[1] != with_own[1]
    put(tmp_path, "features/files/a")
    assert hashes()[0] != alone[0]


def test_directories_beside_scripts_on_the_node_are_left_there(tmp_path: Path) -> None:
    put(tmp_path, "features/base.sh", "features/web.sh", "features/files/a")
    (base, web) = scripts(tmp_path, script_files={"web": "/opt/web.sh"})
    assert (len(base.directories), web.directories) == (1, ())


def fill(files: Path) -> None:
    for number in range(FILES_AT_MOST):
        (files / str(number)).touch()


def move_out(files: Path) -> None:
    files.rename(files.parent.parent / "outside")
    files.symlink_to("../outside")


UNFIT: dict[str, tuple[Callable[[Path], object], str]] = {
    "link": (lambda files: (files / "x").symlink_to("../../secret"), "has the link x, which leads out of it"),
    "absolute": (lambda files: (files / "x").symlink_to(files / "a"), "has the link x, which leads out of it"),
    "fifo": (lambda files: os.mkfifo(files / "x"), "has x, which is neither a file nor a directory"),
    "large": (lambda files: (files / "x").write_bytes(bytes(BYTES_AT_MOST)), "has more than 4 MiB"),
    "many": (fill, "has more than 1000 entries"),
    "itself": (move_out, "is a link that leads out of its directory"),
}


@pytest.mark.parametrize("kind", UNFIT)
def test_a_directory_that_is_too_large_or_leads_out_is_refused(tmp_path: Path, kind: str) -> None:
    make, problem = UNFIT[kind]
    put(tmp_path, "features/base.sh", "features/files/a", "secret")
    make(tmp_path / "features" / "files")
    (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(features=["base"])}})
    assert refusal.problem.startswith(f"The directory features/files {problem}")
    assert "at most 1000 entries and 4 MiB" in refusal.remedy


def test_a_feature_of_proxmox_among_the_scripts_is_told_so(tmp_path: Path) -> None:
    (warned,) = loaded(tmp_path, {"103": template(features=["nesting", "base"])}).warnings
    assert warned.remedy.endswith("Proxmox's own features go into pct_options: nesting=1.")
    put(tmp_path, "features/nesting.sh")
    (warned,) = loaded(tmp_path, {"103": template(features=["nesting", "base"])}).warnings
    assert "pct_options" not in warned.remedy


CRLF, MARK = "#!/bin/sh\r\necho a\r\n", "\ufeff#!/bin/sh\necho a\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (CRLF, "has a Windows line ending"),
        (CRLF.replace("/bin/sh", "/usr/bin/env bash"), "has a Windows line ending"),
        (MARK, "byte order mark"),
    ],
)
def test_a_script_that_no_interpreter_can_run_is_told_with_the_command_that_mends_it(
    tmp_path: Path, text: str, problem: str
) -> None:
    script = tmp_path / "-a b.sh"
    script.write_bytes(text.encode())
    entries = {"103": template(application_script=script.name)}
    (warned,) = loaded(tmp_path, entries).warnings
    (refused,) = refusals(tmp_path, {"lxc_configs": entries}, require_scripts=True)
    assert str(warned) == str(refused)
    assert problem in warned.problem
    subprocess.run(warned.remedy.partition(": ")[2], shell=True, check=True, cwd=tmp_path)  # noqa: S602 - as it is typed
    assert script.read_bytes() == text.encode().replace(b"\r", b"").removeprefix(b"\xef\xbb\xbf")
    assert loaded(tmp_path, entries).warnings == ()


def test_line_ends_behind_the_first_line_are_the_scripts_own(tmp_path: Path) -> None:
    (tmp_path / "a.sh").write_bytes(b"#!/bin/sh\necho a\r\n")
    (tmp_path / "b.sh").write_bytes(b"echo a\r\n")
    entries = {"103": template(application_script="a.sh"), "104": template(application_script="b.sh")}
    assert loaded(tmp_path, entries).warnings == ()


def test_a_health_check_is_a_command_or_a_script(tmp_path: Path) -> None:
    put(tmp_path, "checks/web.sh", "checks/files/lib.sh")

    def checked(**keys: Any) -> Any:
        return loaded(tmp_path, {"103": template(health_check=keys)})[103]

    script = checked(script="checks/web.sh").health_check.script
    assert (script.file, script.missing, len(script.directories)) == ("checks/web.sh", False, 1)
    assert "lxc_configs" in checked(script="checks/web.sh").script_json
    before = checked(script="checks/web.sh").hash
    put(tmp_path, "checks/web.sh", text="#!/bin/sh\nexit 0\n")
    assert checked(script="checks/web.sh").hash != before, "so it is asked again"
    (advice,) = loaded(tmp_path, {"103": template(health_check={"script": "gone.sh"})}).warnings
    assert advice.problem == "gone.sh not found beside the catalog."
    for keys in ({"command": "true", "script": "checks/web.sh"}, {"retries": 3}):
        (refusal,) = refusals(tmp_path, {"lxc_configs": {"103": template(health_check=keys)}})
        assert refusal.remedy == "Declare command or script."
