"""Starts that hang, or that somebody holds back. Thresholds of minutes are seconds here."""

from tests.e2e.faults.rows import waits
from tests.e2e.scenarios import acts
from tests.e2e.scenarios.acts import SECRET
from tests.e2e.scenarios.shapes import ONCE, RUN, SHORT_GRACE, SUCCEEDS, Shape, When, stuck, with_twins
from tests.e2e.world import Json, container

MISSING = "127.0.0.1:1/missing:1"
"""Nobody listens there, so that the registry fails at once."""
NOT_PULLED = stuck(r"attempt 1/7 · app (ErrImagePull|ImagePullBackOff): .+")


NO_SECRET = stuck(f'attempt 1/7 · app CreateContainerConfigError: .*secret "{SECRET}" not found')

NEVER_UP: Json = {
    **container("mesh", "sleep 999"),
    "restartPolicy": "Always",
    "startupProbe": {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 3},
}
"""A native sidecar of the user's that nothing else starts before."""

STARTS = with_twins((
    Shape("image-missing", (NOT_PULLED,), (container(image=MISSING),), acts.deleted_once_stuck, ends="gone",
          patient=True),
    Shape("image-comes-late", (NOT_PULLED, *SUCCEEDS), (container(image=MISSING),), acts.image_put_right, patient=True),
    Shape("image-never-pulled", (stuck(r"attempt 1/7 · app ErrImageNeverPull: .+"),),
          (container(image=MISSING, imagePullPolicy="Never"),), acts.deleted_once_stuck, ends="gone", patient=True,
          twin=False),
    Shape("image-of-init-missing", (stuck(r"attempt 1/7 · setup (ErrImagePull|ImagePullBackOff): .+"),),
          act=acts.deleted_once_stuck, pod={"initContainers": [container("setup", image=MISSING)]}, ends="gone",
          patient=True, twin=False),
    Shape("secret-missing", (NO_SECRET, *SUCCEEDS), (container(envFrom=[{"secretRef": {"name": SECRET}}]),),
          acts.secret_made, own_namespace=True, patient=True),
    Shape("secret-of-a-volume-missing",
          (stuck("attempt 1/7 · pod not started: its volumes.*", When.UNSCHEDULED), *SUCCEEDS),
          (container(volumeMounts=[{"name": "needed", "mountPath": "/needed"}]),), acts.secret_made,
          pod={"volumes": [{"name": "needed", "secret": {"secretName": SECRET}}]}, own_namespace=True),
    # The run has failed already, for whoever hears of it.
    Shape("secret-of-a-volume-missing-and-fails",
          (stuck("attempt 1/1 · pod not started: its volumes.*", When.UNSCHEDULED), RUN),
          (container(script="sleep 1; exit 3", volumeMounts=[{"name": "needed", "mountPath": "/needed"}]),),
          acts.secret_made, job=ONCE, pod={"volumes": [{"name": "needed", "secret": {"secretName": SECRET}}]},
          ends="Failed", own_namespace=True),
    Shape("unschedulable", (stuck(r"attempt 1/7 · pod Unschedulable: 0/1 nodes are available.*", When.UNSCHEDULED),),
          act=acts.deleted_once_stuck, pod={"nodeSelector": {"cronitor-k8s.test/no-such-node": "true"}}, ends="gone"),
    Shape("unknown-scheduler", (stuck("attempt 1/7 · pod Unschedulable", When.UNSCHEDULED),),
          act=acts.deleted_once_stuck, pod={"schedulerName": "nobody"}, ends="gone"),
    Shape("sidecar-never-up", (stuck(r"attempt 1/7 · pod not started: .+", When.UNSCHEDULED),),
          act=acts.deleted_once_stuck, pod={"initContainers": [NEVER_UP], **SHORT_GRACE}, ends="gone"),
    # What the API server refuses is made without us at once, to see whether we were the reason: no pod, no sidecar.
    Shape("quota-of-no-pods",
          (stuck(r"attempt 1/7 · no pod could be created: .*exceeded quota.*", When.UNSCHEDULED),),
          act=acts.deleted_once_stuck, before=acts.quota_of_no_pods, ends="gone", own_namespace=True),
    Shape("suspended-and-resumed", SUCCEEDS, (waits(),), acts.suspended_and_resumed),
    Shape("born-suspended", SUCCEEDS, act=acts.resumed, job={"suspend": True}),
    Shape("deleted-while-suspended", (), act=acts.deleted_while_suspended, job={"suspend": True}, ends="gone"),
))  # fmt: skip
