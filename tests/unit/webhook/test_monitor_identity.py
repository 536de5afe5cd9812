"""Key, name and environment of a monitor, by the rules that keep the monitors of users of Cronitor's agent."""

import hashlib

import pytest

from webhook.annotations import KeyInference, Options, layered
from webhook.monitor_identity import identify, shorten

UID = "f2a7a2de-0001-4b1f-9d4e-000000000001"


def key_of(options: Options, *, namespace: str = "shop", name: str = "backup") -> str:
    return identify(namespace, name, UID, options).key


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(), UID),
        (Options(key_inference=KeyInference.UID), UID),
        (Options(key="mine"), "mine"),
        (Options(key="mine", key_inference=KeyInference.NAME), "mine"),
        (Options(key="", key_inference=KeyInference.UID), UID),
        # sha1sum of "shop/backup", "backup" and "Nightly"
        (Options(key_inference=KeyInference.NAME), "4ec5275cbdf88f15fc46b354ebf10f4340cb76fe"),
        (Options(key_inference=KeyInference.NAME, name_prefix="none"), "89121dc99c7db9ce2553a093a2ab29e07f7df34f"),
        (Options(key_inference=KeyInference.NAME, name="Nightly"), "c9e429b1798d0142b8b31e82c1f9da5d8e0c9420"),
    ],
)
def test_the_key(options: Options, expected: str) -> None:
    assert key_of(options) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (Options(), "shop/backup"),
        (Options(name_prefix="namespace"), "shop/backup"),
        (Options(name_prefix=""), "shop/backup"),
        (Options(name_prefix="none"), "backup"),
        (Options(name_prefix="prod-"), "prod-backup"),
        (Options(name_prefix="prod "), "prod backup"),
        (Options(name="Nightly"), "Nightly"),
        (Options(name="Nightly", name_prefix="prod-"), "Nightly"),
        (Options(name=""), "shop/backup"),
    ],
)
def test_the_name(options: Options, expected: str) -> None:
    assert identify("shop", "backup", UID, options).name == expected


@pytest.mark.parametrize(
    ("length", "front", "behind"),
    [(101, 49, 50), (102, 50, 49), (103, 49, 50), (104, 50, 49), (253, 49, 50), (1000, 50, 49)],
)
def test_a_long_name_is_cut_in_its_middle_to_100_characters(length: int, front: int, behind: int) -> None:
    name = "".join(chr(ord("a") + n % 26) for n in range(length))
    cut = shorten(name)
    assert len(cut) == 100
    assert cut == name[:front] + "…" + name[-behind:]


@pytest.mark.parametrize("length", [0, 1, 99, 100])
def test_a_name_of_100_characters_or_fewer_is_left_alone(length: int) -> None:
    assert shorten("x" * length) == "x" * length


@pytest.mark.parametrize("name", ["ü" * 51, "ü" * 100, "任" * 100, "🦊" * 100])
def test_a_name_of_more_bytes_but_no_more_than_100_characters_is_left_alone(name: str) -> None:
    assert shorten(name) == name


@pytest.mark.parametrize(("character", "length"), [("ü", 101), ("任", 102), ("🦊", 103)])
def test_a_name_is_cut_between_characters_not_bytes(character: str, length: int) -> None:
    front = 49 if length % 2 else 50
    assert shorten(character * length) == character * front + "…" + character * (99 - front)


def test_the_key_is_the_hash_of_the_whole_name_although_the_name_is_cut() -> None:
    options = Options(key_inference=KeyInference.NAME, name="n" * 150)
    identity = identify("shop", "backup", UID, options)
    assert identity.key == hashlib.sha1(b"n" * 150, usedforsecurity=False).hexdigest()
    assert len(identity.name) == 100


def test_the_hash_is_of_the_names_utf_8() -> None:
    options = Options(key_inference=KeyInference.NAME, name="Nächtlich")
    assert key_of(options) == hashlib.sha1("Nächtlich".encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("chart", "own", "expected"),
    [(None, None, ""), ("prod", None, "prod"), ("prod", "dev", "dev"), ("prod", "", "")],
)
def test_the_environment_is_the_annotations_or_the_charts(chart: str | None, own: str | None, expected: str) -> None:
    assert identify("shop", "backup", UID, layered(Options(env=chart), Options(env=own))).env == expected


# --- with a cluster name ---------------------------------------------------------------------------------------------


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


@pytest.mark.parametrize(
    ("options", "key", "name"),
    [
        (Options(), UID, "east/shop/backup"),
        (Options(name_prefix="none"), UID, "east/backup"),
        (Options(name_prefix="prod-"), UID, "east/prod-backup"),
        (Options(name="Nightly"), UID, "Nightly"),
        (Options(key="mine"), "mine", "east/shop/backup"),
        (Options(key_inference=KeyInference.NAME), sha1("east/shop/backup"), "east/shop/backup"),
        (Options(key_inference=KeyInference.NAME, name="Nightly"), sha1("east/Nightly"), "Nightly"),
        (
            Options(key_inference=KeyInference.NAME, name="n" * 150),
            sha1("east/" + "n" * 150),
            "n" * 50 + "…" + "n" * 49,
        ),
    ],
)
def test_the_clusters_name_is_in_what_is_made_from_names(options: Options, key: str, name: str) -> None:
    identity = identify("shop", "backup", UID, options, cluster_name="east")
    assert (identity.key, identity.name) == (key, name)


def test_a_name_that_the_clusters_makes_too_long_is_cut() -> None:
    identity = identify("shop", "backup", UID, Options(), cluster_name="c" * 99)
    assert (len(identity.name), identity.name[-6:]) == (100, "backup")


def test_clusters_with_one_manifest_have_no_key_in_common() -> None:
    options = Options(key_inference=KeyInference.NAME, name="Nightly")
    keys = {identify("shop", "backup", UID, options, cluster_name=cluster).key for cluster in ("", "east", "west")}
    assert len(keys) == 3
