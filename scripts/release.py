"""Release what is checked out: `make release`. Nothing is uploaded: pushing the tag has the hosted workflow publish it.

1. Refuse a tree with changes, a version that is tagged, and a changelog that does not give this version its date.
2. Build wheel and sdist into dist/, with an SBOM (CycloneDX) of what worker, Flower and command depend on.
3. Sign each file (`gpg --detach-sign`), and tag the commit (`git tag --sign`). The key is git's own, `user.signingkey`.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

EXTRAS = ("", "worker", "monitor", "cli", "http", "otel")
"""What is meant to run in production; the demo's and the tests' packages are left out."""


def say(text: str) -> None:
    """Tell what goes on."""
    print(text, flush=True)  # noqa: T201 - this is the program's output


def run(*command: str) -> str:
    """Run a step that must succeed; return what it prints."""
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed.")
    return done.stdout.strip()


def refusal(version: str) -> str | None:
    """Return why this cannot be released."""
    if not shutil.which("gpg"):
        return "gpg is not installed, and signs what is built."
    if run("git", "status", "--porcelain"):
        return "The tree has changes: commit them first."
    if run("git", "tag", "--list", f"v{version}"):
        return f"v{version} is tagged already: write the next version into pyproject.toml."
    return undated(version)


def undated(version: str) -> str | None:
    """Return what the changelog lacks."""
    if not re.search(rf"^## {re.escape(version)} - \d{{4}}-\d\d-\d\d$", Path("CHANGELOG.md").read_text(), re.MULTILINE):
        return f"CHANGELOG.md has no heading such as: ## {version} - 2026-01-31"
    return None


def mistagged(tag: str, version: str) -> str | None:
    """Return why what has this tag is not to be published: an index takes each version once, and for ever."""
    if tag != f"v{version}":
        return f"The tag is {tag}, and pyproject.toml has version {version}."
    return undated(version)


def signer() -> list[str]:
    """Return the option that has gpg sign with the key that git signs with, if git is told of one."""
    key = subprocess.run(["git", "config", "user.signingkey"], check=False, stdout=subprocess.PIPE, text=True)
    return ["--local-user", key.stdout.strip()] if key.stdout.strip() else []


def needed(name: str, extras: tuple[str, ...]) -> dict[str, str]:
    """Collect the distributions that one needs with these extras, as they are installed here, with their versions."""
    found: dict[str, str] = {}
    ahead, seen = [(name, extra) for extra in extras], set[tuple[str, str]]()
    while ahead:
        wanted, extra = ahead.pop()
        if (wanted, extra) in seen:
            continue
        seen.add((wanted, extra))
        found[wanted] = distribution(wanted).version
        for requirement in map(Requirement, distribution(wanted).requires or ()):
            if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
                ahead += [(canonicalize_name(requirement.name), one) for one in ("", *requirement.extras)]
    return {one: version for one, version in found.items() if one != name}


def sbom(version: str) -> dict[str, Any]:
    """Return the software bill of materials, as CycloneDX 1.5 has it."""
    of_index = sorted(needed("phoenix-lxc", EXTRAS).items())
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {"component": _component("application", "phoenix-lxc", version)},
        "components": [_component("library", name, release) for name, release in of_index],
    }


def _component(kind: str, name: str, version: str) -> dict[str, str]:
    purl = f"pkg:pypi/{name}@{version}"
    return {"type": kind, "name": name, "version": version, "purl": purl, "bom-ref": purl}


def main() -> int:
    """Do it; with `--sbom` print the SBOM alone, with `--tag TAG` say whether what is checked out may have that tag."""
    version = tomllib.loads(Path("pyproject.toml").read_text())["project"]["version"]
    if sys.argv[1:] == ["--sbom"]:
        say(json.dumps(sbom(version), indent=2))
        return 0
    if sys.argv[1:2] == ["--tag"]:
        why = mistagged(" ".join(sys.argv[2:]), version)
        say(f"Not published. {why}" if why else f"v{version} it is.")
        return 1 if why else 0
    if why := refusal(version):
        say(f"Not released. {why}")
        return 1
    dist = Path("dist")
    for old in dist.glob("*") if dist.exists() else ():
        old.unlink()
    run(sys.executable, "-m", "hatchling", "build", "-d", str(dist))
    Path(dist, f"phoenix_lxc-{version}.cdx.json").write_text(json.dumps(sbom(version), indent=2) + "\n")
    for file in sorted(dist.iterdir()):
        run("gpg", *signer(), "--armor", "--detach-sign", str(file))
    run("git", "tag", "--sign", f"v{version}", "--message", f"phoenix-lxc {version}")
    say(f"v{version} is tagged, and dist/ has what was built. To publish it: git push origin v{version}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
