"""What is asked of Cronitor, from what is wanted and what was put last: as a table."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from tests.unit.webhook.controller.monitor_scene import RESETS, START, cron_job, wanted
from webhook.controller.monitor_plan import OnRemove, Policy, Wanted, fingerprint_of, plan, rejected_record
from webhook.controller.monitor_records import Record, Rejection, names_of, shard_of
from webhook.controller.monitor_steps import Plan, Put, Settled

POLICY = Policy(resets=RESETS)
RUNNING, SUSPENDED = wanted(), wanted(suspended=True)
EDITED = wanted(note="new")


def put(one: Wanted, **more: Any) -> Record:
    """The record of what was put as it is wanted."""
    return replace(
        Record(one.cron_job, fingerprint_of(one.monitor), names_of(one.monitor.attributes), one.monitor.suspended),
        **{"suspended": one.monitor.suspended, **more},
    )


def rejected(one: Wanted, at: float = START, before: Record | None = None) -> Record:
    return replace(before or Record(one.cron_job), rejected=Rejection(fingerprint_of(one.monitor), at, "no such list"))


TOMBSTONE = put(RUNNING, removed=START - 999.0, paused=True)
SEVEN_HOURS, TEN_HOURS = 7 * 3600.0, 10 * 3600.0
ABSENT = "left out"


@dataclass(frozen=True)
class Case:
    """`paused` is None where there is to be no PUT; `more` is what the body has besides what is wanted."""

    what: str
    want: Wanted
    record: Record | None
    paused: bool | str | None
    told: bool = False
    looked_up: bool = False
    more: dict[str, Any] = field(default_factory=dict)


CASES = [
    Case("a new one", RUNNING, None, ABSENT, told=True),
    Case("a new one of a suspended CronJob: a person may have paused the agent's", SUSPENDED, None, True, told=True,
         looked_up=True),
    Case("as it was put", RUNNING, put(RUNNING), None),
    Case("as it was put, suspended: a pause that a person has lifted stays lifted", SUSPENDED, put(SUSPENDED), None),
    Case("edited: whatever a person has paused stays paused", EDITED, put(RUNNING), ABSENT),
    Case("suspended since", SUSPENDED, put(RUNNING), True, looked_up=True),
    Case("suspended since, and a pause of ours may have been taken", SUSPENDED, put(RUNNING, pausing=True), True),
    Case("a new one, and a pause of ours may have been taken", SUSPENDED, Record(cron_job(), pausing=True), True,
         told=True),
    Case("resumed since", RUNNING, put(SUSPENDED), False),
    Case("resumed, and a pause of ours may have been taken", RUNNING, put(RUNNING, pausing=True), False),
    Case("back again, and a pause of ours may have been taken", RUNNING, replace(TOMBSTONE, paused=False, pausing=True),
         False, told=True),
    Case("resumed, and a person had paused it", RUNNING, put(SUSPENDED, paused=False), ABSENT),
    Case("edited while suspended", wanted(suspended=True, note="new"), put(SUSPENDED), ABSENT),
    Case("edited while suspended, and a person had paused it, who may have resumed it since",
         wanted(suspended=True, note="new"), put(SUSPENDED, paused=False), ABSENT),
    Case("back again, suspended, and a person had paused it", SUSPENDED,
         replace(TOMBSTONE, paused=False, suspended=True), True, told=True, looked_up=True),
    Case("back again", RUNNING, TOMBSTONE, False, told=True),
    Case("back again, and a person had paused it", RUNNING, replace(TOMBSTONE, paused=False), ABSENT, told=True),
    Case("back again, suspended", SUSPENDED, TOMBSTONE, ABSENT, told=True),
    Case("rejected a moment ago", RUNNING, rejected(RUNNING, START - 60), None),
    Case("rejected within six hours", RUNNING, rejected(RUNNING, START - 6 * 3600), None),
    Case("rejected ten hours ago", RUNNING, rejected(RUNNING, START - TEN_HOURS), ABSENT, told=True),
    Case("rejected at a time to come: the clock was wrong", RUNNING, rejected(RUNNING, START + 60), ABSENT, told=True),
    Case("rejected, edited since", EDITED, rejected(RUNNING), ABSENT, told=True),
    Case("rejected, suspended since", SUSPENDED, rejected(RUNNING), True, told=True, looked_up=True),
    Case("an edit was rejected", EDITED, rejected(EDITED, before=put(RUNNING)), None),
    Case("an edit was rejected, and edited again", wanted(note="better"), rejected(EDITED, before=put(RUNNING)), ABSENT,
         told=True),
    Case("attributes are not wanted any more", RUNNING,
         put(wanted(grace_seconds=5, notify=["ops"], note="x", group="g")), ABSENT,
         more={"grace_seconds": 60, "notify": ["default"], "note": None}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.what)
def test_what_is_put(case: Case) -> None:
    records = {"backup": case.record} if case.record else {}
    found = plan([case.want], records, POLICY, START, {})
    if case.paused is None:
        assert (found.puts, found.deletions) == ((), ())
        return
    (one,) = found.puts
    body = dict(one.body)
    assert body.pop("paused", ABSENT) == case.paused
    assert body == {**case.want.monitor.attributes, **case.more}
    assert (one.told, one.may_be_paused) == (case.told, case.looked_up)
    assert one.record.rejected is None
    after = plan([case.want], {"backup": one.record}, POLICY, START + TEN_HOURS, {})
    assert replace(after, wanted={}) == Plan(), "what was put is put once"


HERE = replace(POLICY, account="here")


class TestAnotherAccount:
    """Another key, or another address: whether the same monitors are there is not known."""

    @pytest.mark.parametrize("want", [RUNNING, SUSPENDED, EDITED, wanted(suspended=True, note="new")])
    def test_what_was_put_is_put_once_more(self, want: Wanted) -> None:
        was = SUSPENDED if want.monitor.suspended else RUNNING
        (one,) = plan([want], {"backup": put(was, account="old")}, HERE, START, {}).puts
        assert (one.told, one.record.account) == (False, "here")
        assert replace(plan([want], {"backup": one.record}, HERE, START, {}), wanted={}) == Plan()

    @pytest.mark.parametrize("ours", [True, False])
    def test_where_it_is_not_there_it_is_paused_and_where_it_is_it_stays_as_it_is(self, ours: bool) -> None:
        (one,) = plan([SUSPENDED], {"backup": put(SUSPENDED, paused=ours, account="old")}, HERE, START, {}).puts
        assert one.may_be_paused
        new = one.once_looked_up(None)
        assert isinstance(new, Put)
        assert (new.body["paused"], new.record.paused) == (True, True)
        for paused in (True, False):
            left = one.once_looked_up(paused)
            assert isinstance(left, Put)
            assert "paused" not in left.body
            assert left.record.paused is ours

    def test_one_that_is_suspended_only_now_is_paused_as_ever(self) -> None:
        (one,) = plan([SUSPENDED], {"backup": put(RUNNING, account="old")}, HERE, START, {}).puts
        assert one.once_looked_up(False) == one
        assert one.body["paused"] is True

    def test_one_that_goes_on_only_now_is_resumed_as_ever(self) -> None:
        (one,) = plan([RUNNING], {"backup": put(SUSPENDED, account="old")}, HERE, START, {}).puts
        assert one.body["paused"] is False

    def test_a_record_that_names_none_is_of_this_one(self) -> None:
        found = plan([RUNNING], {"backup": put(RUNNING)}, HERE, START, {})
        assert (found.puts, found.settled) == ((), (Settled("backup", put(RUNNING, account="here")),))

    def test_what_is_rejected_there_is_not_taken_for_put_and_waits_and_may_be_there_for_all_that(self) -> None:
        (one,) = plan([RUNNING], {"backup": put(RUNNING, account="old")}, HERE, START, {}).puts
        record = rejected_record(one, START, "no such list")
        found = plan([RUNNING], {"backup": record}, HERE, START + 60.0, {})
        assert (found.puts, found.settled) == ((), ())
        assert len(plan([RUNNING], {"backup": record}, HERE, START + TEN_HOURS, {}).puts) == 1
        removed = plan([], {"backup": record}, HERE, START, {"backup": START - 30.0})
        assert [one.key for one in removed.puts] == ["backup"]

    def test_one_that_is_rejected_there_as_it_was_to_be_paused_is_paused_when_it_is_taken(self) -> None:
        (one,) = plan([SUSPENDED], {"backup": put(SUSPENDED, account="old")}, HERE, START, {}).puts
        new = one.once_looked_up(None)
        assert isinstance(new, Put)
        record = rejected_record(new, START, "no such list")
        assert not record.paused
        (again,) = plan([SUSPENDED], {"backup": record}, HERE, START + TEN_HOURS, {}).puts
        assert again.body["paused"] is True

    def test_what_was_rejected_elsewhere_is_tried_at_once(self) -> None:
        record = replace(rejected(RUNNING), account="old")
        assert len(plan([RUNNING], {"backup": record}, HERE, START + 60.0, {}).puts) == 1


def test_a_pause_of_a_person_stays_his_through_an_edit_while_suspended() -> None:
    edited = wanted(suspended=True, note="new")
    (one,) = plan([edited], {"backup": put(SUSPENDED, paused=False)}, POLICY, START, {}).puts
    assert not one.record.paused
    (resumed,) = plan([wanted(note="new")], {"backup": one.record}, POLICY, START, {}).puts
    assert "paused" not in resumed.body


def test_a_suspension_after_a_resumption_that_was_rejected_pauses_again() -> None:
    (resumed,) = plan([EDITED], {"backup": put(SUSPENDED)}, POLICY, START, {}).puts
    record = replace(rejected_record(resumed, START, "no such list"), paused=False)  # that much was taken
    (again,) = plan([wanted(suspended=True, note="newer")], {"backup": record}, POLICY, START, {}).puts
    assert again.body["paused"] is True


def test_what_was_rejected_is_not_all_tried_again_at_once() -> None:
    many = [wanted(f"c{number}") for number in range(200)]
    records = {one.monitor.key: rejected(one) for one in many}
    assert 0 < len(plan(many, records, POLICY, START + SEVEN_HOURS, {}).puts) < 200
    waits = plan(many, records, POLICY, START, {})
    assert waits.puts == ()
    assert waits.look_again is not None
    assert len(plan(many, records, POLICY, START + waits.look_again, {}).puts) == 1


def test_the_one_that_cronitor_has_already_is_settled_and_told_when_an_edit_that_it_rejected_is_taken_back() -> None:
    found = plan([RUNNING], {"backup": rejected(EDITED, before=put(RUNNING))}, POLICY, START, {})
    assert (found.puts, found.settled) == ((), (Settled("backup", put(RUNNING), told=True),))


def test_a_cron_job_that_was_made_again_under_the_same_key_keeps_its_monitor() -> None:
    again = wanted(uid="another")
    found = plan([again], {"backup": put(RUNNING)}, POLICY, START, {})
    assert (found.puts, found.settled, found.missing) == ((), (Settled("backup", put(again), told=True),), {})


class TestShared:
    OLD = wanted("old", key="k", created="2026-01-01T00:00:00Z", note="old")
    NEW = wanted("new", key="k", created="2026-02-01T00:00:00Z", note="new")
    TWIN = wanted("twin", key="k", uid="a-uid", created="2026-01-01T00:00:00Z", note="twin")

    @pytest.mark.parametrize(("newer_is_suspended", "paused"), [(False, None), (True, True)])
    def test_it_is_paused_only_where_none_of_them_runs(self, newer_is_suspended: bool, paused: bool | None) -> None:
        old = wanted("old", key="k", created="2026-01-01T00:00:00Z", suspended=True)
        new = wanted("new", key="k", created="2026-02-01T00:00:00Z", suspended=newer_is_suspended)
        (one,) = plan([old, new], {}, POLICY, START, {}).puts
        assert one.body.get("paused") is paused
        assert one.record.cron_job == old.cron_job

    @pytest.mark.parametrize("order", [(0, 1), (1, 0)])
    def test_the_oldest_counts_and_all_are_named(self, order: tuple[int, int]) -> None:
        both = (self.OLD, self.NEW)
        found = plan([both[number] for number in order], {}, POLICY, START, {})
        assert [one.body["note"] for one in found.puts] == ["old"]
        (shared,) = found.shared
        assert [one.name for one in shared.cron_jobs] == ["old", "new"]

    def test_of_two_of_the_same_moment_the_uid_decides(self) -> None:
        found = plan([self.OLD, self.TWIN], {}, POLICY, START, {})
        assert [one.body["note"] for one in found.puts] == ["twin"]

    def test_when_the_oldest_goes_the_next_one_counts_and_nothing_is_removed(self) -> None:
        found = plan([self.NEW], {"k": put(self.OLD)}, POLICY, START, {})
        assert [one.body["note"] for one in found.puts] == ["new"]
        assert (found.shared, found.missing) == ((), {})

    def test_another_constellation_is_another(self) -> None:
        two = plan([self.OLD, self.NEW], {}, POLICY, START, {}).shared[0]
        three = plan([self.OLD, self.NEW, self.TWIN], {}, POLICY, START, {}).shared[0]
        assert two.constellation != three.constellation


class TestRemoval:
    RECORDS = {"backup": put(RUNNING)}  # noqa: RUF012

    def remove(self, on_remove: OnRemove, record: Record) -> Plan:
        policy = replace(POLICY, on_remove=on_remove)
        return plan([], {"backup": record}, policy, START, {"backup": START - 30.0})

    def test_it_waits_for_a_tool_that_makes_the_cron_job_again(self) -> None:
        first = plan([], self.RECORDS, POLICY, START, {})
        assert (first.puts, first.missing, first.look_again) == ((), {"backup": START}, 30.0)
        soon = plan([], self.RECORDS, POLICY, START + 29.0, first.missing)
        assert (soon.puts, soon.look_again) == ((), 1.0)
        back = plan([RUNNING], self.RECORDS, POLICY, START + 29.0, soon.missing)
        assert (back.puts, back.missing) == ((), {})
        assert len(plan([], self.RECORDS, POLICY, START + 30.0, soon.missing).puts) == 1

    def test_paused(self) -> None:
        (one,) = self.remove(OnRemove.PAUSE, put(RUNNING)).puts
        assert one.body == {"type": "job", "key": "backup", "paused": True}
        assert one.may_be_paused
        assert one.record == put(RUNNING, paused=True, removed=START)

    @pytest.mark.parametrize(
        ("record", "ours"),
        [(put(SUSPENDED), True), (put(RUNNING, pausing=True), True), (put(SUSPENDED, paused=False), False)],
    )
    def test_what_is_paused_already_is_not_paused_again_and_is_still_whose_it_was(
        self, record: Record, ours: bool
    ) -> None:
        (one,) = self.remove(OnRemove.PAUSE, record).puts
        tombstone = replace(record, paused=ours, pausing=False, removed=START)
        assert one.once_looked_up(True) == Settled("backup", tombstone)

    def test_what_a_person_has_deleted_is_forgotten_and_what_he_has_resumed_is_paused(self) -> None:
        (one,) = self.remove(OnRemove.PAUSE, put(SUSPENDED)).puts
        assert one.once_looked_up(None) == Settled("backup", None)
        assert one.once_looked_up(False) == one

    def test_one_that_may_have_been_put_is_kept_where_others_are_deleted(self) -> None:
        found = self.remove(OnRemove.DELETE, Record(cron_job(), pausing=True))
        assert (found.deletions, found.settled) == (
            (),
            (Settled("backup", Record(cron_job(), pausing=True, removed=START)),),
        )

    def test_kept(self) -> None:
        found = self.remove(OnRemove.KEEP, put(SUSPENDED))
        assert (found.puts, found.deletions) == ((), ())
        assert found.settled == (Settled("backup", put(SUSPENDED, removed=START)),)

    def test_deleted(self) -> None:
        found = self.remove(OnRemove.DELETE, put(RUNNING))
        assert (found.puts, found.deletions, found.settled) == ((), ("backup",), ())

    def test_what_a_run_that_is_open_would_make_again_is_deleted_afterwards(self) -> None:
        policy, asked = replace(POLICY, on_remove=OnRemove.DELETE), []

        def open_keys() -> set[str]:
            asked.append(True)
            return {"backup"}

        records, missing = {"backup": put(RUNNING), "other": put(wanted("other"))}, {"backup": START, "other": START}
        assert (plan([], records, policy, START, missing, open_keys).missing, asked) == (missing, [])
        found = plan([], records, policy, START + 30.0, missing, open_keys)
        assert (found.deletions, found.look_again, found.missing, asked) == (("other",), 10.0, missing, [True])
        assert (
            len(plan([], records, replace(policy, on_remove=OnRemove.PAUSE), START + 30.0, missing, open_keys).puts)
            == 2
        )
        assert plan([], records, policy, START + 40.0, missing).deletions == ("backup", "other")

    @pytest.mark.parametrize("on_remove", list(OnRemove))
    def test_what_was_never_put_is_never_touched(self, on_remove: OnRemove) -> None:
        found = self.remove(on_remove, rejected(RUNNING))
        assert (found.puts, found.deletions, found.settled) == ((), (), (Settled("backup", None),))

    @pytest.mark.parametrize("on_remove", list(OnRemove))
    def test_a_tombstone_is_left_alone_whatever_the_policy_is_now(self, on_remove: OnRemove) -> None:
        assert self.remove(on_remove, TOMBSTONE) == Plan()

    def test_what_came_back_and_was_rejected_is_paused_again(self) -> None:
        assert len(self.remove(OnRemove.PAUSE, rejected(RUNNING, before=TOMBSTONE)).puts) == 1

    def test_a_changed_key_is_a_new_monitor_and_the_old_one_is_removed(self) -> None:
        found = plan([wanted(key="new")], self.RECORDS, POLICY, START, {"backup": START - 30.0})
        assert [(one.key, one.told) for one in found.puts] == [("new", True), ("backup", False)]

    def test_a_removal_that_cronitor_rejects_leaves_open_what_came_of_an_earlier_one(self) -> None:
        (one,) = self.remove(OnRemove.PAUSE, put(RUNNING, pausing=True)).puts
        assert rejected_record(one, START, "no") == put(RUNNING, pausing=True, removed=START)

    def test_a_removal_that_cronitor_rejects_is_not_asked_for_again(self) -> None:
        (one,) = self.remove(OnRemove.PAUSE, put(RUNNING)).puts
        record = rejected_record(one, START, "no")
        assert plan([], {"backup": record}, POLICY, START + TEN_HOURS, {}) == Plan()
        assert not record.paused


def test_a_batch_changes_few_shards_and_what_was_rejected_comes_after_the_others() -> None:
    many = [wanted(f"c{number}") for number in range(400)]
    records = {"c7": rejected(many[7], START - TEN_HOURS), "gone": put(wanted("gone"))}
    found = plan(many, records, POLICY, START, {"gone": START - 60.0}).puts
    assert [one.key for one in found[-2:]] == ["c7", "gone"]
    shards = [shard_of(one.key) for one in found[:-2]]
    assert shards == sorted(shards)


def test_the_record_of_a_rejection_keeps_what_was_put_and_cuts_the_words() -> None:
    (one,) = plan([EDITED], {"backup": put(RUNNING)}, POLICY, START, {}).puts
    record = rejected_record(one, START, "w" * 999)
    assert record.rejected is not None
    assert len(record.rejected.words) == 200
    assert replace(record, rejected=None) == put(RUNNING)
    assert rejected_record(replace(one, before=None), START, "w").cron_job == cron_job()
