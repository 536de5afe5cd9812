"""Records in ConfigMaps over a running API server: read by the next leader, written only where they have changed."""

import pytest

from tests.unit.webhook.api_server import ApiServer
from tests.unit.webhook.api_store import Fault
from tests.unit.webhook.controller.conftest import OWNER, WANTED
from tests.unit.webhook.controller.monitor_scene import cron_job
from tests.unit.webhook.settings_document import settings
from webhook.clients.kube import KubeClient
from webhook.controller.monitor_records import SHARDS, Record, shard_of, write
from webhook.controller.monitor_store import KEY, RECORDS_LABELS, RecordStore
from webhook.controller.objects import ForeignObjectError, OwnedObjects
from webhook.errors import KubeError

CONFIG_MAPS = "/api/v1/namespaces/cronitor/configmaps"
RECORD = Record(cron_job(), "f", ("name",))
RECORDS = {f"key-{number}": RECORD for number in range(100)}


def path_of(key: str) -> str:
    return f"{CONFIG_MAPS}/release-monitors-{shard_of(key):x}"


@pytest.fixture
def store(api: ApiServer, kube: KubeClient) -> RecordStore:
    api.put(OWNER, {"metadata": {"uid": WANTED.owner_uid}})
    return new_leader(kube)


def new_leader(kube: KubeClient) -> RecordStore:
    objects = OwnedObjects(kube, OWNER, WANTED.owner_uid, lambda: None)
    return RecordStore(kube, objects, settings(), WANTED.owner_uid)


def test_the_next_leader_reads_what_was_written_last(store: RecordStore, api: ApiServer, kube: KubeClient) -> None:
    assert store.load() == {}
    store.write(RECORDS, RECORDS)
    left = {key: one for key, one in RECORDS.items() if key != "key-7"}
    store.write(left, ["key-7"])
    assert new_leader(kube).load() == left
    assert len(api.answer_list(CONFIG_MAPS, {})) == SHARDS


def test_they_are_ours_and_go_with_the_release(store: RecordStore, api: ApiServer) -> None:
    store.load()
    store.write({"k": RECORD}, ["k"])
    made = api.get(path_of("k"))
    assert made is not None
    assert made["metadata"]["labels"] == RECORDS_LABELS
    assert made["metadata"]["ownerReferences"] == WANTED.owner_references
    assert len(api.answer_list(CONFIG_MAPS, {})) == 1, "made only as needed"


def test_what_has_not_changed_is_not_written(store: RecordStore, api: ApiServer, kube: KubeClient) -> None:
    store.load()
    store.write(RECORDS, RECORDS)
    again = new_leader(kube)
    again.load()
    api.requests.clear()
    for one in (store, again):
        one.write(RECORDS, RECORDS)
        one.write(RECORDS)
    assert api.asked() == []


def test_one_that_changes_writes_one_config_map(store: RecordStore, api: ApiServer) -> None:
    store.load()
    store.write(RECORDS, RECORDS)
    api.requests.clear()
    store.write({**RECORDS, "key-7": Record(cron_job(), "g")}, ["key-7"])
    assert [one for one in api.asked() if one.startswith("PATCH")] == [f"PATCH {path_of('key-7')}"]


def test_what_could_not_be_written_is_written_the_next_time(
    store: RecordStore, api: ApiServer, kube: KubeClient
) -> None:
    store.load()
    api.fail("POST", Fault(503))
    with pytest.raises(KubeError):
        store.write(RECORDS, RECORDS)
    store.write(RECORDS)
    assert new_leader(kube).load() == RECORDS


def test_records_that_cannot_be_read_now_are_no_records_lost(store: RecordStore, api: ApiServer) -> None:
    api.fail("GET", Fault(503))
    with pytest.raises(KubeError):
        store.load()


@pytest.mark.parametrize("data", [None, {}, {KEY: "{"}, {"other": "x"}], ids=str)
def test_a_shard_that_somebody_has_spoilt_is_empty_and_put_right(
    store: RecordStore, api: ApiServer, kube: KubeClient, data: dict[str, str] | None
) -> None:
    api.put(path_of("k"), {"metadata": {"labels": RECORDS_LABELS}, "data": data})
    assert store.load() == {}
    store.write({"k": RECORD}, ["k"])
    assert new_leader(kube).load() == {"k": RECORD}


def test_a_record_in_another_s_shard_is_not_ours(store: RecordStore, api: ApiServer) -> None:
    other = next(key for key in RECORDS if shard_of(key) != shard_of("k"))
    api.put(path_of(other), {"metadata": {"labels": RECORDS_LABELS}, "data": {KEY: write({"k": RECORD})}})
    assert store.load() == {}


def test_one_that_somebody_deleted_is_made_again_with_the_next_change(
    store: RecordStore, api: ApiServer, kube: KubeClient
) -> None:
    store.load()
    store.write({"k": RECORD}, ["k"])
    api.delete(path_of("k"))
    changed = {"k": Record(cron_job(), "g")}
    store.write(changed, ["k"])
    assert new_leader(kube).load() == changed


def test_a_config_map_of_somebody_else_is_left_alone(store: RecordStore, api: ApiServer) -> None:
    theirs = api.put(path_of("k"), {"metadata": {}, "data": {KEY: write({"k": RECORD})}})
    assert store.load() == {}
    with pytest.raises(ForeignObjectError):
        store.write({"k": Record(cron_job(), "g")}, ["k"])
    assert api.get(path_of("k")) == theirs
