"""`python -m tests.chaos --minutes 20 --seed 7`, inside the cluster's network: see `make chaos`."""

import argparse
import os
import random
import signal
import sys
from types import FrameType

from tests.chaos.plan import plan
from tests.chaos.run import run


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=20.0, help="for how long Jobs are made and things fail")
    parser.add_argument("--seed", type=int, default=None, help="what decides on both; by default one is drawn")
    options = parser.parse_args()
    if os.environ.get("CLUSTER") == "current":
        print("chaos kills processes of its own node: it runs on the test cluster only", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, _interrupt)  # so that everything is healed before the end
    seed = random.randrange(10**6) if options.seed is None else options.seed
    print(
        f"seed {seed}, {options.minutes:g} min (again: make chaos MINUTES={options.minutes:g} SEED={seed})", flush=True
    )
    verdict = run(plan(seed, options.minutes * 60), lambda line: print(line, flush=True))
    return 0 if verdict.good else 1


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
