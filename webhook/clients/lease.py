"""Leader election by a Lease: the `kubernetes` package's, with what it lacks.

That is: timeouts on its requests and patience with connection errors (both would end its loop), an owner for the Lease,
so that it goes with the release, and giving the Lease back at shutdown, so that the other replica leads at once.
"""

import logging
import threading
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from typing import Any

from kubernetes import client
from kubernetes.client.rest import ApiException
from kubernetes.leaderelection.electionconfig import Config
from kubernetes.leaderelection.leaderelection import LeaderElection
from kubernetes.leaderelection.leaderelectionrecord import LeaderElectionRecord
from kubernetes.leaderelection.resourcelock.leaselock import LeaseLock
from urllib3.exceptions import HTTPError

LEASE_SECONDS = 15
RENEW_SECONDS = 7
RETRY_SECONDS = 2
REQUEST_SECONDS = 2
"""Renewing gives up before the Lease can be another's: pause, deadline and the two requests of a last try, all of which
follow the last success, are 13 s together."""

log = logging.getLogger(__name__)


class _PatientLeaseApi:
    """The three calls that the lock makes, each with a timeout."""

    def __init__(self, api: client.CoordinationV1Api) -> None:
        self._api = api

    def read_namespaced_lease(self, name: str, namespace: str) -> Any:
        return self._in_time(self._api.read_namespaced_lease, name, namespace)

    def create_namespaced_lease(self, namespace: str, body: Any) -> Any:
        return self._in_time(self._api.create_namespaced_lease, namespace, body)

    def replace_namespaced_lease(self, name: str, namespace: str, body: Any) -> Any:
        return self._in_time(self._api.replace_namespaced_lease, name, namespace, body)

    def _in_time(self, call: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return call(*arguments, _request_timeout=REQUEST_SECONDS)
        except (HTTPError, OSError, ValueError, TypeError, AttributeError) as error:  # the last ones: no Lease at all
            raise ApiException(status=0, reason=type(error).__name__) from None


class OwnedLeaseLock(LeaseLock):  # type: ignore[misc]  # the package has no types
    """A Lease that is deleted together with its owner. `lost` is called at once when another holds what we held."""

    def __init__(
        self,
        name: str,
        namespace: str,
        identity: str,
        *,
        owner: dict[str, str],
        api_client: Any,
        lost: Callable[[], None],
    ) -> None:
        super().__init__(name, namespace, identity)
        self.api_instance = _PatientLeaseApi(client.CoordinationV1Api(api_client))
        self._owner, self._lost = owner, lost
        self._held = False
        self._released = False
        self.renewed_before: float | None = None
        """When another, or this one before its restart, renewed the Lease for the last time, in Unix seconds."""
        self._writing = threading.Lock()

    def get(self, name: str, namespace: str) -> Any:
        found, record = super().get(name, namespace)
        gone = not found and getattr(record, "status", None) == HTTPStatus.NOT_FOUND
        taken = found and record.holder_identity not in (None, self.identity)
        if self._held and not self._released and (gone or taken):
            self._lost()
        if found and not self._held and (renewed := getattr(self.lease_reference.spec, "renew_time", None)):
            self.renewed_before = renewed.timestamp()
        return found, record

    def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        metadata = {"name": name, "ownerReferences": [self._owner]}
        lease = client.V1Lease(metadata=metadata, spec=self.get_lease_spec(election_record))
        with self._writing:
            if self._released:
                return False
            try:
                self.lease_reference = self.api_instance.create_namespaced_lease(namespace, lease)
            except ApiException as error:
                log.info("lease_not_created", extra={"reason": error.reason})
                return False
            self._held = True
            return True

    def update(self, name: str, namespace: str, updated_record: LeaderElectionRecord) -> bool:
        with self._writing:
            if self._released or not super().update(name, namespace, updated_record):
                return False
            self._held = True
            return True

    def release(self, led_until: datetime | None = None) -> None:
        """Give the Lease back, if it is ours, and take it no more.

        `led_until` is when the work under it ended, if before now: what came later is the next leader's.
        """
        with self._writing:
            self._released = True
            found, record = self.get(self.name, self.namespace)
            if not found or record.holder_identity != self.identity:
                return
            self.lease_reference.spec.holder_identity = ""
            self.lease_reference.spec.lease_duration_seconds = 1
            if led_until is not None:
                self.lease_reference.spec.renew_time = led_until
            try:
                self.api_instance.replace_namespaced_lease(self.name, self.namespace, self.lease_reference)
                log.info("lease_released", extra={"identity": self.identity})
            except ApiException as error:
                log.info("lease_not_released", extra={"reason": error.reason})


def lead(lock: OwnedLeaseLock, started: Callable[[], None]) -> None:
    """Wait for the Lease, call `started` in a thread of its own, renew; returns when the Lease is lost."""
    config = Config(
        lock,
        lease_duration=LEASE_SECONDS,
        renew_deadline=RENEW_SECONDS,
        retry_period=RETRY_SECONDS,
        onstarted_leading=started,
        onstopped_leading=lambda: log.warning("lease_lost", extra={"identity": lock.identity}),
    )
    LeaderElection(config).run()
