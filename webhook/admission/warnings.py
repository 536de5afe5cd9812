"""What a CronJob's annotations make `kubectl apply` warn of. Pure."""

from collections.abc import Mapping

from webhook import annotations
from webhook.admission import review
from webhook.annotations import Problem

LONGEST = 120
"""Kubernetes' advice: the API server cuts longer ones at 256 once all together pass 4096."""

_SHOWN_VALUES = (40, 20, 10)


def warnings(given: Mapping[str, str] | None) -> list[str]:
    """One line for each annotation under our prefix that has no effect: its value, its key, or beside another.

    Of very many the first are told.
    """
    return annotations.told((*annotations.read(given).problems, *annotations.unknown(given)), _line)


def answer(body: bytes) -> bytes:
    """The AdmissionReview that answers one of a CronJob; `allowed: true` whatever comes."""
    try:
        uid, given = review.annotations_of(body)
        return review.answer(uid, warnings=warnings(given))
    except review.UnreadableReviewError:
        return review.answer(review.uid_of(body))


def _line(problem: Problem) -> str:
    lines = [problem.shown(longest) for longest in _SHOWN_VALUES]
    return next((line for line in lines if len(line) <= LONGEST), lines[-1])
