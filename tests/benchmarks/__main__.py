"""`make bench`: what we add to Proxmox's own time, what we cost, and how both grow; the baselines run beside.

Parts as arguments measure those alone (`make bench ARGS="clones duplicates"`); without any, most of them run.
Numbers are ratios measured in one run wherever they can be, on a real Redis, real worker processes and the simulator
behind HTTPS, with default settings. Results go to `build/bench`: a JSON file, and an SVG for each curve.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import engine, growth, http, page, product, size, watching
from tests.benchmarks.report import Report

if TYPE_CHECKING:
    from collections.abc import Callable

PARTS: dict[str, Callable[[Report], None]] = {
    "chains": engine.chains,
    "hand_over": engine.hand_over,
    "parked": engine.parked,
    "clones": product.clones,
    "lanes": product.lanes,
    "calls": product.calls,
    "unchanged": product.unchanged,
    "duplicates": product.duplicates,
    "queued": growth.queued,
    "made": growth.made,
    "templates": growth.templates,
    "workers": growth.workers,
    "catalog": growth.catalog,
    "watcher": watching.watcher,
    "size": size.size,
}
NOT_BY_DEFAULT: dict[str, Callable[[Report], None]] = {
    "http": http.http,
    "page": page.page,
    "watcher_long": watching.watcher_long,
}


def main() -> None:
    known = PARTS | NOT_BY_DEFAULT
    told = "\n".join(f"  {name:13} {(part.__doc__ or '').splitlines()[0]}" for name, part in known.items())
    parser = argparse.ArgumentParser(
        prog="make bench", description=f"Parts:\n{told}", formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", choices=[*known, []], metavar="PART", help=f"all but {', '.join(NOT_BY_DEFAULT)} by default"
    )
    parser.add_argument("--out", type=Path, default=Path("build/bench"), help="where the files go (%(default)s)")
    options = parser.parse_args()
    if strange := set(options.parts) - set(known):
        parser.error(f"There is no part {', '.join(sorted(strange))}. Parts: {' '.join(known)}")
    report = Report()
    for name in options.parts or PARTS:
        known[name](report)
    report.conclude(options.out)


if __name__ == "__main__":
    os.environ.pop("REDIS_URL", None)
    main()
