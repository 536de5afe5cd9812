"""Three minutes of chaos: a fixed seed, or the one that CHAOS_SEED gives. After the other tests: it installs anew."""

import os

import pytest

from tests.chaos.plan import plan
from tests.chaos.report import findings
from tests.chaos.run import run

SEED = 20_260
MINUTES = 3.0


@pytest.mark.cluster
@pytest.mark.timeout(1500)
@pytest.mark.skipif(os.environ.get("CLUSTER") == "current", reason="chaos kills processes of its own node")
def test_nothing_is_harmed_and_every_end_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("CHAOS_SEED") or SEED)

    def say(line: str) -> None:
        with capsys.disabled():
            print(line, flush=True)

    say(f"\nchaos: seed {seed}, {MINUTES:g} min (again: make chaos MINUTES={MINUTES:g} SEED={seed})")
    verdict = run(plan(seed, MINUTES * 60), say)
    # What several faults at once still bring about (a `run` that is missing, a repeat that none of them explains) is
    # printed here; `make chaos` fails for it.
    say(findings(verdict))
    assert verdict.harmed == ()
    assert verdict.untold == ()
