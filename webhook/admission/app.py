"""The admission process: caches, certificate and the Flask application that ties them to `/mutate`."""

import logging
import threading
from collections.abc import Iterable
from typing import TYPE_CHECKING

from flask import Flask, Response, request

from webhook import health, metrics, state, workloads
from webhook.admission import warnings
from webhook.admission.mutate import Mutation
from webhook.admission.owners import OwnerLookup
from webhook.clients.informer import GONE, Informer, Source, named
from webhook.clients.kube import KubeClient, configuration
from webhook.settings import Settings
from webhook.tls.keeper import CertificateKeeper, TlsNames
from webhook.tls.serving import ServedCertificate

LARGEST_REVIEW_BYTES = 16 * 1024 * 1024
"""Well above what the API server takes for one object (3 MiB)."""

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class ReviewRoute:
    """The usual `POST /mutate`, answered before Flask, which took a quarter of a call's CPU (docs/performance.md).

    What is unusual about a request is left to Flask: another path or method, no length, too great a length.
    """

    def __init__(self, mutation: Mutation, others: "WSGIApplication") -> None:
        self._mutation, self._others = mutation, others

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        length = str(environ.get("CONTENT_LENGTH") or "")
        usual = environ["REQUEST_METHOD"] == "POST" and environ["PATH_INFO"] == "/mutate" and length.isdecimal()
        if not usual or len(length) > 9 or int(length) > LARGEST_REVIEW_BYTES:
            return self._others(environ, start_response)
        answer = self._mutation.answer(environ["wsgi.input"].read(int(length)))
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(answer)))]
        start_response("200 OK", headers)
        return [answer]


def create_app(mutation: Mutation, checks: health.Checks) -> Flask:
    """The WSGI application: `POST /mutate` of pods, `POST /warn` of CronJobs, and the health routes."""
    app = Flask("admission")
    app.wsgi_app = ReviewRoute(mutation, app.wsgi_app)  # type: ignore[method-assign]
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_REVIEW_BYTES
    app.register_blueprint(health.blueprint(checks))

    @app.post("/mutate")
    def mutate() -> Response:
        return Response(mutation.answer(request.get_data(cache=False)), content_type="application/json")

    @app.post("/warn")
    def warn() -> Response:
        return Response(warnings.answer(request.get_data(cache=False)), content_type="application/json")

    return app


class Admission:
    """Everything the admission process runs besides its HTTP server."""

    def __init__(self, settings: Settings, certificate: ServedCertificate) -> None:
        kube = KubeClient(configuration())
        names = settings.names
        self._jobs = Informer(kube, Source("jobs", "/apis/batch/v1/jobs", trim=workloads.trim_any_job))
        self._cron_jobs = Informer(kube, Source("cronjobs", "/apis/batch/v1/cronjobs", trim=workloads.trim_cron_job))
        self._limit_ranges = Informer(
            kube, Source("limitranges", "/api/v1/limitranges", trim=workloads.trim_limit_range)
        )
        self._config_map = Informer(kube, named("configmaps", settings.namespace, names.state_config_map))
        secret = Informer(kube, named("secrets", settings.namespace, names.tls_secret))
        self._hooks = Informer(
            kube,
            Source(
                "webhookconfigurations",
                "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
                field_selector=f"metadata.name={names.webhook_configuration}",
            ),
        )
        self._keeper = CertificateKeeper(
            kube,
            TlsNames(
                namespace=settings.namespace,
                secret=names.tls_secret,
                service=names.service,
                webhook_configuration=names.webhook_configuration,
                owner_cluster_role=names.owner_cluster_role,
            ),
            certificate,
        )
        metrics.certificate_expiry.set_function(
            lambda: certificate.expires_at.timestamp() if certificate.expires_at else 0.0
        )
        for informer in (secret, self._hooks):
            informer.on_change(lambda _kind, _object: self._keeper.poke())
        self._state = state.SharedState()
        self._config_map.on_change(self._state_changed)
        self._informers = (self._jobs, self._cron_jobs, self._limit_ranges, self._config_map, secret, self._hooks)
        self.checks: health.Checks = {
            "jobs": lambda: self._jobs.synced,
            "cronjobs": lambda: self._cron_jobs.synced,
            "limitranges": lambda: self._limit_ranges.synced,
            "state": lambda: self._config_map.synced,
            "certificate": lambda: certificate.loaded,
        }
        self.app = create_app(
            Mutation(
                settings,
                OwnerLookup(kube, self._jobs, self._cron_jobs),
                lambda: self._state,
                lambda namespace: self._limit_ranges.in_namespace(namespace),
            ),
            self.checks,
        )

    def start(self) -> None:
        """Start caches and the certificate's keeper; returns at once."""
        for informer in self._informers:
            informer.start()
        threading.Thread(target=self._keeper.run, args=(threading.Event(),), name="certificate", daemon=True).start()

    def is_registered(self) -> bool:
        """Whether the API server may call us: false once the webhook configuration has been seen to be gone."""
        return not self._hooks.synced or bool(self._hooks.all())

    def _state_changed(self, kind: str, config_map: dict[str, object]) -> None:
        self._state = state.read(None if kind in GONE else config_map)
        standing = {name: breaker.standing.value for name, breaker in self._state.breakers.items()}
        log.info("state_read", extra={"provisioned": len(self._state.provisioned), "breakers": standing or "none"})
