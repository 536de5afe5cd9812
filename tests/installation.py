"""Installs our chart, with the images of this checkout, into the running cluster: for the demo and the tests.

`python -m tests.installation install --cronitor-url URL` does it from a shell. With CLUSTER=current the images are
those that WEBHOOK_IMAGE and SIDECAR_IMAGE name, else the chart's own.
"""

import argparse
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests import cluster, images
from tests.cluster.layout import CHECKOUT

RELEASE = "cronitor-k8s"
NAMESPACE = "cronitor"
CHART = CHECKOUT / "charts" / "cronitor-k8s"
TEST_LABEL = "cronitor-k8s.test"
"""On every namespace that tests or the demo make, so that the next run finds what one before it left."""
TIMEOUT = "180s"


def install(
    cronitor_url: str = "",
    *,
    api_key: str,
    ca: str = "",
    values: Mapping[str, Any] | None = None,
    telemetry_key: str = "",
) -> None:
    """Install or upgrade, and wait until all replicas are ready.

    Without `cronitor_url` it reports to Cronitor itself; `ca` is PEM text for one of one's own.
    """
    addresses = {"telemetryUrl": cronitor_url, "apiUrl": f"{cronitor_url}/api"} if cronitor_url else {}
    given: dict[str, Any] = {
        "credentials": {"apiKey": api_key, "telemetryKey": telemetry_key},
        "cronitor": {**addresses, "extraCA": ca},
        **image_values(),
    }
    command = [
        "helm", "upgrade", "--install", RELEASE, str(CHART), "--namespace", NAMESPACE, "--create-namespace",
        "--wait", "--timeout", TIMEOUT, "--values", "-",
    ]  # fmt: skip
    cluster.run(command, stdin=json.dumps(_merged(given, values or {})))


def uninstall() -> None:
    """Remove the release, if there is one, and wait for what goes with it."""
    cluster.run(["helm", "uninstall", RELEASE, "--namespace", NAMESPACE, "--ignore-not-found", "--wait"])


def remove_test_namespaces() -> None:
    """Delete what earlier demos and tests left, and wait until it is gone."""
    cluster.run(["kubectl", "delete", "namespace", "--selector", TEST_LABEL, "--wait", "--timeout", TIMEOUT])


def load_images() -> None:
    """Build what has changed and give it to the node; a cluster of somebody else's has its own ways."""
    if os.environ.get("CLUSTER") != "current":
        images.load(images.build())


def image_values() -> dict[str, Any]:
    """The values that name the images of this checkout."""
    values: dict[str, Any] = {}
    if os.environ.get("CLUSTER") != "current":
        webhook, sidecar = (f"docker.io/cronitor-k8s/{name}:test" for name in ("webhook", "sidecar"))
        # The tag stays the same when the image changes: this rolls our pods then.
        content = {"cronitor-k8s.test/image": next(one.archive.stem for one in images.build() if one.tag == webhook)}
        values |= {"admission": {"podAnnotations": content}, "controller": {"podAnnotations": content}}
    else:
        webhook, sidecar = os.environ.get("WEBHOOK_IMAGE", ""), os.environ.get("SIDECAR_IMAGE", "")
    if webhook:
        values["image"] = _image(webhook)
    if sidecar:
        values["sidecar"] = {"image": _image(sidecar)}
    return values


def _image(name: str) -> dict[str, str]:
    """A name such as `registry:5000/x:tag` or `x@sha256:…` as the chart's values say it."""
    repository, _, digest = name.partition("@")
    if digest:
        return {"repository": repository, "digest": digest}
    place, slash, last = repository.rpartition("/")
    last, _, tag = last.partition(":")
    return {"repository": place + slash + last, "tag": tag}


def _merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        inner = merged.get(key)
        merged[key] = _merged(inner, value) if isinstance(inner, dict) and isinstance(value, Mapping) else value
    return merged


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.installation", description=__doc__)
    parser.add_argument("command", choices=["install", "uninstall"])
    parser.add_argument(
        "--cronitor-url", default="https://cronitor.link", help="telemetry; the API is under /api of it"
    )
    parser.add_argument("--api-key-file", type=Path, help="file with the API key (else CRONITOR_API_KEY)")
    parser.add_argument("--ca-file", type=Path, help="CA of that address, where it has one of its own")
    options = parser.parse_args()
    if options.command == "uninstall":
        uninstall()
        return 0
    key = options.api_key_file.read_text().strip() if options.api_key_file else os.environ.get("CRONITOR_API_KEY", "")
    if not key:
        print("CRONITOR_API_KEY is not set: give the API key in it, or a file by --api-key-file", file=sys.stderr)
        return 2
    cluster.up()
    load_images()
    install(options.cronitor_url.rstrip("/"), api_key=key, ca=options.ca_file.read_text() if options.ca_file else "")
    print(f"installed {RELEASE} in namespace {NAMESPACE}, reporting to {options.cronitor_url or 'Cronitor'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
