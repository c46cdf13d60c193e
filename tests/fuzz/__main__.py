"""The fuzz test as a command: ``python -m tests.fuzz --count 20000``."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter

from .mutations import mutated
from .workers import TIME_S, run_trials


def main() -> int:
    """Run the trials, print each failure and the counts; return 1 if a trial crashed or hung."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="number of scenarios")
    parser.add_argument("--first", type=int, default=0, help="number of the first scenario")
    parser.add_argument(
        "--time", type=float, default=TIME_S, help="longest processor time of one scenario, s"
    )
    parser.add_argument("--show", type=int, metavar="NUMBER", help="print a scenario and run nothing")
    arguments = parser.parse_args()
    if arguments.show is not None:
        sys.stdout.buffer.write(mutated(arguments.show).encode("utf-8", "surrogatepass"))
        return 0
    counts: Counter[str] = Counter()
    start_s = time.monotonic()
    numbers = range(arguments.first, arguments.first + arguments.count)
    for outcome in run_trials(numbers, time_s=arguments.time):
        counts[outcome.kind] += 1
        if outcome.kind in ("crashed", "hung"):
            print(f"scenario {outcome.number} {outcome.kind}: {outcome.detail}", flush=True)
        if counts.total() % 1000 == 0:
            print(_summary(counts, start_s), file=sys.stderr, flush=True)
    print(_summary(counts, start_s))
    return 1 if counts["crashed"] + counts["hung"] else 0


def _summary(counts: Counter[str], start_s: float) -> str:
    kinds = ("crashed", "hung", "refused", "timeline", "trained", "accepted")
    listed = ", ".join(f"{counts[kind]} {kind}" for kind in kinds)
    return f"{counts.total()} tried: {listed}; {time.monotonic() - start_s:.0f} s"


if __name__ == "__main__":
    sys.exit(main())
