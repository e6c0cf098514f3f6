"""Where scripts are, what lies beside them, and what is refused about them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.loading import Defaults
from phoenix_worker.catalog.scripts import ScriptPlaces
from tests.unit.catalog_files import DEFAULTS, OS_TEMPLATE, clone, loaded, refusals, template

if TYPE_CHECKING:
    from pathlib import Path

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
