"""`python -m tests.chaos`: rounds of chaos until the time is over."""

from __future__ import annotations

import argparse
import logging
import secrets
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

from phoenix_worker.commands.demo.embedded import private_redis
from tests.chaos.crew import CONCURRENCY
from tests.chaos.numbers import Numbers
from tests.chaos.redis_faults import Failovers, OneServer, Store
from tests.chaos.round import TROUBLES, Round
from tests.support.proxmox import Simulator
from tests.support.sentinels import Sentinels

ROUND_SECONDS = 60.0


def one_round(
    seed: str,
    seconds: float,
    pool: str,
    *,
    sentinels: bool = False,
    verbose: bool = False,
    keep: Path | None = None,
    **more: Any,
) -> Numbers:
    """Run one round on a Redis and a Proxmox of its own. Raises AssertionError when something was lost or doubled.

    `more` are fields of Round.
    """
    began = time.monotonic()
    # They have a traceback for each connection that a fault breaks.
    for name in ("aiohttp.server", "fakepve"):
        logging.getLogger(name).setLevel(logging.CRITICAL)

    def tell(line: str) -> None:
        if verbose:
            print(f"{time.monotonic() - began:7.2f} {line}", flush=True)  # noqa: T201 - this is its output

    with ExitStack() as stack:
        directory = keep or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
        directory.mkdir(parents=True, exist_ok=True)
        store = _store(stack, directory / "redis", sentinels=sentinels)
        simulator = stack.enter_context(Simulator())
        rng = Random(seed)  # noqa: S311 - to replay
        return Round(rng, seconds, pool, directory, simulator, store, tell, **more).run()


def _store(stack: ExitStack, directory: Path, *, sentinels: bool) -> Store:
    if sentinels:
        return Failovers(stack.enter_context(Sentinels(directory)))
    return OneServer(stack.enter_context(private_redis(directory)), directory)


def main() -> int:
    """Parse the options, run the rounds, print the numbers."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=ROUND_SECONDS, help="for how long; begun rounds are ended")
    parser.add_argument("--seed", default=secrets.token_hex(3), help="what happens and when; printed")
    parser.add_argument("--pool", choices=sorted(CONCURRENCY), default="threads")
    parser.add_argument("--redis", choices=["server", "sentinels", "both"], default="both", help="both: in turn")
    nodes = "failing: they cease to answer; moving: an administrator migrates what stands there; steady: neither"
    parser.add_argument("--nodes", choices=sorted(TROUBLES), default="both", help=nodes)
    parser.add_argument("--ttl", type=float, default=1.0, help="seconds of the heartbeats; workers have 3 by default")
    parser.add_argument("--keep", type=Path, help="directory for the workers' logs and Redis's data")
    parser.add_argument("--verbose", action="store_true", help="a line for each event")
    options = parser.parse_args()
    print(f"seed {options.seed}, pool {options.pool}", flush=True)  # noqa: T201 - this is its output
    total, rounds, began = Numbers(), 0, time.monotonic()
    while not rounds or time.monotonic() - began < options.seconds:
        seconds = min(ROUND_SECONDS, options.seconds)
        keep = options.keep / str(rounds) if options.keep else None
        told = {"ttl": options.ttl, "nodes": options.nodes, "verbose": options.verbose, "keep": keep}
        sentinels = options.redis == "sentinels" or (options.redis == "both" and rounds % 2 == 1)
        numbers = one_round(f"{options.seed}/{rounds}", seconds, options.pool, sentinels=sentinels, **told)
        rounds += 1
        total.add(numbers)
        print(f"round {rounds}: {numbers}", flush=True)  # noqa: T201 - this is its output
    print(f"all {rounds}: {total}; nothing lost, nothing twice")  # noqa: T201 - this is its output
    print(f"longest recovery: {total.slowest}")  # noqa: T201 - this is its output
    return 0


if __name__ == "__main__":
    sys.exit(main())
