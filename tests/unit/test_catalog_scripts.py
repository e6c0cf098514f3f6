"""Where scripts are, what lies beside them, and what is refused about them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phoenix_worker.catalog.loading import Defaults
from phoenix_worker.catalog.scripts import ScriptPlaces
from tests.unit.catalog_files import DEFAULTS, loaded, refusals, template

if TYPE_CHECKING:
    from pathlib import Path


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
