"""One SVG per curve, by matplotlib, which comes with the extra `bench`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib import rcParams
from matplotlib.figure import Figure as Canvas

if TYPE_CHECKING:
    from pathlib import Path

    from tests.benchmarks.report import Curve

_DECADE = 10
# The same numbers give the same file, and text stays text.
rcParams.update({"svg.hashsalt": "phoenix-lxc", "svg.fonttype": "none"})


def draw(curve: Curve, file: Path) -> None:
    """Draw all series of a curve; axes that span more than a decade are logarithmic."""
    canvas = Canvas(figsize=(7, 4), layout="constrained")
    axes = canvas.subplots()
    for name, points in curve.series.items():
        style = "--" if name == "bound" else "-"
        xs, ys = [x for x, _ in points], [y for _, y in points]
        axes.plot(xs, ys, style, marker="o", markersize=4, label=name, color="gray" if name == "bound" else None)
    every_x = [x for points in curve.series.values() for x, _ in points]
    every_y = [y for points in curve.series.values() for _, y in points]
    if min(every_x) > 0 and max(every_x) > _DECADE * min(every_x):
        axes.set_xscale("log")
    if min(every_y) > 0 and max(every_y) > _DECADE * min(every_y):
        axes.set_yscale("log")
    else:
        axes.set_ylim(bottom=0)
    axes.set(title=curve.title, xlabel=curve.x, ylabel=curve.y)
    axes.grid(visible=True, which="both", alpha=0.25)
    axes.legend()
    canvas.savefig(file, metadata={"Date": None})
