"""What is done to Jobs, each at the moment that its name says. Containers that end when they are told to: `waits()`."""

from tests.e2e.scenarios.play import Play
from tests.e2e.scenarios.shapes import Act
from tests.e2e.world import IMAGE

SECRET = "needed"
FAILURE = 7
"""The other code, beside 0, with which a container of `waits()` may be ended."""


def ends(play: Play) -> None:
    play.end()


def ends_once_begun(play: Play) -> None:
    play.begun()
    play.end()


def fails_once_begun(play: Play) -> None:
    play.begun()
    play.end(FAILURE)


# --- retries -------------------------------------------------------------------------------------------------------


def second_pod_ends(play: Play) -> None:
    """The first one fails; the next comes after the Job controller's back-off of ten seconds."""
    play.begun()
    play.end(FAILURE)
    play.end(pod=2)


def second_pod_ends_once_retries_are_granted(play: Play) -> None:
    """In mid-run, after the sidecar of the first pod was told that there are none."""
    play.begun()
    play.raise_limit(3)
    second_pod_ends(play)


def second_pod_ends_once_deleted(play: Play) -> None:
    play.begun()
    play.delete_pod()
    play.end(pod=2)


def pod_deleted(play: Play) -> None:
    play.begun()
    play.delete_pod()


def evicted(play: Play) -> None:
    play.begun()
    play.evict()


def evicted_then_second_pod_ends(play: Play) -> None:
    play.begun()
    play.evict()
    play.end(pod=2)


# --- starts --------------------------------------------------------------------------------------------------------


def suspended_and_resumed(play: Play) -> None:
    play.begun()
    play.suspend(True)
    play.has("Suspended")
    play.suspend(False)
    play.end(pod=2)


def resumed(play: Play) -> None:
    play.has("Suspended")
    play.suspend(False)


def deleted_while_suspended(play: Play) -> None:
    play.has("Suspended")
    play.delete()


def deleted_once_stuck(play: Play) -> None:
    """What follows a stuck start is the same failure."""
    play.told("fail")
    play.delete()


def image_put_right(play: Play) -> None:
    play.told("fail")
    play.give_image(IMAGE)


def secret_made(play: Play) -> None:
    play.told("fail")
    play.world.create({"kind": "Secret", "metadata": {"name": SECRET}}, play.namespace)


def quota_of_no_pods(play: Play) -> None:
    quota = {"kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    play.world.create(quota, play.namespace)

    def counted() -> bool:
        found = play.world.get("ResourceQuota", play.namespace, "none") or {}
        return bool((found.get("status") or {}).get("hard"))

    play.eventually(counted, "the quota in force")


# --- removals ------------------------------------------------------------------------------------------------------


def deleted_in_mid_run(propagation: str) -> Act:
    def act(play: Play) -> None:
        play.begun()
        play.delete(propagation)

    return act


def replaced_by_the_schedule(play: Play) -> None:
    """Two minutes: the second Job takes the first one's place, and is the last one."""
    play.begun()
    second = play.again()
    play.suspend_schedule()
    second.begun()
    second.end()


def skipped_by_the_schedule(play: Play) -> None:
    """Two minutes: there is no second Job for as long as the first one runs."""
    play.begun()
    play.warned("JobAlreadyActive")
    play.suspend_schedule()
    play.end()


def complete_then_deleted(play: Play) -> None:
    """For a Job that something keeps from ever ending."""
    play.told("complete")
    play.delete()


# --- annotations and labels ----------------------------------------------------------------------------------------


def key_edited_between_runs(play: Play) -> None:
    play.told("complete")
    play.annotate(key=play.own_key("edited"))
    play.again()


def key_edited_between_attempts(play: Play) -> None:
    play.begun()
    play.annotate(key=play.own_key("never"))
    play.end(FAILURE)
    play.end(pod=2)


def excluded_in_mid_run(play: Play) -> None:
    play.begun()
    play.annotate(exclude="true")
    play.end()


def unlabelled_in_mid_run(play: Play) -> None:
    play.begun()
    play.label(False)
    play.end()


def included_in_mid_run(play: Play) -> None:
    play.running()
    play.annotate(include="true")
    play.told()
    play.end()


def included_after_the_end(play: Play) -> None:
    """What had ended is not told; what comes then is."""
    play.ended_long_ago()
    play.annotate(include="true")
    play.again()


def labelled_in_mid_run(play: Play) -> None:
    play.running()
    play.label(True)
    play.told()
    play.end()


def labelled_after_the_end(play: Play) -> None:
    play.ended_long_ago()
    play.label(True)
    play.provisioned()
    play.again()
