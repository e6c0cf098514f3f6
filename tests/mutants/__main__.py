"""`python -m tests.mutants`: what the tests nearest to the rules make of small changes to them."""

from __future__ import annotations

import argparse
import sys
from collections import Counter

from tests.mutants.functions import difference, mutate
from tests.mutants.grounds import GROUNDS, KILLED, NOT_REACHED, SURVIVED

ENOUGH = 0.9


def main() -> int:
    """Mutate what is named, or all; 1 where fewer than nine of ten mutants are killed."""
    parser = argparse.ArgumentParser(prog="make mutants ARGS=…", description=__doc__)
    names = [ground.name for ground in GROUNDS]
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(names)}; all by default")
    parser.add_argument("--show", action="store_true", help="what was changed in those that were not killed")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="try one of N mutants, spread evenly")
    begins = "only those whose names begin so, as --show has them: 'claim.lua tick.lua'"
    parser.add_argument("--only", default="", metavar="NAMES", help=begins)
    parser.add_argument("--rest", action="store_true", help="only those that were not killed last time")
    asked = parser.parse_args()
    if strange := set(asked.names) - set(names):
        parser.error(f"there is no {', '.join(sorted(strange))}")
    enough = True
    for ground in GROUNDS:
        if ground.name not in (asked.names or names):
            continue
        found = mutate(ground, asked.every, only=asked.only, rest=asked.rest)
        for mutant in [mutant for mutant, ended in found.items() if asked.show and ended != KILLED]:
            _say(f"# {found[mutant]}\n{difference(ground, mutant)}")
        enough = _told(ground.name, Counter(found.values())) and enough
    return 0 if enough else 1


def _told(name: str, ended: Counter[str]) -> bool:
    share = ended[KILLED] / ended.total()
    _say(
        f"{name}: {ended[KILLED]} of {ended.total()} killed ({share:.1%}), "
        f"{ended[SURVIVED]} survived, {ended[NOT_REACHED]} not reached"
    )
    return share >= ENOUGH


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - this is its output


if __name__ == "__main__":
    sys.exit(main())
