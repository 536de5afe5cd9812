"""The mark on a Job: what is written reads back, and what somebody else wrote there counts as no mark."""

import json

import pytest

from webhook.annotations import AlertOn
from webhook.monitor_identity import MonitorIdentity
from webhook.run_mark import ANNOTATION, RunMark, of_job, read, write

FULL = RunMark(
    key="uid",
    name="shop/“backup” ü",
    env="prod",
    alert_on=AlertOn.ATTEMPT,
    start=1772366400.5,
    verdict="fail",
    left="y",
    job="j",
)


@pytest.mark.parametrize(
    "mark",
    [
        RunMark("uid", "shop/backup"),
        RunMark("uid", "shop/backup", start=0.0),
        RunMark("uid", "shop/backup", verdict="complete"),
        RunMark("uid", "shop/backup", left="the pod is being deleted"),
        FULL,
    ],
)
def test_what_is_written_reads_back(mark: RunMark) -> None:
    assert read({ANNOTATION: write(mark)}) == mark


def test_it_is_compact_and_says_its_version() -> None:
    assert json.loads(write(RunMark("uid", "shop/backup"))) == {
        "v": 1, "key": "uid", "name": "shop/backup", "alert_on": "run",
    }  # fmt: skip
    assert " " not in write(RunMark("uid", "backup"))


def test_the_identity_is_the_frozen_one() -> None:
    assert FULL.identity == MonitorIdentity("uid", "shop/“backup” ü", "prod")


@pytest.mark.parametrize("annotations", [None, {}, {"k8s.cronitor.io/include": "true"}])
def test_without_the_annotation_there_is_no_mark(annotations: dict[str, str] | None) -> None:
    assert read(annotations) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "true",
        "null",
        "7",
        "[]",
        '"key"',
        "{}",
        '{"key":"a"}',
        '{"name":"a"}',
        "{",
        '{"key":"a","name":"b","alert_on":"never"}',
        '{"key":"a","name":"b","start":"soon"}',
        '{"key":"a","name":"b","start":[]}',
        '{"key":"a","name":"b","start":1' + "0" * 400 + "}",
        "[" * 100_000,
    ],
    ids=lambda text: text[:30],
)
def test_what_cannot_be_read_counts_as_no_mark(text: str) -> None:
    assert read({ANNOTATION: text}) is None


@pytest.mark.parametrize(("uid", "is_its_own"), [("j", True), ("another", False), (None, False)])
def test_a_mark_is_only_that_of_the_job_that_it_was_written_for(uid: str | None, is_its_own: bool) -> None:
    job = {"metadata": {"uid": uid, "annotations": {ANNOTATION: write(FULL)}}}
    assert of_job(job) == (FULL if is_its_own else None)
    assert of_job({"metadata": {"uid": uid}}) is None


def test_what_a_later_version_adds_is_passed_over() -> None:
    assert read({ANNOTATION: '{"v":2,"key":"a","name":"b","new":{}}'}) == RunMark("a", "b")
