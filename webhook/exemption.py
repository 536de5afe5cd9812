"""The annotation `k8s.cronitor.io/exempt` that the controller writes on a Job whose pod was refused. Pure.

Admission leaves the pods of such a Job alone. If the next pod is let in, it was our container that was refused. The
moment and the conclusion stand in the annotation, so that a restarted controller or a new leader goes on from there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

ANNOTATION = "k8s.cronitor.io/exempt"
VERSION = 1


class Cause(Enum):
    """What refused the pod: not known yet, our container, or something that has nothing to do with us."""

    UNKNOWN = ""
    OURS = "ours"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Exemption:
    """`job` is the UID of the Job that it was written for. Times in Unix seconds.

    `since` is by our clock; `refused`, when its pod was refused, by the control plane's, as pods' creation times are.
    """

    since: float
    refused: float
    job: str
    cause: Cause = Cause.UNKNOWN


def write(exemption: Exemption) -> str:
    times = {"since": round(exemption.since, 3), "refused": round(exemption.refused, 3)}
    known: dict[str, Any] = {"v": VERSION, **times, "job": exemption.job}
    if exemption.cause is not Cause.UNKNOWN:
        known["cause"] = exemption.cause.value
    return json.dumps(known, separators=(",", ":"))


def of_job(job: Mapping[str, Any]) -> Exemption | None:
    """The exemption of this very Job: one that came along with a copy of another Job's manifest is none.

    One that somebody has edited still exempts the Job, and nothing is concluded from it.
    """
    metadata = job["metadata"]
    text = (metadata.get("annotations") or {}).get(ANNOTATION)
    if text is None:
        return None
    uid = str(metadata.get("uid", ""))
    try:
        parsed: dict[str, Any] = json.loads(text)
        since, refused = float(parsed["since"]), float(parsed["refused"])
        found = Exemption(since, refused, str(parsed["job"]), Cause(parsed.get("cause", "")))
    except (KeyError, ValueError, TypeError, AttributeError, OverflowError, RecursionError):
        return Exemption(0.0, 0.0, uid, Cause.OTHER)
    return found if found.job == uid else None
