"""Compare the pinned dependencies with the known vulnerabilities, and list their licenses: `make audit`.

Both tools come into an environment of their own for the moment. Exit code 1 for a vulnerability, for a license that
nobody has accepted, and when the vulnerabilities could not be asked for: not audited is not sound.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from collections import defaultdict
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
ACCEPTED = ("MIT", "BSD", "Apache", "ISC", "MPL", "Mozilla", "PSF", "Python Software Foundation", "LGPL")
"""Words of licenses that ask nothing of those who only use the package."""
ACCEPTED_PACKAGES = {
    "fakepve": "AGPL-3.0: the simulator, which demo and tests start as a process of its own",
    "codespell": "GPL-2.0: a program of its own, which `make check` runs on the text",
    "asyncssh": "EPL-2.0: an SSH server for the tests",
}
_LIMIT_S = 600


def say(text: str) -> None:
    """Print a line of the report."""
    print(text, flush=True)  # noqa: T201 - this is the program's output


def output_of(*command: str) -> str:
    """Run a tool; it tells what it found by its output, and by an exit code that says nothing more."""
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=_LIMIT_S)
    if not done.stdout.strip():
        raise SystemExit(f"{' '.join(command)} told nothing:\n{done.stderr}")
    return done.stdout


def vulnerabilities(tools: Path) -> bool:
    """Ask pip-audit; whether all is well."""
    told = output_of(
        str(tools / "pip-audit"),
        "-r",
        "constraints.txt",
        "--no-deps",
        "--disable-pip",
        "-f",
        "json",
        "--progress-spinner=off",
    )
    packages: list[dict[str, Any]] = json.loads(told)["dependencies"]
    holes = [(one, hole) for one in packages for hole in one.get("vulns", ())]
    for one, hole in holes:
        fixed = ", ".join(hole["fix_versions"]) or "no version yet"
        say(f"VULNERABLE  {one['name']} {one['version']}: {hole['id']}, mended in {fixed}")
    unknown = [one["name"] for one in packages if "skip_reason" in one]
    audited = len(packages) - len(unknown)
    say(f"Vulnerabilities: {audited} of {len(packages)} packages audited, {len(holes)} found.")
    if unknown:
        say(f"NOT AUDITED: {len(unknown)}, such as {unknown[0]}. The package index in use does not answer pip-audit.")
    return not holes and not unknown


def licenses(tools: Path) -> bool:
    """Ask pip-licenses about what is installed in .venv; whether each license is accepted."""
    python = str(ROOT / ".venv" / "bin" / "python")
    told = output_of(str(tools / "pip-licenses"), "--python", python, "--from=mixed", "--format=json")
    by_license: dict[str, list[str]] = defaultdict(list)
    refused = []
    for one in json.loads(told):
        name, terms = one["Name"], one["License"]
        by_license[terms].append(name)
        if name not in ACCEPTED_PACKAGES and not any(word in terms for word in ACCEPTED):
            refused.append(f"{name}: {terms}")
    for terms, names in sorted(by_license.items()):
        say(f"{terms}: {', '.join(sorted(names))}")
    for name, why in ACCEPTED_PACKAGES.items():
        say(f"Accepted by name: {name}, {why}")
    say(f"Licenses: {len(refused)} of {sum(map(len, by_license.values()))} packages not accepted.")
    for line in refused:
        say(f"NOT ACCEPTED: {line}")
    return not refused


def main() -> int:
    """Do both."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=True)
        tools = Path(folder, "bin")
        command = [str(tools / "pip"), "install", "-q", "--disable-pip-version-check", "pip-audit", "pip-licenses"]
        subprocess.run(command, check=True, capture_output=True, timeout=_LIMIT_S)
        sound = [vulnerabilities(tools), licenses(tools)]
    return 0 if all(sound) else 1


if __name__ == "__main__":
    sys.exit(main())
