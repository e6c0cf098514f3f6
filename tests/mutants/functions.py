"""A copy of the packages, changed by mutmut where functions are mutated; what the tests made of each change."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import chdir
from difflib import unified_diff
from functools import cache
from typing import TYPE_CHECKING, Any

from tests.mutants.grounds import EVERY, FOUND, KILLED, KNOWN, MUTANTS_OF, NAMES, ONLY
from tests.support.worker import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.mutants.grounds import Ground

PLACE = ROOT / "build" / "mutants"
_LAID_OUT = {
    "producer/phoenix_producer": "src/phoenix_producer",
    "worker/phoenix_worker": "src/phoenix_worker",
    "scripts": "src/scripts",
    **{name: name for name in ("tests", "docs", "examples")},
}
# Nobody reads why a test failed, and to say it takes ten times as long as the test.
_CONFIGURATION = """
[tool.mutmut]
source_paths = ["src"]
[tool.pytest.ini_options]
addopts = ["-n0", "-q", "--tb=native", "--assert=plain", "-pno:fakepve", "-pno:valkey", "-pno:randomly",
  "-pno:cacheprovider", "-pno:terminal"]
filterwarnings = ["error"]
markers = ["browser", "crash", "long"]
"""


def mutate(ground: Ground, every: int, *, only: str, rest: bool) -> dict[str, str]:
    """Run the tests nearest to each mutant, or to one of so many; how each ended, by its name.

    `only`: how the names begin of those that are tried, separated by spaces; all if it is empty.
    `rest`: what was killed last time is not tried again, unless its module has changed since.
    """
    killed, was = _killed(ground) if rest else set(), _mutated(ground)
    place = _stage(ground)
    written = {
        file: _write_mutants(place / "src", file) for pattern in ground.modules for file in _files(place, pattern)
    }
    now = _mutated(ground)
    killed -= {name for file, names in written.items() if now[file] != was.get(file) for name in names}
    (place / NAMES).write_text(json.dumps([name for names in written.values() for name in names]))
    (place / KNOWN).write_text(json.dumps(sorted(killed)))
    command = [sys.executable, "-m", "pytest", "-p", "tests.mutants.each", "--hypothesis-profile=mutants"]
    environ = os.environ | {EVERY: str(every), ONLY: only}
    environ |= {"PYTHONPATH": f"{place / 'src'}:{place}", "PHOENIX_NO_SHRINK": "1"}
    if ground.made_by:
        environ[MUTANTS_OF] = ground.made_by
    subprocess.run([*command, *ground.tests], cwd=place, check=True, env=environ)
    return _found(ground)


def _place(ground: Ground) -> Path:
    return PLACE / ground.name.replace("/", "-")


def _found(ground: Ground) -> dict[str, str]:
    found: dict[str, str] = json.loads((_place(ground) / FOUND).read_text())
    return found


def _killed(ground: Ground) -> set[str]:
    if not (_place(ground) / FOUND).exists():
        return set()
    return {name for name, ended in _found(ground).items() if ended == KILLED}


def _mutated(ground: Ground) -> dict[Path, str]:
    place = _place(ground)
    return {file: file.read_text() for pattern in ground.modules for file in _files(place, pattern)}


def _stage(ground: Ground) -> Path:
    place = _place(ground)
    shutil.rmtree(place, ignore_errors=True)
    for source, target in _LAID_OUT.items():
        shutil.copytree(ROOT / source, place / target, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
    (place / "pyproject.toml").write_text(_CONFIGURATION)
    return place


def _files(place: Path, pattern: str) -> Iterator[Path]:
    yield from sorted((place / "src").glob(pattern))


def _write_mutants(source: Path, file: Path) -> list[str]:
    """Put mutants beside the functions of a file; their names."""
    from mutmut.mutation.file_mutation import mutate_file_contents  # noqa: PLC0415 - `make mutants` alone installs it
    from mutmut.utils.format_utils import get_mutant_name  # noqa: PLC0415

    with chdir(source.parent):  # where mutmut looks for its configuration
        mutated = mutate_file_contents(str(file), file.read_text())
    file.write_text(mutated.code)
    return [get_mutant_name(file.relative_to(source), name) for name in mutated.mutant_names]


def difference(ground: Ground, mutant: str) -> str:
    """Show what was changed."""
    if ground.made_by:
        return mutant
    from mutmut.mutation.diff_apply import read_mutant_function, read_original_function  # noqa: PLC0415

    name = mutant.rpartition(".")[0].replace(".", "/")
    module = _parsed(_place(ground) / "src" / f"{name}.py")
    was, is_now = (
        module.code_for_node(read(module, mutant)).strip().splitlines()
        for read in (read_original_function, read_mutant_function)
    )
    return "\n".join((f"{name}.py", *list(unified_diff(was, is_now, lineterm="", n=0))[2:]))


@cache
def _parsed(file: Path) -> Any:
    import libcst  # noqa: PLC0415

    return libcst.parse_module(file.read_text())
