"""What the controller writes on a refused Job reads back; whatever else stands there exempts it, and says nothing."""

import pytest

from tests.unit.webhook.objects import JOB_UID, job
from webhook.exemption import ANNOTATION, Cause, Exemption, of_job, write


@pytest.mark.parametrize("cause", Cause)
def test_what_is_written_reads_back(cause: Cause) -> None:
    exemption = Exemption(1772366400.25, 1772366399.0, JOB_UID, cause)
    assert of_job(job(annotations={ANNOTATION: write(exemption)})) == exemption


def test_a_job_without_it_is_not_exempt() -> None:
    assert of_job(job()) is None


def test_one_that_came_along_with_another_job_s_manifest_is_none() -> None:
    assert of_job(job(annotations={ANNOTATION: write(Exemption(1.0, 1.0, "another"))})) is None


@pytest.mark.parametrize("text", ["", "true", "{", "[]", "7", '{"since":"x","job":"y"}', '{"v":9}', "[" * 100_000])
def test_one_that_somebody_has_edited_still_exempts(text: str) -> None:
    found = of_job(job(annotations={ANNOTATION: text}))
    assert found is not None
    assert found.cause is Cause.OTHER
