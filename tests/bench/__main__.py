"""`python -m tests.bench [--only SECTION,…] [--quick]`: measures, prints the table, writes `build/bench.json`.

Sets up what it needs: cluster, images, chart. `--only` replaces those sections' rows in the file and keeps the rest.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence

from tests import cluster, images
from tests.bench import burst, delays, durations, ground, herd, idle, latency, monitors, programs, results, sidecar
from tests.bench.ground import Ground
from tests.bench.results import Row
from tests.cluster import ClusterError, current
from tests.cluster.layout import CHECKOUT
from tests.cluster.progress import say

OUTPUT = CHECKOUT / "build" / "bench.json"
INSIDE = "CRONITOR_K8S_BENCH_INSIDE"

# In this order: what is idle before anything is busy.
SECTIONS: dict[str, Callable[..., list[Row]]] = {
    "idle": idle.measure,
    "admission-latency": latency.measure,
    "burst": burst.measure,
    "sidecar": sidecar.measure,
    "job-duration": durations.measure,
    "status-delay": delays.measure,
    "monitors": monitors.measure,
}
WITHOUT_CLUSTER: dict[str, Callable[..., list[Row]]] = {"herd": herd.measure}
NAMES = (*SECTIONS, *WITHOUT_CLUSTER)


def main(arguments: Sequence[str]) -> int:
    options = _options(arguments)
    try:
        if current.chosen():
            raise ClusterError("CLUSTER=current: the bench measures in the test cluster only")
        chosen = [name for name in NAMES if name in (options.only or NAMES)]
        if INSIDE not in os.environ and any(name in SECTIONS for name in chosen):
            _enter(arguments)
        return _carry_out(chosen, fresh=not options.only, quick=options.quick)
    except ClusterError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", type=_sections, help=f"some of {','.join(NAMES)}")
    parser.add_argument("--quick", action="store_true", help="few samples: to see that it works, not how well")
    return parser.parse_args(arguments)


def _sections(text: str) -> list[str]:
    names = [name for name in text.split(",") if name]
    if unknown := set(names) - set(NAMES):
        raise argparse.ArgumentTypeError(f"no such section: {', '.join(sorted(unknown))}")
    return names


def _enter(arguments: Sequence[str]) -> None:
    """Make what is made with the machine's own network, then go on in the cluster's."""
    cluster.up()
    images.load(images.build())
    for name in (programs.EMPTY_WEBHOOK, programs.LOAD):
        programs.build(name)
    environment = {**os.environ, **cluster.environment(), INSIDE: "1"}
    line = cluster.command_line([sys.executable, "-m", "tests.bench", *arguments])
    os.chdir(CHECKOUT)
    os.execvpe(line[0], line, environment)


def _carry_out(chosen: Sequence[str], *, fresh: bool, quick: bool) -> int:
    rows: list[Row] = [] if fresh or not OUTPUT.exists() else results.read(OUTPUT.read_text())
    measured: list[Row] = []

    def add(name: str, found: list[Row], seconds: float) -> None:
        nonlocal rows
        say(f"{name}: {seconds:.0f} s")
        measured.extend(found)
        rows = results.merged(rows, found)
        OUTPUT.parent.mkdir(exist_ok=True)
        OUTPUT.write_text(results.written(rows))

    for name in chosen:
        if name in WITHOUT_CLUSTER:
            started = time.monotonic()
            add(name, WITHOUT_CLUSTER[name](quick=quick), time.monotonic() - started)
    on_cluster = [name for name in chosen if name in SECTIONS]
    if on_cluster:
        with ground.prepared() as prepared:
            _on_cluster(prepared, on_cluster, add, quick=quick)
    print(results.table(measured))
    return 0


def _on_cluster(
    prepared: Ground, chosen: Sequence[str], add: Callable[[str, list[Row], float], None], *, quick: bool
) -> None:
    for name in chosen:
        say(f"measuring {name} …")
        started = time.monotonic()
        add(name, SECTIONS[name](prepared, quick=quick), time.monotonic() - started)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
