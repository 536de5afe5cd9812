"""Leader election by a Lease: the `kubernetes` package's, with what it lacks.

That is: timeouts on its requests and patience with connection errors (both would end its loop), an owner for the Lease,
so that it goes with the release, giving the Lease back at shutdown, so that the other replica leads at once, and a word
to the next leader: up to when everything has been noted. That word is an annotation of the Lease, so that it changes
together with the holder, and costs no request of its own.
"""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
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

NOTED_UNTIL = "k8s.cronitor.io/noted-until"

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Earlier:
    """What the Lease says of those that led before; all in Unix seconds, None where nobody did or it is not known.

    `noted_until`: what had happened by then has been noted. `first`: when the Lease was made.
    """

    noted_until: float | None = None
    first: float | None = None


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
    """A Lease that is deleted together with its owner. `lost` is called at once when another holds what we held.

    `noted_until` is asked at each renewal: up to when (Unix seconds) all has been noted, None for no later than before.
    """

    def __init__(
        self,
        name: str,
        namespace: str,
        identity: str,
        *,
        owner: dict[str, str],
        api_client: Any,
        lost: Callable[[], None],
        noted_until: Callable[[], float | None] = lambda: None,
    ) -> None:
        super().__init__(name, namespace, identity)
        self.api_instance = _PatientLeaseApi(client.CoordinationV1Api(api_client))
        self._owner, self._lost, self._noted_until = owner, lost, noted_until
        self._held = False
        self._released = False
        self.earlier = Earlier()
        """Of another leader, or of this one before its restart."""
        self._writing = threading.Lock()

    def get(self, name: str, namespace: str) -> Any:
        found, record = super().get(name, namespace)
        gone = not found and getattr(record, "status", None) == HTTPStatus.NOT_FOUND
        taken = found and record.holder_identity not in (None, self.identity)
        if self._held and not self._released and (gone or taken):
            self._lost()
        if found and not self._held:
            self.earlier = _earlier(self.lease_reference)
        return found, record

    def create(self, name: str, namespace: str, election_record: LeaderElectionRecord) -> bool:
        now = datetime.now(UTC).timestamp()  # what happened before is nobody's
        metadata = {
            "name": name,
            "ownerReferences": [self._owner],
            "annotations": {NOTED_UNTIL: _written(now)},
        }
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
            if self._released:
                return False
            if self._held:  # before that, what the one before us has written is what we begin with
                self._note(self._noted_until())
            if not super().update(name, namespace, updated_record):
                return False
            self._held = True
            return True

    def _note(self, moment: float | None) -> None:
        if moment is None or self.lease_reference is None:
            return
        metadata = self.lease_reference.metadata
        metadata.annotations = {**(metadata.annotations or {}), NOTED_UNTIL: _written(moment)}

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
            noted = self._noted_until() if self._held else None
            if led_until is not None:
                self.lease_reference.spec.renew_time = led_until
                noted = None if noted is None else min(noted, led_until.timestamp())
            self._note(noted)
            try:
                self.api_instance.replace_namespaced_lease(self.name, self.namespace, self.lease_reference)
                log.info("lease_released", extra={"identity": self.identity})
            except ApiException as error:
                log.info("lease_not_released", extra={"reason": error.reason})


def _earlier(lease: Any) -> Earlier:
    made = lease.metadata.creation_timestamp
    first = made.timestamp() if made else None
    try:
        return Earlier(float((lease.metadata.annotations or {})[NOTED_UNTIL]), first)
    except (KeyError, ValueError):  # not ours, or edited: the last renewal is the best that is known
        renewed = lease.spec.renew_time if lease.spec else None
        return Earlier(renewed.timestamp() if renewed else None, first)


def _written(moment: float) -> str:
    return f"{moment:.3f}"


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
