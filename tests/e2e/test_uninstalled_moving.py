"""`docs/moving-from-the-agent.md`, followed as written, against monitors as Cronitor's agent would have made them.

The last of the modules, after the uninstallation: it begins where nothing of ours is, and no namespace of the others.
"""

import hashlib
import json
import re
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import installation
from tests.cluster import run
from tests.cluster.layout import CHECKOUT
from tests.cronitor.stand_in import StandIn
from tests.demo.stand_in import reachable_host
from tests.e2e.conftest import API_KEY
from tests.e2e.world import IMAGE, Json, World, cron_job, eventually
from tests.installation import NAMESPACE, TEST_LABEL

PAGE = CHECKOUT / "docs" / "moving-from-the-agent.md"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.DOTALL | re.MULTILINE)
AGENT = "cronitor-agent"
PREFIX = "k8s.cronitor.io/"

# What stands in for the agent: a release with its values, whose Deployment knows the key as the agent's does.
CHART = {"apiVersion": "v2", "name": "cronitor-kubernetes", "version": "0.9.1"}
VALUES: Json = {
    "config": {"default": "include", "defaultEnvironment": "prod", "tags": "team-a, prod,"},
    "rbac": {"clusterScope": "cluster"},
    "credentials": {"secretName": "agent-key", "secretKey": "key"},
}
DEPLOYMENT: Json = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": AGENT, "labels": {"app.kubernetes.io/instance": AGENT}},
    "spec": {
        "replicas": 1,
        "selector": {"matchLabels": {"app.kubernetes.io/instance": AGENT}},
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/instance": AGENT}},
            "spec": {
                "terminationGracePeriodSeconds": 0,
                "containers": [
                    {
                        "name": "agent",
                        "image": IMAGE,
                        "command": ["sleep", "3600"],
                        "env": [
                            {
                                "name": "CRONITOR_API_KEY",
                                "valueFrom": {"secretKeyRef": {"name": "agent-key", "key": "key"}},
                            }
                        ],
                    }
                ],
            },
        },
    },
}


@pytest.fixture
def before(world: World, cronitor: StandIn) -> Iterator[None]:
    """Nothing of ours is there, and nothing is left of it afterwards."""
    remove_all(world)
    cronitor.reset()
    yield
    run(["helm", "uninstall", AGENT, "--namespace", AGENT, "--ignore-not-found", "--wait"])
    remove_all(world)


def remove_all(world: World) -> None:
    """The release, its namespace with the Secret that the page makes there, and the tests' namespaces."""
    installation.uninstall()
    installation.remove_test_namespaces()
    world.delete("Namespace", "", NAMESPACE)
    eventually(lambda: not world.get("Namespace", "", NAMESPACE), f"the end of namespace {NAMESPACE}")


def test_no_monitor_is_new_and_none_is_lost(
    world: World, cronitor: StandIn, url: str, before: None, tmp_path: Path
) -> None:
    install_agent(world, tmp_path)
    monitors = [agents_monitor(found) for found in make_cron_jobs(world)]
    put(cronitor, monitors)
    cronitor.edit_monitor(monitors[0]["key"], note="a person's", grace_seconds=300)

    printed = follow(cronitor, url, tmp_path)

    assert "the same monitors" in printed
    assert {one["key"] for one in cronitor.monitors()} == {one["key"] for one in monitors}
    for given in monitors:
        found = cronitor.monitor(given["key"]) or {}
        expected = given | ({"note": "a person's", "grace_seconds": 300} if given is monitors[0] else {})
        assert {name: found.get(name) for name in expected} == expected
        assert found["paused"] is (given["name"].endswith("/suspended"))
    assert world.get("Deployment", AGENT, AGENT) is None
    job = world.run_now(world.get("CronJob", "moving-shop", "plain") or {})
    heard = cronitor.wait_for(job["metadata"]["uid"], 120)
    assert (heard.monitor, heard.env, heard.states) == (monitors[0]["key"], "prod", ["run", "complete"])


def install_agent(world: World, folder: Path) -> None:
    chart = folder / "agent"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(json.dumps(CHART))
    (chart / "values.yaml").write_text(json.dumps(VALUES))
    (chart / "templates" / "agent.yaml").write_text(json.dumps(DEPLOYMENT))
    world.create({"kind": "Namespace", "metadata": {"name": AGENT, "labels": {TEST_LABEL: "e2e"}}})
    world.create({"kind": "Secret", "metadata": {"name": "agent-key"}, "stringData": {"key": API_KEY}}, AGENT)
    run(["helm", "install", AGENT, str(chart), "--namespace", AGENT, "--wait", "--timeout", "120s"])


def make_cron_jobs(world: World) -> list[Json]:
    """In two namespaces, each with other annotations; the first has none."""
    kinds: dict[tuple[str, str], dict[str, str]] = {
        ("moving-shop", "plain"): {},
        ("moving-shop", "keyed"): {"cronitor-id": f"by-hand-{uuid.uuid4().hex[:6]}", "cronitor-name": "Nightly backup"},
        ("moving-shop", "suspended"): {"include": "true"},
        ("moving-stock", "named"): {"key-inference": "name", "name-prefix": "none", "tags": "nightly , big"},
        ("moving-stock", "assured"): {"metric.duration": "< 30 seconds, > 5 seconds", "grace-seconds": "90"},
        ("moving-stock", "long"): {"name": "x" * 60 + "y" * 61, "id-inference": "name", "note": "see the wiki"},
        ("moving-stock", "excluded"): {"exclude": "true"},
    }
    for namespace in sorted({namespace for namespace, _ in kinds}):
        world.create({"kind": "Namespace", "metadata": {"name": namespace, "labels": {TEST_LABEL: "e2e"}}})
    made = []
    for (namespace, name), annotations in kinds.items():
        manifest = cron_job(name, annotations={f"{PREFIX}{key}": text for key, text in annotations.items()})
        manifest["spec"] |= {"suspend": name == "suspended", "startingDeadlineSeconds": 120}
        made.append(world.create(manifest, namespace))
    return [one for one in made if one["metadata"]["name"] != "excluded"]


def agents_monitor(found: Json) -> Json:
    """What the agent puts for it: by the list of cronitor-api, not by our code."""
    metadata, given = found["metadata"], found["metadata"].get("annotations") or {}
    own = {key.removeprefix(PREFIX): text for key, text in given.items()}
    full = f"{metadata['namespace']}/{metadata['name']}"
    monitor: dict[str, Any] = {
        "type": "job",
        "key": metadata["uid"],
        "name": full,
        "schedule": found["spec"]["schedule"],
        "tags": ["kubernetes", f"kubernetes-namespace:{metadata['namespace']}", "team-a", "prod"],
        "metadata": '{"concurrencyPolicy":"Allow","startingDeadlineSeconds":"120"}',
    }
    match metadata["name"]:
        case "keyed":
            monitor |= {"key": own["cronitor-id"], "name": "Nightly backup"}
        case "named":
            monitor |= {"key": hashlib.sha1(b"named", usedforsecurity=False).hexdigest(), "name": "named"}
            monitor["tags"] += ["nightly", "big"]
        case "assured":
            conditions = ["metric.duration < 30 seconds", "metric.duration > 5 seconds"]
            monitor |= {"assertions": conditions, "grace_seconds": 90}
        case "long":
            name = own["name"]
            key = hashlib.sha1(name.encode(), usedforsecurity=False).hexdigest()
            # 121 characters: of 99 that are kept the larger half in front, as the length is odd.
            monitor |= {"key": key, "name": f"{name[:49]}…{name[-50:]}", "note": "see the wiki"}
    return monitor


def put(cronitor: StandIn, monitors: list[Json]) -> None:
    """As the agent does: a bare list."""
    answer = requests.put(f"{cronitor.url}/api/monitors", json=monitors, auth=(API_KEY, ""), timeout=30)
    assert answer.status_code == 200, answer.text


def follow(cronitor: StandIn, url: str, folder: Path) -> str:
    """Every block of the page in its order, in one shell; only what the page says is to be replaced is other."""
    settings, *steps = BLOCK.findall(PAGE.read_text())
    assert [line.split("=")[0] for line in settings.splitlines()] == [
        "AGENT", "AGENT_NAMESPACE", "NAMESPACE", "CHART", "CRONITOR_API",
    ]  # fmt: skip
    api = f"http://{reachable_host()}:{cronitor.url.rpartition(':')[2]}/api"
    ours = (f"AGENT={AGENT}", f"AGENT_NAMESPACE={AGENT}", f"NAMESPACE={NAMESPACE}", f"CHART={installation.CHART}",
            f"CRONITOR_API={api}")  # fmt: skip
    # This cluster's images and Cronitor, where a person has those of the chart.
    more = {
        **installation.image_values(),
        "cronitor": {"telemetryUrl": url, "apiUrl": f"{url}/api", "extraCA": cronitor.ca_file.read_text()},
    }
    (folder / "more.json").write_text(json.dumps(more))
    adapt = "jq -s '.[0] * .[1]' cronitor-k8s-values.json more.json > v && mv v cronitor-k8s-values.json\n"
    script = "\n".join(
        (adapt if step.startswith("kubectl create namespace") else "") + step for step in ("\n".join(ours), *steps)
    )
    (folder / "steps.sh").write_text(f"set -e -o pipefail\ncd {folder}\n{script}")
    return run(["bash", str(folder / "steps.sh")], timeout=600).stdout
