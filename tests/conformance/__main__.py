"""`python -m tests.conformance`: try the product on a Proxmox, tell what was seen, and leave nothing behind."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

from phoenix_producer import EnsureFailed
from phoenix_worker.core.model.errors import PermanentError, TransientError
from tests.conformance.cases import CASES
from tests.conformance.ground import Ground, NotShownError, standing_ground
from tests.conformance.report import CaseReport, Report
from tests.conformance.target import CTIDS_NEEDED, SECRET_VARIABLE, Target, UnfitError, target_of

if TYPE_CHECKING:
    from collections.abc import Callable

_FAILED, _BAD_INPUT = 1, 2


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - this is its output


def main() -> int:
    """Run all cases. Returns 0 if all went well and nothing is left, 1 if not, 2 if nothing was begun."""
    parser = argparse.ArgumentParser(
        prog="make conformance",
        description=f"Make, change and destroy containers on a Proxmox of yours, at {CTIDS_NEEDED} free CTIDs.",
        epilog=f"The token's secret comes from {SECRET_VARIABLE}, or from --secret-file.",
    )
    parser.add_argument("--pve", required=True, metavar="URL", help="such as https://pve1.example:8006")
    parser.add_argument("--token", required=True, metavar="USER@REALM!NAME", help="the API token's id")
    parser.add_argument("--secret-file", type=Path, help="a file that holds the token's secret and nothing else")
    parser.add_argument("--node", help="the node to use")
    parser.add_argument("--nodes", metavar="A,B", help="instead: two nodes of one cluster, for the cases that take two")
    parser.add_argument("--storage", required=True, help="where root disks go")
    parser.add_argument("--ctids", required=True, metavar="FIRST-LAST", help="such as 9000-9020; all must be free")
    parser.add_argument("--ca", type=Path, help="the cluster's CA, /etc/pve/pve-root-ca.pem of a node")
    parser.add_argument("--bridge", default="vmbr0", help="(default %(default)s)")
    parser.add_argument("--os-template", metavar="VOLUME", help="(default: the smallest on --template-storage)")
    parser.add_argument("--template-storage", default="local", help="(default %(default)s)")
    parser.add_argument("--report", type=Path, metavar="PATH", help="write the report to PATH.md and PATH.json")
    options = parser.parse_args()
    try:
        target = target_of(options, os.environ)
        report = Report()
        _see_that_it_can_be_written(options.report)
        with tempfile.TemporaryDirectory(prefix="conformance-") as directory:
            code = _try_out(target, Path(directory), report)
    except (UnfitError, PermanentError, TransientError) as error:
        print(f"Nothing was begun: {error}", file=sys.stderr)  # noqa: T201 - as above
        return _BAD_INPUT
    if options.report is not None:
        report.write(options.report)
    return code


def _see_that_it_can_be_written(report: Path | None) -> None:
    if report is not None and not os.access(report.absolute().parent, os.W_OK):
        raise UnfitError(f"the report cannot be written to {report.absolute().parent}.")


def _try_out(target: Target, directory: Path, report: Report) -> int:
    interrupted = False
    with standing_ground(target, directory, say) as ground:
        report.place = ground.description()
        say(report.place)
        try:
            for case in CASES:
                report.cases.append(tried(case, ground))
        except KeyboardInterrupt:
            interrupted = True
        finally:
            report.left = list(ground.clean_up())
    say(report.summary())
    failed = [case.name for case in report.cases if case.verdict == "FAILED"] + ["interrupted"] * interrupted
    if failed:
        say(f"Failed: {', '.join(failed)}.")
    return _FAILED if failed or report.left else 0


def tried(case: Callable[[Ground], None], ground: Ground) -> CaseReport:
    """Try one case, and say and report how it went."""
    began, name = time.monotonic(), case.__name__.replace("_", " ")
    try:
        case(ground)
        verdict, why = "ok", ""
    except NotShownError as unshown:
        verdict, why = "not shown", str(unshown)
    except (AssertionError, EnsureFailed, ExceptionGroup, PermanentError, TransientError, TimeoutError) as error:
        verdict, why = "FAILED", f"{type(error).__name__}: {str(error) or _line_of(error)}"
    seconds = time.monotonic() - began
    say(f"{verdict:9}{seconds:6.1f} s  {name}")
    seen = [*ground.take_sightings(), *filter(None, [why])]
    for line in seen:
        say(f"{'':19}{line}")
    return CaseReport(name, verdict, round(seconds, 1), seen, ground.take_upids())


def _line_of(error: BaseException) -> str:
    """Return the line of an assertion that says nothing itself."""
    return traceback.extract_tb(error.__traceback__)[-1].line or ""


if __name__ == "__main__":
    sys.exit(main())
