"""Monitors kept at Cronitor over rounds, refusals, restarts and removals."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.webhook.controller.monitor_scene import RESETS, START, Scene, wanted
from webhook import metrics
from webhook.controller.monitor_events import MOST_TOLD_OF_REFUSAL
from webhook.controller.monitor_plan import OnRemove, Policy, Wanted
from webhook.controller.monitor_sync import (
    KEY_REFUSED_SECONDS,
    LONGEST_RETRY_AFTER_SECONDS,
    ROUND_SECONDS,
    TELLING_SECONDS,
)
from webhook.controller.monitor_troubles import SLOWEST_RETRY_SECONDS
from webhook.errors import CronitorError, KeyRefused, KubeError, TooManyRequests


class Killed(BaseException):
    """The process ends here."""


TELEMETRY_KEY = KeyRefused(403, "no permission")


@pytest.fixture
def scene() -> Scene:
    return Scene()


def many(count: int, bad: int = 0) -> list[Wanted]:
    """So many, of which every so-manyth is one that Cronitor rejects."""
    step = count // bad if bad else count + 1
    return [wanted(f"c{number}", note="bad" if number % step == step - 1 else "good") for number in range(count)]


def value(metric: Any) -> float:
    return float(metric._value.get())


def test_1_000_are_put_in_ten_requests_and_after_a_restart_in_none(scene: Scene) -> None:
    all_of_them = many(1000)
    assert scene.reconcile(*all_of_them) is None
    assert [len(one) for one in scene.sent()] == [100] * 10
    assert sorted({reason for _, reason, _ in scene.events}) == ["MonitorSynced"]
    assert len(scene.told()) == 1000
    assert scene.kept.written < 16 + 10 + 16, "a batch changes few shards"
    for _ in range(2):
        scene.lead()
        assert scene.reconcile(*all_of_them) is None
        scene.now += 7 * 86400
        scene.reconcile(*all_of_them)
    assert (scene.sent(), scene.told()) == ([], [])
    assert (value(metrics.monitors_desired), value(metrics.monitors_synced)) == (1000, 1000)


def test_one_that_changes_is_one_request_of_one(scene: Scene) -> None:
    scene.reconcile(*many(200))
    scene.sent(), scene.told()
    changed = [*many(200)[:-1], wanted("c199", note="better")]
    scene.reconcile(*changed)
    assert [[one["note"] for one in put] for put in scene.sent()] == [["better"]]
    assert scene.told() == [], "an edit that worked is no news"


def test_30_bad_ones_among_1_000_keep_none_of_the_others_out_and_are_told_once(scene: Scene) -> None:
    all_of_them = many(1000, bad=30)
    scene.reconcile(*all_of_them)
    assert len(scene.cronitor.monitors) == 970
    requests = len(scene.sent())
    assert requests <= 10 + 2 * 30 * 7
    told = scene.told()
    assert [reason for _, reason, _ in told].count("MonitorSynced") == 970
    bad = [(name, message) for name, reason, message in told if reason == "MonitorRejected"]
    assert len(bad) == 30
    assert all(message == f"Cronitor rejects the monitor {name}: {name}: no such note" for name, message in bad)
    assert value(metrics.monitors_rejected) == 30
    for _ in range(3):
        scene.now += 600
        wait = scene.reconcile(*all_of_them)
        scene.lead()
    assert wait is not None
    assert wait > 3600
    assert (scene.sent(), scene.told()) == ([], [])


class TestRejected:
    def test_it_is_tried_again_in_hours_and_told_again_only_in_other_words(self, scene: Scene) -> None:
        scene.reconcile(wanted(note="bad"))
        scene.now += 10 * 3600
        scene.reconcile(wanted(note="bad"))
        assert len(scene.sent()) == 2
        assert [reason for _, reason, _ in scene.told()] == ["MonitorRejected"]

    def test_when_it_is_mended_that_is_told(self, scene: Scene) -> None:
        scene.reconcile(wanted())
        scene.reconcile(wanted(note="bad"))
        scene.told()
        scene.reconcile(wanted(note="good"))
        assert [reason for _, reason, _ in scene.told()] == ["MonitorSynced"]
        assert scene.records()["backup"].rejected is None

    def test_a_cron_job_that_was_made_again_is_told_of_it_as_well(self, scene: Scene) -> None:
        for uid in ("one", "two", "two"):
            scene.reconcile(wanted(uid=uid, note="bad"))
        assert [reason for _, reason, _ in scene.told()] == ["MonitorRejected"] * 2

    def test_what_is_too_large_alone_is_rejected(self, scene: Scene) -> None:
        scene.cronitor.largest = 0
        scene.reconcile(wanted())
        assert [reason for _, reason, _ in scene.told()] == ["MonitorRejected"]

    def test_it_is_told_before_it_is_written_that_it_was(self, scene: Scene) -> None:
        """Whoever leads next finds it written, and tells nobody."""
        scene.kept.failure = KubeError("503", status=503)
        with pytest.raises(KubeError):
            scene.reconcile(wanted(note="bad"))
        assert [reason for _, reason, _ in scene.told()] == ["MonitorRejected"]

    def test_it_is_paused_for_all_that_when_its_cron_job_is_suspended(self, scene: Scene) -> None:
        scene.reconcile(wanted())
        scene.reconcile(wanted(note="bad", suspended=True))
        assert scene.cronitor.monitors["backup"]["paused"] is True
        assert scene.records()["backup"].paused
        scene.sent()
        scene.reconcile(wanted(note="bad", suspended=True))
        assert scene.sent() == []
        scene.reconcile(wanted())
        assert scene.cronitor.monitors["backup"]["paused"] is False


class TestPaused:
    def test_with_its_cron_job(self, scene: Scene) -> None:
        scene.reconcile(wanted())
        scene.reconcile(wanted(suspended=True))
        assert scene.cronitor.monitors["backup"]["paused"] is True
        scene.lead()
        scene.reconcile(wanted())
        assert scene.cronitor.monitors["backup"]["paused"] is False

    def test_by_a_person_it_stays_paused_through_an_edit_a_suspension_and_a_restart(self, scene: Scene) -> None:
        scene.reconcile(wanted())
        scene.cronitor.monitors["backup"]["paused"] = True
        for one in (wanted(note="x"), wanted(note="x", suspended=True), wanted(note="x"), wanted(note="y")):
            scene.reconcile(one)
            scene.lead()
            assert scene.cronitor.monitors["backup"]["paused"] is True

    def test_a_pause_that_a_person_lifts_is_not_put_back(self, scene: Scene) -> None:
        scene.reconcile(wanted(suspended=True))
        scene.cronitor.monitors["backup"]["paused"] = False
        scene.lead()
        scene.reconcile(wanted(suspended=True))
        scene.reconcile(wanted(suspended=True, note="x"))
        assert scene.cronitor.monitors["backup"]["paused"] is False

    @pytest.mark.parametrize("removed", [False, True], ids=["suspended", "removed"])
    @pytest.mark.parametrize("restarted", [False, True], ids=["same leader", "new leader"])
    def test_by_us_though_the_answer_was_lost_it_is_resumed(self, scene: Scene, removed: bool, restarted: bool) -> None:
        scene.reconcile(wanted())
        scene.cronitor.lost = [CronitorError("reset")]
        ones = [] if removed else [wanted(suspended=True)]
        scene.gone(*ones)
        assert scene.cronitor.monitors["backup"]["paused"] is True
        if restarted:
            scene.lead()
        scene.now += 60
        scene.gone(*ones)
        assert scene.records()["backup"].paused
        scene.lead()
        scene.reconcile(wanted())
        assert scene.cronitor.monitors["backup"]["paused"] is False

    @pytest.mark.parametrize("removed", [False, True], ids=["suspended", "removed"])
    def test_by_us_just_before_we_were_killed_it_is_resumed(self, scene: Scene, removed: bool) -> None:
        scene.reconcile(wanted())
        scene.cronitor.lost = [Killed()]
        with pytest.raises(Killed):
            scene.gone(*([] if removed else [wanted(suspended=True)]))
        assert scene.cronitor.monitors["backup"]["paused"] is True
        scene.lead()
        scene.reconcile(wanted())
        assert scene.cronitor.monitors["backup"]["paused"] is False

    def test_what_is_to_be_paused_is_written_once_a_batch_and_not_where_there_is_no_pause(self, scene: Scene) -> None:
        scene.reconcile(wanted())
        assert scene.kept.written == 1
        scene.reconcile(wanted(suspended=True))
        assert scene.kept.written == 3

    def test_a_pause_that_is_rejected_is_not_ours(self, scene: Scene) -> None:
        scene.reconcile(wanted(suspended=True, note="bad"))
        assert not scene.records()["backup"].may_be_paused_by_us

    def test_by_a_person_before_we_ever_put_it_it_stays_paused(self, scene: Scene) -> None:
        scene.cronitor.monitors["backup"] = {"paused": True}
        scene.reconcile(wanted(suspended=True))
        scene.reconcile(wanted())
        assert scene.cronitor.monitors["backup"]["paused"] is True

    def test_1_000_suspended_ones_are_looked_up_by_pages_on_the_first_day_and_on_the_last(self, scene: Scene) -> None:
        scene.cronitor.monitors = {f"theirs{number}": {"paused": False} for number in range(150)}
        scene.cronitor.monitors["c7"] = {"paused": True}
        scene.reconcile(*(wanted(f"c{number}", suspended=True) for number in range(1000)))
        assert (scene.cronitor.looked_up, scene.cronitor.pages) == ([], [1, 2])
        assert sum(record.paused for record in scene.records().values()) == 999
        scene.now += 3600
        for one in many(1000):
            scene.cronitor.monitors[one.monitor.key]["paused"] = False
        scene.cronitor.monitors["c9"]["paused"] = True
        del scene.cronitor.monitors["c8"]
        scene.gone()
        assert scene.cronitor.looked_up == ["c8"], "whether it is gone is made sure of"
        assert len(scene.cronitor.pages) == 2 + 12
        assert scene.records().keys() == {f"c{number}" for number in range(1000)} - {"c8"}
        assert "c8" not in scene.cronitor.monitors

    def test_what_was_listed_does_not_count_once_it_has_been_put(self, scene: Scene) -> None:
        ones, others = many(20), [wanted(f"other{number}") for number in range(20)]
        suspended = [wanted(one.cron_job.name, note="good", suspended=True) for one in ones]
        scene.reconcile(*suspended, *others)
        scene.now += 3600
        scene.reconcile(*suspended, *(wanted(one.cron_job.name, suspended=True) for one in others))
        for some, paused in ((ones, 0), (suspended, 20), (ones, 0)):
            scene.reconcile(*some, *others)
            assert sum(one["paused"] for one in scene.cronitor.monitors.values()) == paused

    def test_look_ups_that_take_long_are_made_over_rounds(self, scene: Scene) -> None:
        passed = iter(number * (ROUND_SECONDS / 3) for number in range(1000))
        scene.clock = lambda: next(passed)
        ones = [wanted(f"c{number}", suspended=True) for number in range(8)]
        assert scene.reconcile(*ones) == 0.0
        assert 0 < len(scene.cronitor.looked_up) < 8
        for _ in range(8):
            scene.reconcile(*ones)
        assert len(scene.cronitor.looked_up) == sum(record.paused for record in scene.records().values()) == 8

    def test_where_there_are_no_pages_they_are_looked_up_one_by_one(
        self, scene: Scene, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[int] = []

        def fail(page: int) -> dict[str, bool]:
            asked.append(page)
            raise CronitorError("400", 400)

        monkeypatch.setattr(scene.cronitor, "pauses_on", fail)
        scene.reconcile(*(wanted(f"c{number}", suspended=True) for number in range(20)))
        assert (asked, len(scene.cronitor.looked_up)) == ([1], 20)

    def test_pages_that_are_always_the_same_end(self, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[int] = []

        def all_of_them(page: int) -> dict[str, bool]:
            asked.append(page)
            return {f"c{number}": True for number in range(20)}

        monkeypatch.setattr(scene.cronitor, "pauses_on", all_of_them)
        scene.reconcile(*(wanted(f"c{number}", suspended=True) for number in range(20)))
        assert asked == [1, 2]
        assert not any(record.paused for record in scene.records().values())

    def test_a_pause_that_goes_through_alone_is_known_to_be_ours(self, scene: Scene) -> None:
        scene.reconcile(wanted())
        scene.cronitor.failures = [CronitorError("reset")]
        wait = scene.reconcile(wanted(suspended=True))
        assert wait is not None
        assert scene.records()["backup"].pausing
        scene.now += wait
        scene.reconcile(wanted(suspended=True, note="bad"))
        record = scene.records()["backup"]
        assert (record.paused, record.pausing) == (True, False)

    @pytest.mark.parametrize("size", [7, 100])
    def test_pages_may_be_smaller_than_they_were_asked_for(self, scene: Scene, size: int) -> None:
        scene.cronitor.page_size = size
        scene.cronitor.monitors = {f"c{number}": {"paused": True} for number in range(30)}
        scene.reconcile(*(wanted(f"c{number}", suspended=True) for number in range(30)))
        assert not any(record.paused for record in scene.records().values())
        assert scene.cronitor.looked_up == []

    def test_pages_that_take_long_are_read_over_rounds(self, scene: Scene) -> None:
        scene.cronitor.page_size = 1
        scene.cronitor.monitors = {f"c{number:02}": {"paused": True} for number in range(30)}
        passed = iter(number * (ROUND_SECONDS / 8) for number in range(10_000))
        scene.clock = lambda: next(passed)
        ones = [wanted(f"c{number:02}", suspended=True) for number in range(30)]
        assert scene.reconcile(wanted("urgent"), *ones) == 0.0
        assert (len(scene.cronitor.pages) < 30, set(scene.records())) == (True, {"urgent"})
        while scene.reconcile(wanted("urgent"), *ones) is not None:
            pass
        assert len(scene.cronitor.pages) == len(set(scene.cronitor.pages))
        assert not any(record.paused for record in scene.records().values())

    @pytest.mark.parametrize("count", [1, 50])
    def test_a_look_up_that_is_throttled_or_refused_is_waited_for(self, scene: Scene, count: int) -> None:
        ones = [wanted(f"c{number}", suspended=True) for number in range(count)]
        scene.cronitor.lookup_failure = TooManyRequests("429", 42.0)
        assert scene.reconcile(*ones) == 43.0
        scene.cronitor.lookup_failure = TELEMETRY_KEY
        scene.now += 43.0
        assert scene.reconcile(*ones) == KEY_REFUSED_SECONDS
        assert "telemetry key" in scene.sync.detail()
        assert (scene.sent(), scene.records()) == ([], {})

    def test_a_cron_job_that_comes_while_the_key_is_refused_is_told_so_at_once(self, scene: Scene) -> None:
        scene.cronitor.failures.extend([TELEMETRY_KEY] * 2)
        assert scene.reconcile(wanted()) == KEY_REFUSED_SECONDS
        scene.told()
        scene.sent()
        scene.now += 1.0
        for _ in range(2):
            assert scene.reconcile(wanted(), wanted("new")) == KEY_REFUSED_SECONDS - 1.0
        assert [event[:2] for event in scene.told()] == [("new", "KeyRefused")]
        assert scene.sent() == []

    def test_a_look_up_that_works_does_not_mean_that_the_key_may_put(self, scene: Scene) -> None:
        scene.cronitor.failures.extend([TELEMETRY_KEY] * 2)
        ones = [wanted(suspended=True), wanted("other", suspended=True)]
        for count in (1, 2):
            scene.reconcile(*ones[:count])
            scene.now += KEY_REFUSED_SECONDS
        assert scene.cronitor.looked_up == ["backup", "other"]
        assert [name for name, _, _ in scene.told()].count("backup") == 1

    def test_where_it_cannot_be_looked_up_it_is_paused_and_not_all_are_asked_for(self, scene: Scene) -> None:
        scene.reconcile(*many(5))
        scene.cronitor.lookup_failure = CronitorError("503", 503)
        scene.reconcile(*(wanted(f"c{number}", suspended=True) for number in range(5)))
        assert [one["paused"] for one in scene.cronitor.monitors.values()] == [True] * 5
        assert len(scene.cronitor.looked_up) == 1

    @pytest.mark.parametrize("count", [1, 20])
    def test_in_another_account_too_where_it_may_not_be_there(self, scene: Scene, count: int) -> None:
        ones = [wanted(f"c{number}", suspended=True) for number in range(count)]
        scene.policy = replace(scene.policy, account="one")
        scene.reconcile(*ones)
        scene.policy = replace(scene.policy, account="two")
        scene.cronitor.monitors.clear()
        scene.cronitor.lookup_failure = CronitorError("503", 503)
        scene.reconcile(*ones)
        assert [one["paused"] for one in scene.cronitor.monitors.values()] == [True] * count


def test_what_another_account_rejects_is_not_made_there_to_be_paused(scene: Scene) -> None:
    scene.policy = replace(scene.policy, account="one")
    scene.reconcile(wanted(suspended=True))
    scene.policy = replace(scene.policy, account="two")
    scene.cronitor.monitors.clear()
    scene.edit("backup", fingerprint="another")
    scene.lead()
    scene.reconcile(wanted(suspended=True, note="bad"))
    assert scene.cronitor.monitors == {}


def test_what_is_not_wanted_any_more_is_reset_once(scene: Scene) -> None:
    scene.reconcile(wanted(notify=["ops"], note="x", group="g"))
    scene.sent()
    scene.reconcile(wanted())
    ((body,),) = scene.sent()
    assert {name: body[name] for name in RESETS if name in body} == {"notify": ["default"], "note": None}
    scene.reconcile(wanted(schedule="@daily"))
    ((body,),) = scene.sent()
    assert not RESETS.keys() & body.keys()


class TestRemoved:
    def test_what_a_person_has_deleted_is_not_made_again(self, scene: Scene) -> None:
        scene.reconcile(wanted())
        scene.sent()
        scene.cronitor.monitors.clear()
        scene.gone()
        assert (scene.sent(), scene.records()) == ([], {})

    @pytest.mark.parametrize(
        ("on_remove", "left"), [(OnRemove.PAUSE, True), (OnRemove.KEEP, False), (OnRemove.DELETE, None)]
    )
    def test_by_policy_also_after_a_restart_once(self, on_remove: OnRemove, left: bool | None) -> None:
        scene = Scene(Policy(on_remove, RESETS))
        scene.reconcile(wanted(), wanted("other"))
        scene.lead()
        scene.gone(wanted("other"))
        assert scene.cronitor.monitors.get("backup", {}).get("paused") is left
        scene.sent(), scene.told()
        scene.lead()
        scene.gone(wanted("other"))
        assert (scene.sent(), scene.told(), len(scene.cronitor.deleted)) == ([], [], left is None)

    @pytest.mark.parametrize("on_remove", list(OnRemove))
    def test_it_works_again_when_its_cron_job_comes_back(self, on_remove: OnRemove) -> None:
        scene = Scene(Policy(on_remove, RESETS))
        scene.reconcile(wanted())
        scene.gone()
        scene.told()
        scene.reconcile(wanted(uid="another"))
        assert scene.cronitor.monitors["backup"]["paused"] is False
        assert [reason for _, reason, _ in scene.told()] == ["MonitorSynced"]

    def test_a_person_s_pause_outlasts_its_absence(self, scene: Scene) -> None:
        scene.reconcile(wanted())
        scene.cronitor.monitors["backup"]["paused"] = True
        scene.sent()
        scene.gone()
        assert scene.sent() == []
        scene.reconcile(wanted())
        assert scene.cronitor.monitors["backup"]["paused"] is True

    def test_what_is_deleted_and_made_again_at_once_is_not_touched(self, scene: Scene) -> None:
        scene.reconcile(wanted())
        scene.sent()
        assert scene.reconcile() == scene.policy.patience_seconds
        scene.now += scene.policy.patience_seconds - 1
        scene.reconcile(wanted(uid="another"))
        assert scene.sent() == []
        assert scene.records()["backup"].cron_job.uid == "another"

    def test_what_was_not_put_from_here_is_never_touched(self, scene: Scene) -> None:
        scene.cronitor.monitors["theirs"] = {"paused": False}
        scene.reconcile(wanted(note="bad"))
        scene.sent()
        scene.gone()
        assert (scene.sent(), scene.records(), scene.cronitor.monitors) == ([], {}, {"theirs": {"paused": False}})

    def test_it_is_deleted_once_its_last_run_has_been_told(self) -> None:
        scene = Scene(Policy(OnRemove.DELETE))
        scene.reconcile(wanted())
        scene.open_keys = {"backup"}
        wait = scene.gone()
        assert (wait, scene.cronitor.deleted) == (10.0, [])
        scene.open_keys = set()
        scene.now += 10.0
        scene.reconcile()
        assert scene.cronitor.deleted == ["backup"]

    def test_a_deletion_that_always_fails_holds_up_no_other(self) -> None:
        scene = Scene(Policy(OnRemove.DELETE))
        scene.reconcile(*many(3))
        delete = scene.cronitor.delete

        def fail(key: str) -> None:
            if key == "c0":
                raise CronitorError("500", 500)
            delete(key)

        scene.cronitor.delete = fail  # type: ignore[method-assign]
        scene.gone()
        scene.now += 60.0
        scene.reconcile()
        assert sorted(scene.cronitor.deleted) == ["c1", "c2"]

    def test_a_deletion_that_fails_is_tried_again(self) -> None:
        scene = Scene(Policy(OnRemove.DELETE))
        scene.reconcile(wanted())
        delete, scene.cronitor.delete = scene.cronitor.delete, failing(CronitorError("503", 503))  # type: ignore[method-assign]
        assert scene.gone() == 2.0
        assert "backup" in scene.records()
        scene.cronitor.delete = delete  # type: ignore[method-assign]
        scene.now += 2.0
        scene.reconcile()
        assert scene.records() == {}


def test_cron_jobs_that_share_a_key_are_told_once_for_each_constellation(scene: Scene) -> None:
    old, new, newest = (wanted(f"c{month}", key="k", created=f"2026-0{month}-01T00:00:00Z") for month in (1, 2, 3))
    for ones, expected in (((new, old), ["c1", "c2"]), ((newest, new, old), ["c1", "c2", "c3"]), ((old,), [])):
        scene.reconcile(*ones)
        scene.lead()
        scene.reconcile(*ones)
        told = [(name, message) for name, reason, message in scene.told() if reason == "KeyShared"]
        assert [name for name, _ in told] == expected
        assert all("those of the oldest, shop/c1" in message for _, message in told)
    assert [one["name"] for one in scene.cronitor.monitors.values()] == ["shop/c1"]


def test_shared_keys_are_told_before_it_is_written_that_they_were(scene: Scene) -> None:
    ones = [wanted(f"c{month}", key="k", created=f"2026-0{month}-01T00:00:00Z") for month in (1, 2)]
    scene.reconcile(ones[0])
    scene.told()
    scene.kept.failure = KubeError("503", status=503)
    with pytest.raises(KubeError):
        scene.reconcile(*ones)
    assert [reason for _, reason, _ in scene.told()] == ["KeyShared"] * 2


def test_shared_keys_that_take_long_to_tell_are_told_over_rounds(scene: Scene) -> None:
    ones = [wanted(f"c{number}", key=f"k{number // 2}") for number in range(8)]
    scene.reconcile(*ones[::2])
    scene.told()
    scene.clock = lambda: scene.now + len(scene.events) * TELLING_SECONDS / 2
    assert scene.reconcile(*ones) == 0.0
    assert len(scene.events) == 2
    while scene.reconcile(*ones) is not None:
        scene.lead()
    assert sorted(name for name, _, _ in scene.told()) == [f"c{number}" for number in range(8)]


class TestKeyRefused:
    def test_not_all_of_very_many_are_told(self, scene: Scene) -> None:
        scene.cronitor.failures.extend([TELEMETRY_KEY])
        scene.reconcile(*many(MOST_TOLD_OF_REFUSAL + 1))
        assert len(scene.told()) == MOST_TOLD_OF_REFUSAL

    def test_it_is_said_once_and_tried_again_slowly_whatever_changes(self, scene: Scene) -> None:
        scene.cronitor.failures.extend([TELEMETRY_KEY] * 2)
        assert scene.reconcile(*many(150)) == KEY_REFUSED_SECONDS
        told = scene.told()
        assert [reason for _, reason, _ in told] == ["KeyRefused"] * 150
        assert "telemetry key" in told[0][2]
        assert "telemetry key" in scene.sync.detail()
        assert value(metrics.api_key_valid) == 0
        scene.now += 60
        assert scene.reconcile(*many(151)) == KEY_REFUSED_SECONDS - 60
        assert len(scene.sent()) == 1
        scene.now += KEY_REFUSED_SECONDS
        assert scene.reconcile(*many(151)) == KEY_REFUSED_SECONDS
        assert len(scene.sent()) == 1
        assert [(name, reason) for name, reason, _ in scene.told()] == [("c150", "KeyRefused")]
        scene.now += KEY_REFUSED_SECONDS
        assert scene.reconcile(*many(151)) is None
        assert (scene.sync.detail(), len(scene.cronitor.monitors)) == ("", 151)

    def test_a_new_process_tries_at_once(self, scene: Scene) -> None:
        scene.cronitor.failures = [TELEMETRY_KEY]
        scene.reconcile(wanted())
        scene.lead()
        assert scene.reconcile(wanted()) is None

    def test_a_key_that_nobody_knows_is_no_telemetry_key(self, scene: Scene) -> None:
        scene.cronitor.failures = [KeyRefused(401, "Invalid API key")]
        scene.reconcile(wanted())
        assert "telemetry" not in scene.sync.detail()
        assert "401: Invalid API key" in scene.sync.detail()


class TestPostponed:
    def test_retry_after_is_kept_whatever_changes_and_then_the_newest_is_put(self, scene: Scene) -> None:
        scene.cronitor.failures = [TooManyRequests("429", 42.0)]
        wait = scene.reconcile(wanted())
        assert wait is not None
        assert 42.0 <= wait <= 43.0
        scene.now += 41.0
        scene.reconcile(wanted(note="x"))
        assert len(scene.sent()) == 1
        scene.now += 2.0
        assert scene.reconcile(wanted(note="newest")) is None
        assert [one[0]["note"] for one in scene.sent()] == ["newest"]

    def test_nobody_makes_it_wait_for_ever(self, scene: Scene) -> None:
        scene.cronitor.failures = [TooManyRequests("429", 1e6)]
        wait = scene.reconcile(wanted())
        assert wait is not None
        assert wait <= LONGEST_RETRY_AFTER_SECONDS + 1

    def test_errors_are_waited_for_longer_and_longer_up_to_a_limit(self, scene: Scene) -> None:
        scene.cronitor.failures.extend([CronitorError("503", 503)] * 9)
        waits = []
        for _ in range(9):
            wait = scene.reconcile(wanted())
            assert wait is not None
            waits.append(wait)
            scene.now += wait
        assert waits == sorted(waits)
        assert (waits[0], waits[-1]) == (2.0, SLOWEST_RETRY_SECONDS)
        assert scene.reconcile(wanted()) is None

    def test_what_went_through_before_is_not_put_again(self, scene: Scene) -> None:
        scene.cronitor.failures = [None, None, CronitorError("503", 503)]
        wait = scene.reconcile(*many(500))
        assert len(scene.records()) == 200
        assert wait is not None
        scene.now += wait
        scene.sent()
        scene.lead()
        scene.reconcile(*many(500))
        assert [len(one) for one in scene.sent()] == [100] * 3


def test_a_long_round_is_broken_off_and_planned_anew(scene: Scene) -> None:
    passed = iter(number * (ROUND_SECONDS / 3) for number in range(1000))
    scene.clock = lambda: next(passed)
    assert scene.reconcile(*many(500)) == 0.0
    assert 0 < len(scene.sent()) < 5
    scene.clock = lambda: scene.now
    scene.reconcile(*many(500))
    assert len(scene.cronitor.monitors) == 500


def test_records_that_could_not_be_written_are_written_before_anything_else_is_put(scene: Scene) -> None:
    scene.kept.failure = KubeError("503", status=503)
    with pytest.raises(KubeError):
        scene.reconcile(wanted())
    assert scene.records() == {}
    assert len(scene.sent()) == 1


def test_an_edited_record_is_put_right(scene: Scene) -> None:
    scene.reconcile(*many(3))
    scene.sent()
    scene.edit("c1", fingerprint="edited")
    scene.lead()
    scene.reconcile(*many(3))
    assert [[one["key"] for one in put] for put in scene.sent()] == [["c1"]]


def test_a_dry_run_sends_records_and_claims_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    scene = Scene(Policy(OnRemove.DELETE))
    scene.dry_run = True
    scene.lead()
    for _ in range(2):
        scene.reconcile(wanted())
    assert [record.message for record in caplog.records].count("would_put_monitor") == 1
    scene.gone()
    assert "would_delete_monitor" in caplog.text
    assert (scene.sent(), scene.cronitor.deleted, scene.kept.texts, scene.told()) == ([], [], {}, [])


def test_what_came_of_it_is_counted(scene: Scene) -> None:
    def count(result: str) -> float:
        return value(metrics.monitor_requests.labels("put", result))

    before = {result: count(result) for result in ("accepted", "rejected", "refused", "throttled", "failed")}
    scene.cronitor.failures = [CronitorError("503", 503), TooManyRequests("429", 1.0), TELEMETRY_KEY]
    for _ in range(4):
        scene.reconcile(wanted(), wanted("other", note="bad"))
        scene.now += KEY_REFUSED_SECONDS
    after = {result: count(result) - before[result] for result in before}
    assert after == {"accepted": 1, "rejected": 2, "refused": 1, "throttled": 1, "failed": 1}
    assert value(metrics.monitors_last_success) == START + 3 * KEY_REFUSED_SECONDS


def failing(error: Exception) -> Any:
    def fail(_key: str) -> None:
        raise error

    return fail
