"""`python -m tests.demo up | down`: the whole path on a real cluster, followed as it happens.

Exits with 0 only if what Cronitor's stand-in heard is what it should have heard.
"""

import argparse
import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from tests import cluster, installation
from tests.cluster.progress import say
from tests.cronitor.client import Client
from tests.cronitor.runs import Run
from tests.demo import stand_in
from tests.demo.expectations import EXPECTED, complaints
from tests.installation import TEST_LABEL

NAMESPACE = "cronitor-demo"
CRON_JOBS = Path(__file__).parent / "cronjobs.yaml"
STARTED_BY_HAND = ("backup", "invoices", "report")
ON_SCHEDULE = "heartbeat"
HEARD_WITHIN_SECONDS = 180.0
PROVISIONED_WITHIN_SECONDS = 60.0
INJECTION_LABEL = "k8s.cronitor.io/injection=enabled"


def up() -> int:
    """Set up everything and show four CronJobs run."""
    began = time.monotonic()
    cluster.up()
    installation.load_images()
    installation.remove_test_namespaces()
    address = stand_in.start()
    say(f"Cronitor's stand-in: {address.url} for pods, its page: {address.page}/")
    installation.install(address.url, api_key=stand_in.API_KEY, telemetry_key=stand_in.TELEMETRY_KEY, ca=address.ca)
    say(f"the chart is installed ({time.monotonic() - began:.0f} s since the start)")
    with Client(address.page) as cronitor:
        monitors = _start_cron_jobs()
        names = {key: name for name, key in monitors.items()}
        threading.Thread(target=_follow, args=(address.page, names), daemon=True).start()
        wrong = _judge(cronitor, monitors)
    for complaint in wrong:
        print(f"WRONG: {complaint}", file=sys.stderr)
    say(f"{len(EXPECTED)} CronJobs, {'all told right' if not wrong else 'not told right'}")
    say(f"the cluster stays up; see the timeline at {address.page}/ and end it all with `make demo-down`")
    return 1 if wrong else 0


def down() -> int:
    """Remove everything."""
    stand_in.stop()
    cluster.down()
    return 0


def _start_cron_jobs() -> dict[str, str]:
    """Label, apply, start three by hand; the monitor key of each CronJob by its name."""
    _create_namespace()
    say(f"kubectl label namespace {NAMESPACE} {INJECTION_LABEL}")
    cluster.run(["kubectl", "label", "namespace", NAMESPACE, INJECTION_LABEL])
    _wait_provisioned()
    say(f"kubectl apply -f {CRON_JOBS.name}")
    cluster.run(["kubectl", "apply", "--namespace", NAMESPACE, "--filename", str(CRON_JOBS)])
    for name in STARTED_BY_HAND:
        cluster.run(["kubectl", "create", "job", "--namespace", NAMESPACE, f"{name}-now", f"--from=cronjob/{name}"])
    found = json.loads(cluster.run(["kubectl", "get", "cronjobs", "--namespace", NAMESPACE, "--output", "json"]).stdout)
    metadata = [item["metadata"] for item in found["items"]]
    return {one["name"]: one["annotations"].get("k8s.cronitor.io/key", one["uid"]) for one in metadata}


def _create_namespace() -> None:
    metadata = {"name": NAMESPACE, "labels": {TEST_LABEL: "demo"}}
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
    cluster.run(["kubectl", "create", "--filename", "-"], stdin=json.dumps(manifest))


def _wait_provisioned() -> None:
    began = time.monotonic()
    while NAMESPACE not in _provisioned():
        if time.monotonic() - began > PROVISIONED_WITHIN_SECONDS:
            raise cluster.ClusterError(f"namespace {NAMESPACE} was not provisioned: see the controller's log")
        time.sleep(0.1)
    say(f"the namespace is provisioned ({time.monotonic() - began:.1f} s)")


def _provisioned() -> list[str]:
    state = cluster.run(
        ["kubectl", "get", "configmap", "--namespace", installation.NAMESPACE, f"{installation.RELEASE}-state",
         "--output", "jsonpath={.data.state\\.json}"], check=False,
    ).stdout  # fmt: skip
    return list(json.loads(state)["provisioned"]) if state else []


def _judge(cronitor: Client, monitors: dict[str, str]) -> list[str]:
    """Wait for a verdict of each CronJob, then say what is wrong with all that was heard."""
    names = {key: name for name, key in monitors.items()}
    say(f"waiting for {', '.join(STARTED_BY_HAND)}, and for {ON_SCHEDULE} on its own schedule (every minute)")
    for name, key in monitors.items():

        def has_ended(run: Run, key: str = key) -> bool:
            return run.monitor == key and bool(run.verdict)

        try:
            cronitor.wait_for(has_ended, HEARD_WITHIN_SECONDS)
        except AssertionError as error:
            return [f"{name}: {error}"]
    runs = cronitor.runs()
    wrong = [f"a run of no CronJob of the demo was heard: {run}" for run in runs if run.monitor not in names]
    for name, key in monitors.items():
        ended = [run for run in runs if run.monitor == key and run.verdict]
        wrong += complaints(name, ended)
    return wrong + [f"the protocol was broken: {violation}" for violation in cronitor.violations()]


def _follow(url: str, names: dict[str, str]) -> None:
    """Print each event as it arrives. `names` gives the CronJob of a monitor's key."""
    with Client(url) as cronitor:
        for request in cronitor.follow():
            if request["surface"] == "telemetry" and request["delivered"]:
                say(_told(request, names))


def _told(request: dict[str, Any], names: dict[str, str]) -> str:
    parameters = dict(request["parameters"])
    name = names.get(request["monitor"], request["monitor"])
    code = f"  status_code={parameters['status_code']}" if "status_code" in parameters else ""
    message = f"  {parameters['message']}" if "message" in parameters else ""
    lag = request["arrived"] - float(parameters["stamp"])
    return f"  {name:<10} {request['state']:<8} {lag:4.1f} s after{code}{message}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.demo", description=__doc__)
    parser.add_argument("command", choices=["up", "down"])
    try:
        return up() if parser.parse_args().command == "up" else down()
    except cluster.ClusterError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
