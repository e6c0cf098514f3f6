"""The report of a run, for people (Markdown) and for programs (JSON): what was tried where, and what was seen."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class CaseReport:
    """One case: `ok`, `not shown` or `FAILED`, its seconds, what was seen, and the Proxmox tasks of its requests."""

    name: str
    verdict: str
    seconds: float
    seen: list[str]
    upids: list[str]


@dataclass(slots=True)
class Report:
    """All of a run."""

    place: str = ""
    """The version of Proxmox, its node, storage and OS template."""
    began: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    product: str = field(default_factory=lambda: version("phoenix-lxc"))
    python: str = field(default_factory=platform.python_version)
    cases: list[CaseReport] = field(default_factory=list)
    left: list[str] = field(default_factory=list)

    def summary(self) -> str:
        """Tell how it went, in a line."""
        well, unshown = (sum(case.verdict == one for case in self.cases) for one in ("ok", "not shown"))
        not_shown = f", {unshown} could not be shown" if unshown else ""
        return f"{well} of {len(self.cases)} went well{not_shown}. Left behind: {', '.join(self.left) or 'nothing'}."

    def write(self, path: Path) -> None:
        """Write PATH.md and PATH.json. Raises OSError where they cannot be written."""
        path.with_name(f"{path.name}.json").write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")
        path.with_name(f"{path.name}.md").write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """Write it for people."""
        lines = [
            f"# Conformance, {self.began[:10]}",
            "",
            f"{self.place}. phoenix-lxc {self.product}, Python {self.python}, begun {self.began}.",
            "",
            f"**{self.summary()}**",
            "",
            "| case | verdict | seconds |",
            "|---|---|---|",
            *(f"| {case.name} | {case.verdict} | {case.seconds:.1f} |" for case in self.cases),
        ]
        for case in self.cases:
            told = [*case.seen, *case.upids]
            lines += ["", f"## {case.name}", "", *(["```", *told, "```"] if told else ["Nothing to tell."])]
        return "\n".join(lines) + "\n"
