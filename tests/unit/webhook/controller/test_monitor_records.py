"""Records of monitors read back, fit where they are kept, and survive what people do to them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.webhook.controller.monitor_scene import START, cron_job
from webhook.controller.monitor_records import (
    LONGEST_WORDS,
    SHARDS,
    TOMBSTONES_PER_SHARD,
    CronJobReference,
    Record,
    Rejection,
    fingerprint,
    names_of,
    read,
    shard_of,
    too_many,
    write,
)

NAMES = names_of(("type", "key", "name", "schedule", "timezone", "tags", "notify", "platform", "metadata", "note"))
PUT = Record(cron_job(), "0123456789abcdef", NAMES, account="01234567")
RECORDS = {
    "put": PUT,
    "by which account is not known": replace(PUT, account=""),
    "paused": Record(cron_job("ü"), "f", ("name",), paused=True),
    "pausing": Record(cron_job(), pausing=True),
    "rejected": Record(cron_job(), rejected=Rejection("f", START, 'no such list "ops"')),
    "tombstone": Record(cron_job(), "f", NAMES, removed=START),
    "shared": Record(cron_job(), "f", shared="s"),
    'key "of" a person ✓': PUT,
}


def test_what_is_written_reads_back() -> None:
    assert read(write(RECORDS)) == RECORDS


def test_the_same_records_are_the_same_text_whatever_their_order() -> None:
    assert write(RECORDS) == write(dict(reversed(RECORDS.items())))


@pytest.mark.parametrize("text", [None, "", "{", "[]", "7", "null", "{}", '{"monitors":7}', "[" * 100_000, 7], ids=str)
def test_a_shard_that_cannot_be_read_holds_nothing(text: Any) -> None:
    assert read(text) == {}


@pytest.mark.parametrize(
    "broken",
    [
        None, 7, "x", [], {}, {"cronJob": None}, {"cronJob": ["shop", "backup"]},
        {"cronJob": ["shop", "backup", "uid"], "removed": "yesterday"},
        {"cronJob": ["shop", "backup", "uid"], "removed": 1e999},
        {"cronJob": ["shop", "backup", "uid"], "rejected": "x"},
        {"cronJob": ["shop", "backup", "uid"], "rejected": ["f", None, "words"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_record_that_cannot_be_read_counts_as_absent_and_the_others_stay(broken: Any) -> None:
    document = json.loads(write(RECORDS))
    document["monitors"]["broken"] = broken
    assert read(json.dumps(document)) == RECORDS


def test_10_000_monitors_stay_far_below_what_a_config_map_takes() -> None:
    words = "x" * LONGEST_WORDS
    shards: list[dict[str, Record]] = [{} for _ in range(SHARDS)]
    for number in range(10_000):
        owner = CronJobReference("n" * 40, f"cron-job-{number:043}", f"{number:036}")
        key = fingerprint(number) * 2 + "12345678"
        shards[shard_of(key)][key] = Record(owner, "f" * 16, NAMES, True, Rejection("f" * 16, START + 0.123, words))
    sizes = [len(write(shard).encode()) for shard in shards]
    assert max(sizes) < 450_000, "even with all of them rejected"
    usual = {key: PUT for shard in shards for key in shard}
    assert len(write(usual).encode()) / len(usual) < 260


def tombstones(count: int, **more: Any) -> dict[str, Record]:
    """So many of shard 3, the oldest first."""
    keys = [
        key
        for key in (f"{fingerprint(number)}-{fingerprint(-number)}" for number in range(16 * count * 2))
        if shard_of(key) == 3
    ]
    return {
        key: Record(cron_job(), "f" * 16, NAMES, removed=START + number, **more)
        for number, key in enumerate(keys[:count])
    }


def test_only_the_newest_tombstones_of_a_shard_are_kept() -> None:
    found = tombstones(TOMBSTONES_PER_SHARD + 9)
    records = found | {f"live-{number}": PUT for number in range(5000)}
    assert sorted(too_many(records)) == sorted([*found][:9])


@pytest.mark.parametrize("paused", [True, False], ids=["paused", "pausing"])
def test_what_we_have_paused_is_forgotten_last(paused: bool) -> None:
    found = tombstones(TOMBSTONES_PER_SHARD + 9)
    keys = [*found]
    ours = {key: replace(found[key], paused=paused, pausing=not paused) for key in keys[:5]}
    assert sorted(too_many(found | ours)) == sorted(keys[5:14])


def test_a_shard_full_of_tombstones_fits_beside_those_of_10_000_monitors() -> None:
    owner = CronJobReference("n" * 63, "c" * 52, "u" * 36)
    found = tombstones(TOMBSTONES_PER_SHARD + 700, paused=True)
    shard = {key: replace(one, cron_job=owner, account="01234567") for key, one in found.items()}
    live = {key: replace(one, removed=None) for key, one in [*shard.items()][-700:]}
    assert len(write(shard | live).encode()) < 800_000


def test_a_fingerprint_is_of_the_content_and_not_of_its_order() -> None:
    assert fingerprint({"a": 1, "b": ["x"]}) == fingerprint({"b": ["x"], "a": 1})
    assert len({fingerprint(one) for one in ({"a": 1}, {"a": "1"}, {"a": None}, {}, {"a": [1]})}) == 5
