"""The controller process: made of its settings and keys, led by whichever replica holds the Lease, ended cleanly."""

import logging
import os
import signal
import ssl
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

from kubernetes import client

from webhook import health, logs
from webhook.clients.cronitor import MonitorsClient
from webhook.clients.kube import KubeClient, configuration
from webhook.clients.lease import OwnedLeaseLock, lead
from webhook.clients.telemetry import TelemetryClient
from webhook.controller import credentials, namespace_keys, plan
from webhook.controller.loop import Controller
from webhook.controller.namespace_keys import NamespaceKeys
from webhook.controller.objects import OwnedObjects
from webhook.controller.outbox import DryRun, Telemetry
from webhook.controller.queue import Reconciler
from webhook.errors import KubeError, SettingsError
from webhook.settings import CREDENTIALS, EXTRA_CA, Settings

OWNER_RETRY_SECONDS = 2.0
STOP_SECONDS = 5.0

log = logging.getLogger(__name__)


def run(settings: Settings) -> int:
    """Run until SIGTERM, or until the Lease is lost: then exit, so that nothing goes on that another leads now."""
    signal.signal(signal.SIGTERM, lambda _signal, _frame: sys.exit(0))
    keys = credentials.load(CREDENTIALS)
    logs.set_up(settings.log_level, settings.log_format, (keys.api_key, keys.telemetry_key))
    loaded = configuration()
    kube = KubeClient(loaded)
    monitors = _monitors(settings, keys)
    owner_path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{settings.names.owner_cluster_role}"
    owner_uid = _owner_uid(kube, owner_path)
    wanted = _wanted(settings, keys, owner_uid, Path(loaded.ssl_ca_cert))
    files = credentials.MountedFiles(
        [CREDENTIALS / "api-key", CREDENTIALS / "telemetry-key", EXTRA_CA, Path(loaded.ssl_ca_cert)],
        lambda: os.kill(os.getpid(), signal.SIGTERM),
    )
    objects = OwnedObjects(kube, owner_path, owner_uid, lambda: _exit("owner_changed"))
    key_check = credentials.KeyCheck(monitors)
    others: dict[str, Reconciler] = {"key": key_check, "files": files}
    own_keys = namespace_keys.of_namespaces(kube, settings.namespace_secret)
    telemetry = _telemetry(settings, keys, own_keys)
    controller = Controller(kube, settings, wanted, objects, telemetry, monitors, own_keys, others)
    details = {**controller.details(), "key": key_check.detail}
    health.serve(settings.controller_health_port, {"caches": lambda: controller.synced}, details)
    lock = OwnedLeaseLock(
        settings.names.lease,
        settings.namespace,
        settings.pod_name,
        owner=plan.owner_reference(settings.names.owner_cluster_role, owner_uid),
        api_client=client.ApiClient(loaded),
        lost=lambda: _exit("lease_taken"),
        noted_until=controller.noted_until,
    )
    signal.signal(signal.SIGTERM, lambda _signal, _frame: _stop(controller, lock))
    controller.start_caches()
    lead(lock, lambda: controller.lead(lock.earlier))
    return 1


def _telemetry(settings: Settings, keys: credentials.Credentials, own_keys: NamespaceKeys) -> Telemetry:
    if settings.dry_run:
        return DryRun()
    ca_file = EXTRA_CA if EXTRA_CA.is_file() else None
    return TelemetryClient(settings.telemetry_url, keys.telemetry_key, ca_file, key_of=own_keys.of)


def _monitors(settings: Settings, keys: credentials.Credentials) -> MonitorsClient:
    try:
        return MonitorsClient(settings.api_url, keys.api_key, EXTRA_CA if EXTRA_CA.is_file() else None)
    except ssl.SSLError:
        raise SettingsError(f"cronitor.extraCA ({EXTRA_CA}): holds no certificates in PEM form") from None


def _owner_uid(kube: KubeClient, path: str) -> str:
    """The uid of the chart's ClusterRole: what owns all that is made here, so that it goes with the release."""
    while True:
        try:
            return str(kube.get(path)["metadata"]["uid"])
        except KubeError as error:
            log.warning("waiting_for_the_api_server", extra={"error": str(error)})
            time.sleep(OWNER_RETRY_SECONDS)


def _wanted(settings: Settings, keys: credentials.Credentials, owner_uid: str, kube_ca: Path) -> plan.Wanted:
    content = {"telemetry-key": keys.telemetry_key, "ca.crt": kube_ca.read_text()}
    if EXTRA_CA.is_file():
        content["cronitor-ca.crt"] = EXTRA_CA.read_text()
    names = settings.names
    return plan.Wanted(names.namespace_objects, names.owner_cluster_role, owner_uid, content)


def _exit(reason: str) -> None:
    """End at once, whatever other threads are at; the kubelet starts a new one with the present state of things."""
    log.warning("exiting", extra={"reason": reason})
    logging.shutdown()
    os._exit(1)


def _stop(controller: Controller, lock: OwnedLeaseLock) -> None:
    """Stop working, then let the other replica lead. In a thread: the handler's own may hold a lock that is needed."""

    def stop() -> None:
        began = datetime.now(UTC)
        controller.stop(STOP_SECONDS)
        lock.release(began)
        logging.shutdown()
        os._exit(0)

    threading.Thread(target=stop, name="stop").start()
