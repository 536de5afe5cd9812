"""Keeps the certificate in order: reads the Secret, carries out the plan, publishes the bundle, serves the leaf.

Every replica runs one, all alike: create-if-absent and resourceVersion settle who was first, and the others read
again. Level-triggered: what a check does depends on what it finds, never on what an earlier one did.
"""

import logging
import random
import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from cryptography import x509

from webhook.errors import AlreadyExists, Conflict, KubeError, NotFound
from webhook.tls.certificates import BadCertificate, KeyPair, dns_names, read_bundle
from webhook.tls.publication import has_webhooks, publication
from webhook.tls.rotation import Periods, Plan, Step, carry_out, plan
from webhook.tls.secret import Json, new_secret, read_secret, with_owner, write_secret
from webhook.tls.serving import ServedCertificate

log = logging.getLogger(__name__)

_PASSES = 10
_SLICE_SECONDS = 1.0


class KubeAccess(Protocol):
    """What is needed of the Kubernetes client; it raises the errors of `webhook.errors`."""

    def get(self, path: str, /) -> Json: ...
    def create(self, path: str, body: Json, /) -> Json: ...
    def replace(self, path: str, body: Json, /) -> Json: ...
    def patch(self, path: str, body: list[Json], /, *, content_type: str) -> Json: ...


@dataclass(frozen=True, slots=True)
class TlsNames:
    """The objects concerned, by name."""

    namespace: str
    secret: str
    service: str
    webhook_configuration: str
    owner_cluster_role: str


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to look, in seconds. `breather`: at least so long between two checks, whoever pokes."""

    check: float = 3600.0
    configuration_missing: float = 60.0
    breather: float = 1.0
    first_retry: float = 1.0
    longest_retry: float = 300.0


class CertificateKeeper:
    """One per replica. `run` it in a thread; `poke` it when the Secret or the webhook configuration has changed."""

    def __init__(
        self,
        kube: KubeAccess,
        names: TlsNames,
        serving: ServedCertificate,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        periods: Periods | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._kube = kube
        self._names = names
        self._dns_names = dns_names(names.service, names.namespace)
        self._serving = serving
        self._clock = clock
        self._periods = periods or Periods()
        self._pace = pace or Pace()
        self._poked = threading.Event()
        self._identity = {"secret": f"{names.namespace}/{names.secret}", "webhook": names.webhook_configuration}
        self._known: tuple[x509.Certificate, ...] = ()
        self._secrets_path = f"/api/v1/namespaces/{names.namespace}/secrets"
        self._secret_path = f"{self._secrets_path}/{names.secret}"
        self._configuration_path = (
            "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/" + names.webhook_configuration
        )
        self._owner_path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/" + names.owner_cluster_role

    def poke(self) -> None:
        """Look now rather than at the next check."""
        self._poked.set()

    def run(self, stop: threading.Event) -> None:
        """Check until stopped; a check that fails is tried again, later and later."""
        failures = 0
        while not stop.is_set():
            self._poked.clear()
            try:
                seconds = self.reconcile().total_seconds()
                failures = 0
            except Exception as error:  # the outermost loop of its thread
                failures += 1
                seconds = self._retry_after(failures)
                kind = type(error).__name__
                told = {"error": kind, "detail": str(error), "failures": failures, "next_seconds": round(seconds)}
                # A trace only for what nobody foresaw; no frame's values are in it.
                unforeseen = not isinstance(error, (KubeError, BadCertificate, ssl.SSLError))
                log.warning("certificate_check_failed", extra=told | self._identity, exc_info=unforeseen)
            self._pause(stop, seconds)

    def reconcile(self) -> timedelta:
        """Carry out what the Secret as it stands calls for, step by step; how long until the next is due."""
        outrun: KubeError | None = None
        for _ in range(_PASSES):
            try:
                wait = self._one_pass()
            except KubeError as error:
                if not _changed_meanwhile(error):
                    raise
                outrun = error
                continue
            if wait is not None:
                return wait
        raise outrun or KubeError(f"the TLS Secret {self._secret_path} still calls for changes after {_PASSES}")

    def _one_pass(self) -> timedelta | None:
        # The configuration is read before the Secret. Its resourceVersion guards the patch, so a bundle that was
        # published since that read, from a Secret that may be newer than ours, is never overwritten.
        configuration = self._found(self._configuration_path)
        secret = self._found(self._secret_path)
        now = self._clock()
        planned = plan(secret, now, self._dns_names, self._periods)
        published = False
        if planned.serve is not None:
            published = self._publish_and_serve(configuration, planned.serve, planned.bundle)
        if planned.step is Step.KEEP or (planned.needs_publication and not published):
            return self._until_next(planned, now, has_webhooks(configuration))
        self._carry_out(planned, secret, now)
        return None

    def _publish_and_serve(self, configuration: Json | None, pair: KeyPair, bundle: bytes) -> bool:
        """Publish, and only then serve: a leaf that nobody can verify yet is of no use, the one before it is."""
        try:
            published = self._publish(configuration, bundle)
        except KubeError:
            if not self._serving.loaded:
                self._serving.load(pair)
            raise
        self._known = read_bundle(bundle)
        if self._serving.load(pair):
            log.info("certificate_loaded", extra={"expires": self._serving.expires_at, **self._identity})
        return published

    def _publish(self, configuration: Json | None, bundle: bytes) -> bool:
        if configuration is None or not has_webhooks(configuration):
            log.warning("bundle_not_published", extra={"reason": "no webhook to give it to", **self._identity})
            return False
        operations = publication(configuration, bundle)
        if operations:
            self._kube.patch(self._configuration_path, operations, content_type="application/json-patch+json")
            log.info("bundle_published", extra=self._identity)
        return True

    def _carry_out(self, planned: Plan, secret: Json | None, now: datetime) -> None:
        contents = None if secret is None else read_secret(secret)
        after = carry_out(planned.step, contents, now, self._dns_names, self._periods, self._known)
        before = new_secret(self._names.namespace, self._names.secret) if secret is None else secret
        body = with_owner(write_secret(before, after), self._owner())
        if secret is None:
            self._kube.create(self._secrets_path, body)
        else:
            self._kube.replace(self._secret_path, body)
        told = {"step": planned.step.value, "reason": planned.reason, **self._identity}
        log.info("tls_secret_written", extra=told)

    def _owner(self) -> Mapping[str, Any] | None:
        """The ClusterRole that takes the Secret along when the release is uninstalled. Not worth failing for.

        Raises NotFound: then the release is being uninstalled, and a Secret made now would stay for ever.
        """
        try:
            return self._kube.get(self._owner_path)
        except NotFound:
            raise
        except KubeError as error:
            told = {"clusterrole": self._names.owner_cluster_role, "detail": str(error), **self._identity}
            log.info("tls_secret_without_owner", extra=told)
            return None

    def _found(self, path: str) -> Json | None:
        try:
            return self._kube.get(path)
        except NotFound:
            return None

    def _until_next(self, planned: Plan, now: datetime, reachable: bool) -> timedelta:
        seconds = self._pace.check if reachable else self._pace.configuration_missing
        if planned.due is not None:
            seconds = min(seconds, max((planned.due - now).total_seconds(), self._pace.breather))
        return timedelta(seconds=seconds)

    def _retry_after(self, failures: int) -> float:
        longest = min(self._pace.longest_retry, self._pace.first_retry * 2.0 ** min(failures - 1, 16))
        return longest * random.uniform(0.5, 1.0)  # noqa: S311 - jitter, not a secret

    def _pause(self, stop: threading.Event, seconds: float) -> None:
        until = time.monotonic() + seconds
        stop.wait(min(self._pace.breather, seconds))
        # In slices, since a thread waits for one event only: a poke is heard at once, a stop within a slice.
        while not stop.is_set() and (remaining := until - time.monotonic()) > 0:
            if self._poked.wait(min(remaining, _SLICE_SECONDS)):
                return


def _changed_meanwhile(error: KubeError) -> bool:
    """Somebody was faster. 422: a JSON patch for a webhook that is no longer in the configuration."""
    return isinstance(error, (Conflict, AlreadyExists, NotFound)) or error.status == 422
