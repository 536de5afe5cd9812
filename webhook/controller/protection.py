"""All that keeps our container from harming Jobs, put together for the loop; nothing of it where it is switched off."""

from collections.abc import Callable, Mapping

from webhook.clients.informer import Informer
from webhook.clients.kube import KubeClient
from webhook.controller import breakers, harm, refusals
from webhook.controller.breakers import BreakerKeeper
from webhook.controller.events import EventRecorder, JobEvents
from webhook.controller.harm import HarmWatch
from webhook.controller.namespaces import NamespaceCaches, NamespaceKeeper
from webhook.controller.pod_index import PodIndex
from webhook.controller.queue import Key, Reconciler
from webhook.controller.refusals import Exempter, RefusalIndex
from webhook.settings import Settings
from webhook.state import Breaker, SharedState


class Protection:
    """`informers` are to be started, `reconcilers` to be given to the queue; `add` is how keys get into it."""

    def __init__(
        self,
        kube: KubeClient,
        settings: Settings,
        *,
        jobs: Informer,
        cron_jobs: Informer,
        caches: NamespaceCaches,
        namespaces: NamespaceKeeper,
        add: Callable[[Key, float], None],
    ) -> None:
        self.informers: tuple[Informer, ...] = ()
        self._refusals: RefusalIndex | None = None
        self.reconcilers: Mapping[str, Reconciler] = {}
        self._pods = caches.pods
        self._keeper = BreakerKeeper(caches.pods, namespaces, settings, lambda key: add(key, 0.0))
        if not settings.breaker.enabled:
            return
        self._refused = Informer(kube, refusals.source())
        events = JobEvents(EventRecorder(kube, settings.pod_name), cron_jobs)
        self._refusals = RefusalIndex(self._refused)
        exempter = Exempter(
            kube,
            cron_jobs=cron_jobs,
            refusals=self._refusals,
            namespaces=namespaces,
            breakers=self._keeper,
            events=events,
            settings=settings,
        )
        self._harm = HarmWatch(
            kube,
            jobs=jobs,
            pods=PodIndex(caches.pods),
            exempter=exempter,
            keeper=self._keeper,
            events=events,
            settings=settings.breaker,
        )
        self._harm.feed(add, pods=caches.pods, refused=self._refused, namespaces=caches.namespaces)
        self.informers = (self._refused,)
        self.reconcilers = {harm.KIND: self._harm, breakers.KIND: self._keeper}

    def lead(self, published: SharedState) -> set[Key]:
        """Go on from what an earlier leader has published; the keys to begin with."""
        if not self.informers:
            return set()
        self._keeper.load(published)
        return self._harm.keys(pods=self._pods, refused=self._refused)

    def breakers(self) -> dict[str, Breaker]:
        """What is to be published."""
        return self._keeper.all()

    def refusal_of(self, job_uid: str) -> str:
        """Why the newest pod of a Job was not made, in the API server's words; '' where none was refused."""
        newest = self._refusals.newest(job_uid) if self._refusals else None
        return newest.message if newest else ""
