"""What was measured: lines as they come, one table, one JSON file, one picture per curve."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from tests.benchmarks.picture import draw

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figure:
    """One number. `reach` is what the design asks for, with its sense: `≤ 1.05`."""

    part: str
    what: str
    value: float
    unit: str = ""
    reach: str = ""
    note: str = ""

    @property
    def shown(self) -> str:
        digits = 0 if self.value >= 100 else 2 if self.value >= 1 else 3
        return f"{self.value:,.{digits}f} {self.unit}".strip()

    @property
    def reached(self) -> str:
        """Whether it is as the design asks; empty where it asks for nothing."""
        if not self.reach:
            return ""
        sense, number = self.reach.split()[:2]
        return "yes" if (self.value <= float(number)) is (sense == "≤") else "no"


@dataclass(slots=True)
class Curve:
    """How something grows; a series called `bound` is the physical one."""

    name: str
    title: str
    x: str
    y: str
    series: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def add(self, series: str, x: float, y: float) -> None:
        self.series.setdefault(series, []).append((x, y))


class Report:
    """Collects figures and curves."""

    def __init__(self) -> None:
        self._console = Console(width=140, highlight=False, soft_wrap=True)
        self._figures: list[Figure] = []
        self._curves: list[Curve] = []
        self.say("load", f"{os.getloadavg()[0]:.1f} before, on {os.cpu_count()} cores")

    def say(self, part: str, text: str) -> None:
        self._console.print(f"{part:11} {text}", markup=False)

    def add(self, part: str, what: str, value: float, unit: str = "", *, reach: str = "", note: str = "") -> None:
        figure = Figure(part, what, value, unit, reach, note)
        self._figures.append(figure)
        told = f" ({note})" if note else ""
        wanted = f", to reach {reach}: {figure.reached}" if reach else ""
        self.say(part, f"{what}: {figure.shown}{wanted}{told}")

    def curve(self, name: str, title: str, *, x: str, y: str) -> Curve:
        curve = Curve(name, title, x, y)
        self._curves.append(curve)
        return curve

    def conclude(self, directory: Path) -> None:
        """Print the table; write it as `results.md`, with the curves as `results.json`, and `NAME.svg` for each."""
        directory.mkdir(parents=True, exist_ok=True)
        table = Table("part", "what", "measured", "to reach", "reached", "note", box=SIMPLE)
        for one in self._figures:
            table.add_row(one.part, one.what, one.shown, one.reach, one.reached, one.note)
        self._console.print(table)
        machine = {
            "system": platform.platform(),
            "python": platform.python_version(),
            "cores": os.cpu_count(),
            "load": os.getloadavg(),
        }
        told = {
            "machine": machine,
            "figures": [asdict(one) | {"reached": one.reached} for one in self._figures],
            "curves": [asdict(curve) for curve in self._curves],
        }
        (directory / "results.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        (directory / "results.md").write_text(self._page())
        for curve in self._curves:
            draw(curve, directory / f"{curve.name}.svg")
        self.say("written", f"results.json, results.md and {len(self._curves)} pictures in {directory}")

    def _page(self) -> str:
        rows = [("part", "what", "measured", "to reach", "reached", "note"), ("---",) * 6]
        rows += [(one.part, one.what, one.shown, one.reach, one.reached, one.note) for one in self._figures]
        return "".join(f"| {' | '.join(row)} |\n" for row in rows)
