"""What runs here, for observers: `phoenix_build_info`, which is always 1."""

from __future__ import annotations

import platform
from importlib.metadata import version
from typing import TYPE_CHECKING

from prometheus_client.core import GaugeMetricFamily

from phoenix_worker.telemetry.about import DISTRIBUTION

if TYPE_CHECKING:
    from collections.abc import Iterator


class BuildInfo:
    """Versions of this worker, as labels."""

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Tell them."""
        told = {"version": version(DISTRIBUTION), "python": platform.python_version(), "celery": version("celery")}
        info = GaugeMetricFamily("phoenix_build_info", "Always 1; the labels are versions.", labels=list(told))
        info.add_metric(list(told.values()), 1.0)
        yield info
