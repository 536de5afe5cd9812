"""Builds the JSON patch that puts the sidecar into a pod. Pure.

The pod is raw JSON and stays so: round-tripping it through generated models loses fields they do not know. The
settings written here are the contract with `sidecar/settings.py`; tests/contract holds both to it.
"""

import json
from collections.abc import Mapping
from typing import Any

from webhook import workloads
from webhook.admission.decide import CONTAINER, EARLIER_RUN, INJECTED_LABEL, Owners
from webhook.admission.template import Sidecar, Template
from webhook.annotations import Options
from webhook.monitor_identity import MonitorIdentity
from webhook.run_mark import RunMark

Json = Mapping[str, Any]
Patch = list[dict[str, Any]]

TELLS_ANNOTATION = "k8s.cronitor.io/sidecar-tells"
TELLS_NOTHING = "none"
VOLUME = "cronitor"
MOUNT_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
"""A volume there keeps the API server from mounting the pod's own token into our container."""
TELLS = ("run", EARLIER_RUN, "complete", "fail")
"""What a sidecar may be told to tell, in the order in which it is written."""
TAKEN_FOR_GRANTED = {
    "CRONITOR_BACKOFF_LIMIT": "6",
    "CRONITOR_FAILED_ATTEMPTS": "0",
    "CRONITOR_STUCK_SECONDS": "120",
    "CRONITOR_UNSCHEDULED_SECONDS": "600",
    "CRONITOR_GRACE_SECONDS": "30",
    "CRONITOR_LOG_LEVEL": "info",
}
"""What the sidecar assumes where nothing is said."""
PACKED = "CRONITOR_SIDECAR_SETTINGS"
"""The variable that holds all settings known here, a JSON object of names and texts: each variable more is one more to
decode, check, own (`managedFields`) and store, for every pod (ADR 25)."""


def patch(
    pod: Json,
    owners: Owners,
    options: Options,
    mark: RunMark | None,
    identity: MonitorIdentity,
    told: frozenset[str],
    resources: Json,
    template: Template,
) -> Patch:
    """The operations that add container, volume, label, annotation and pull secrets."""
    spec, metadata = pod["spec"], pod["metadata"]
    environment = _environment(pod, owners, options, mark, identity, told, template)
    container = _container(pod, environment, resources, template.sidecar)
    tells = ",".join(word for word in TELLS if word in told) or TELLS_NOTHING
    secrets = {entry.get("name") for entry in spec.get("imagePullSecrets") or ()}
    missing = [{"name": name} for name in template.sidecar.image_pull_secrets if name not in secrets]
    return [
        # First of the init containers, so that it sees those of the user fail.
        *_prepend(spec, "initContainers", container),
        *_append(spec, "/spec", "volumes", [_volume(template.secret)]),
        *(_append(spec, "/spec", "imagePullSecrets", missing) if missing else ()),
        *_entry(metadata, "labels", INJECTED_LABEL, "true"),
        *_entry(metadata, "annotations", TELLS_ANNOTATION, tells),
    ]


def _environment(
    pod: Json,
    owners: Owners,
    options: Options,
    mark: RunMark | None,
    identity: MonitorIdentity,
    told: frozenset[str],
    template: Template,
) -> list[dict[str, Any]]:
    job, sidecar = owners.job, template.sidecar
    started_at = _started_at(job)
    known: dict[str, object] = {
        "CRONITOR_TELEMETRY_URL": template.telemetry_url,
        "CRONITOR_MONITOR_KEY": identity.key,
        "CRONITOR_ENV": identity.env,
        "CRONITOR_LOG_COMPLETE": "true" if identity.logs_complete else None,
        "CRONITOR_SERIES": job["metadata"]["uid"],
        "CRONITOR_TELLS": ",".join(word for word in TELLS if word in told),
        "CRONITOR_BACKOFF_LIMIT": workloads.backoff_limit(job),
        "CRONITOR_FAILED_ATTEMPTS": workloads.attempts_before_next(job),
        "CRONITOR_JOB_DEADLINE_SECONDS": job["spec"].get("activeDeadlineSeconds"),
        "CRONITOR_JOB_STARTED_AT": started_at,
        "CRONITOR_RUN_STARTED_AT": mark.start if mark else None,
        "CRONITOR_CONTAINERS": ",".join(options.containers or ()),
        "CRONITOR_IGNORE_CONTAINERS": ",".join(sidecar.ignore_containers),
        "CRONITOR_STUCK_SECONDS": sidecar.stuck_seconds,
        "CRONITOR_UNSCHEDULED_SECONDS": sidecar.unscheduled_seconds,
        "CRONITOR_STUCK_TOLD": "true" if mark and mark.stuck else None,
        "CRONITOR_GRACE_SECONDS": pod["spec"].get("terminationGracePeriodSeconds", 30),
        "CRONITOR_MANUAL": "true" if workloads.is_manual(job) else None,
        "CRONITOR_LOG_LEVEL": sidecar.log_level,
        "CRONITOR_DRY_RUN": "true" if template.dry_run else None,
        "CRONITOR_POD_NAMESPACE": job["metadata"]["namespace"],
        "HTTPS_PROXY": template.proxy.https,
        "HTTP_PROXY": template.proxy.http,
        "NO_PROXY": template.proxy.no,
    }
    fields = {
        "CRONITOR_POD_NAME": "metadata.name",
        "CRONITOR_NODE_NAME": "spec.nodeName",
    }
    said = {
        name: text
        for name, value in known.items()
        if value not in (None, "") and TAKEN_FOR_GRANTED.get(name) != (text := str(value))
    }
    text = json.dumps(said, separators=(",", ":"), ensure_ascii=False)
    return [
        # The kubelet expands `$(NAME)` and makes `$` of every `$$`.
        {"name": PACKED, "value": text.replace("$", "$$")},
        *({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}} for name, path in fields.items()),
    ]


def _started_at(job: Json) -> float | None:
    """When the Job's deadline began; unknown while it is being resumed: its pods come before its new `startTime`."""
    if workloads.true_condition(job, "Suspended"):
        return None
    return workloads.epoch((job.get("status") or {}).get("startTime"))


def _container(pod: Json, environment: list[dict[str, Any]], resources: Json, sidecar: Sidecar) -> dict[str, Any]:
    return {
        "name": CONTAINER,
        "image": sidecar.image,
        "imagePullPolicy": sidecar.image_pull_policy,
        "restartPolicy": "Always",
        "env": environment,
        "resources": resources,
        "securityContext": _security_context(pod, sidecar),
        "terminationMessagePath": "/dev/termination-log",
        "terminationMessagePolicy": "File",
        "volumeMounts": [{"name": VOLUME, "mountPath": MOUNT_PATH, "readOnly": True}],
    }


def _volume(secret: str) -> dict[str, Any]:
    # Optional, or a missing Secret would keep the user's containers from starting.
    return {"name": VOLUME, "secret": {"secretName": secret, "optional": True}}


def _security_context(pod: Json, sidecar: Sidecar) -> dict[str, Any]:
    """Fits Pod Security `restricted`. Without a user of our own (OpenShift assigns one), one of root's stays root's."""
    context: dict[str, Any] = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "privileged": False,
        "readOnlyRootFilesystem": True,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    if sidecar.run_as_user is not None:
        return {**context, "runAsUser": sidecar.run_as_user, "runAsGroup": sidecar.run_as_user}
    if (pod["spec"].get("securityContext") or {}).get("runAsUser") == 0:
        context["runAsNonRoot"] = False  # true would keep our container, and so the user's, from starting
    return context


def _prepend(parent: Json, key: str, value: dict[str, Any]) -> Patch:
    if parent.get(key):
        return [{"op": "add", "path": f"/spec/{key}/0", "value": value}]
    return [{"op": "add", "path": f"/spec/{key}", "value": [value]}]


def _append(parent: Json, path: str, key: str, values: list[dict[str, Any]]) -> Patch:
    if parent.get(key):
        return [{"op": "add", "path": f"{path}/{key}/-", "value": value} for value in values]
    return [{"op": "add", "path": f"{path}/{key}", "value": values}]


def _entry(metadata: Json, key: str, name: str, value: str) -> Patch:
    if metadata.get(key) is None:
        return [{"op": "add", "path": f"/metadata/{key}", "value": {name: value}}]
    return [{"op": "add", "path": f"/metadata/{key}/{pointer_token(name)}", "value": value}]


def pointer_token(name: str) -> str:
    """A name as a part of a JSON Pointer (RFC 6901), which writes `~` as `~0` and `/` as `~1`."""
    return name.replace("~", "~0").replace("/", "~1")
