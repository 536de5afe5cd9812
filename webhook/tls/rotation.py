"""What to do next with the certificate, as of a moment. Pure: the Secret and the time go in, a plan comes out.

    step       when                                             what changes in the Secret
    CREATE     there is none                                    leaf and its authority
    REPLACE    the leaf is of no use: broken, not vouched for   a new leaf at once; the authorities known before
               by the bundle, expired, of another name          stay in the bundle, some replica may still serve by them
    INTRODUCE  the leaf has a third of its life left            a coming leaf, its authority beside the old one
    CONFIRM    that bundle has been seen published              the time of it
    SWITCH     it has been published for a while                the coming leaf becomes the leaf
    RETIRE     every replica has long served the new leaf       authorities that vouch for nothing leave the bundle
    ABANDON    the coming leaf is of no use, the leaf still is  the coming leaf and its authority
    KEEP       otherwise                                        nothing

Whoever carries out a plan publishes a Secret's bundle before it serves that Secret's leaf. CONFIRM and SWITCH need
the bundle to be published at that moment; nothing else about the cluster decides.

Clocks: the API server stamps each change of the Secret, and by its clock the leaf is judged. So the time taken is
never before that stamp (a replica's clock may be behind), and a leaf must have been valid at that stamp and a
new one is dated back to before it (the clock of the replica that makes one may be ahead).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, TypeVar

from cryptography import x509

from webhook.tls.certificates import (
    BadCertificate,
    KeyPair,
    issue,
    leaf_names,
    read_leaf,
    read_pair,
    serves_tls,
    signers,
    write_bundle,
)
from webhook.tls.secret import Contents, read_secret

_Item = TypeVar("_Item")

_BACKDATE = timedelta(hours=1)
_AUTHORITIES_KEPT = 4
_NAMES_KEPT = 12


class Step(Enum):
    """See the module's table."""

    KEEP = "keep"
    CREATE = "create"
    REPLACE = "replace"
    INTRODUCE = "introduce"
    CONFIRM = "confirm"
    SWITCH = "switch"
    RETIRE = "retire"
    ABANDON = "abandon"


@dataclass(frozen=True, slots=True)
class Periods:
    """How long things last. A leaf (and its authority) lives a year and is renewed with a third of that left."""

    leaf: timedelta = timedelta(days=365)
    # From the publication of a bundle to the first leaf that needs it: API servers see the change within seconds.
    settle: timedelta = timedelta(minutes=10)
    # From a new leaf to the end of the old authority: a replica cut off from the API may go on with the old leaf.
    retire: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Plan:
    """The next step, why, and until when nothing else is due. `serve` and `bundle` are what the Secret offers as
    it stands: nothing where its leaf is of no use."""

    step: Step
    reason: str
    serve: KeyPair | None = None
    bundle: bytes = b""
    due: datetime | None = None

    @property
    def needs_publication(self) -> bool:
        return self.step in (Step.CONFIRM, Step.SWITCH)


def plan(secret: Mapping[str, Any] | None, now: datetime, names: Sequence[str], periods: Periods | None = None) -> Plan:
    if secret is None:
        return Plan(Step.CREATE, "there is no Secret yet")
    periods = periods or Periods()
    contents = read_secret(secret)
    try:
        leaf = _usable(contents.current, contents, now, names)
    except BadCertificate as fault:
        return Plan(Step.REPLACE, str(fault))
    step, reason, due = _next_step(contents, leaf, now, names, periods)
    return Plan(step, reason, contents.current, write_bundle(contents.authorities), due)


def carry_out(
    step: Step,
    contents: Contents | None,
    now: datetime,
    names: Sequence[str],
    periods: Periods | None = None,
    known: Sequence[x509.Certificate] = (),
) -> Contents:
    """The Secret's contents after the step. `known`: authorities that replicas may still serve by although the
    Secret no longer names them (it was deleted, or written over)."""
    periods = periods or Periods()
    contents = contents or Contents(KeyPair(b"", b""), None, ())
    at = _time(contents, now)
    not_before = min(contents.stored_at or now, now) - _BACKDATE
    match step:
        case Step.CREATE | Step.REPLACE:
            issued = issue(_names_for_rollout(contents, names), not_before, at + periods.leaf)
            kept = _distinct((*known, *contents.authorities))[: _AUTHORITIES_KEPT - 1]
            return replace(_settled(contents, at), current=issued.pair, authorities=(*kept, issued.authority))
        case Step.INTRODUCE:
            issued = issue(names, not_before, at + periods.leaf)
            kept = _without_coming(contents)
            return Contents(contents.current, issued.pair, (*kept, issued.authority), None, contents.switched_at)
        case Step.CONFIRM:
            return replace(contents, published_at=at)
        case Step.SWITCH if contents.coming is not None:
            return replace(_settled(contents, at), current=contents.coming)
        case Step.RETIRE:
            leaf = read_leaf(contents.current)
            return replace(contents, authorities=signers(leaf, contents.authorities), switched_at=None)
        case Step.ABANDON:
            return replace(contents, coming=None, authorities=_without_coming(contents), published_at=None)
    return contents


def _next_step(
    contents: Contents, leaf: x509.Certificate, now: datetime, names: Sequence[str], periods: Periods
) -> tuple[Step, str, datetime | None]:
    at = _time(contents, now)
    renewal = _renewal(leaf, periods)
    if contents.coming is not None:
        fault = _fault(contents.coming, contents, now, names)
        if fault and at < renewal:
            return Step.ABANDON, f"the coming leaf: {fault}", None
        if fault:
            return Step.INTRODUCE, f"the coming leaf: {fault}", None
        if contents.published_at is None:
            return Step.CONFIRM, "the coming leaf's authority has been published", None
        switch = _since(contents.published_at, contents, at) + periods.settle
        if at >= switch:
            return Step.SWITCH, "the coming leaf's authority has been published long enough", None
        return Step.KEEP, "the coming leaf waits for its authority to settle", switch
    if at >= renewal:
        return Step.INTRODUCE, f"the leaf ends at {leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}", None
    if len(signers(leaf, contents.authorities)) < len(contents.authorities):
        retire = _since(contents.switched_at, contents, at) + periods.retire
        if at >= retire:
            return Step.RETIRE, "authorities other than the leaf's have been of no use long enough", None
        return Step.KEEP, "the leaf is good, the bundle still holds other authorities", min(retire, renewal)
    return Step.KEEP, "the leaf is good", renewal


def _usable(pair: KeyPair, contents: Contents, now: datetime, names: Sequence[str]) -> x509.Certificate:
    """The pair's leaf; BadCertificate says why it is of no use."""
    leaf = read_pair(pair)
    if not signers(leaf, contents.authorities):
        raise BadCertificate("the bundle does not vouch for the certificate")
    if not serves_tls(leaf):
        raise BadCertificate("the certificate is not a server's")
    missing = sorted(set(names) - set(leaf_names(leaf)))
    if missing:
        raise BadCertificate(f"the certificate is not for {', '.join(missing)}")
    if leaf.not_valid_after_utc <= _time(contents, now):
        raise BadCertificate(f"the certificate ended at {leaf.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}")
    if leaf.not_valid_before_utc > (contents.stored_at or now):
        raise BadCertificate(f"the certificate only starts at {leaf.not_valid_before_utc:%Y-%m-%dT%H:%M:%SZ}")
    return leaf


def _fault(pair: KeyPair, contents: Contents, now: datetime, names: Sequence[str]) -> str:
    try:
        _usable(pair, contents, now, names)
    except BadCertificate as fault:
        return str(fault)
    return ""


def _time(contents: Contents, now: datetime) -> datetime:
    return max(now, contents.stored_at or now)


def _since(stamp: datetime | None, contents: Contents, at: datetime) -> datetime:
    """When a stage began; a stamp that is missing or in the future gives way to the API server's own."""
    return stamp if stamp is not None and stamp <= at else contents.stored_at or at


def _renewal(leaf: x509.Certificate, periods: Periods) -> datetime:
    """With a third of its life left; what a leaf was dated back does not count as life."""
    life = leaf.not_valid_after_utc - leaf.not_valid_before_utc
    return leaf.not_valid_after_utc - min(life, periods.leaf) / 3


def _settled(contents: Contents, at: datetime) -> Contents:
    """No coming leaf any more; the authorities other than the leaf's may go some time after `at`."""
    return replace(contents, coming=None, published_at=None, switched_at=at)


def _without_coming(contents: Contents) -> tuple[x509.Certificate, ...]:
    """The authorities, less those that vouch for the coming leaf alone: nobody ever served it."""
    if contents.coming is None:
        return contents.authorities
    needed = signers(read_leaf(contents.current), contents.authorities)
    try:
        coming = read_leaf(contents.coming)
    except BadCertificate:
        return contents.authorities
    unneeded = set(signers(coming, contents.authorities)) - set(needed)
    return tuple(authority for authority in contents.authorities if authority not in unneeded)


def _names_for_rollout(contents: Contents, names: Sequence[str]) -> tuple[str, ...]:
    """The names wanted, and those the leaf had: while a rename rolls out, old and new replicas share the Secret."""
    try:
        leaf = read_leaf(contents.current)
    except BadCertificate:
        return tuple(names)
    before = leaf_names(leaf) if signers(leaf, contents.authorities) else ()
    return _distinct((*names, *before))[: max(_NAMES_KEPT, len(names))]


def _distinct(items: Sequence[_Item]) -> tuple[_Item, ...]:
    return tuple(dict.fromkeys(items))
