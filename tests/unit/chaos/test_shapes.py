"""What a shape says is heard of it fits the Job that it makes."""

import pytest

from tests.chaos.shapes import BY_NAME, SHAPES, Shape


def test_names_are_unique() -> None:
    assert len(BY_NAME) == len(SHAPES)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_each_is_a_cron_job_that_is_monitored(shape: Shape) -> None:
    made = shape.cron_job()
    assert made["metadata"]["annotations"]["k8s.cronitor.io/include"] == "true"
    assert shape.outcome == ("Complete" if shape.verdict == "complete" else "Failed")
    assert (shape.verdict == "complete") == (shape.code == 0)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_a_restart_of_the_sidecar_fails_none(shape: Shape) -> None:
    template = shape.cron_job()["spec"]["jobTemplate"]["spec"]
    if template["template"]["spec"]["restartPolicy"] == "OnFailure":
        assert template["backoffLimit"] >= 20
