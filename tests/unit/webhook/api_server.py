"""A small API server over real HTTP: objects with resourceVersions, paged lists, watches, and faults by script.

It knows no schema: any path of the usual form is a collection or an object of it. Watches are fed from a history, so
that one may begin at any version that is still kept; `forget` drops the history, as a real one's compaction does.
"""

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Self

import jsonpatch
from kubernetes import client

from tests.unit.webhook.api_server_http import Listener
from tests.unit.webhook.api_store import Change, Fault, Refused, Request, Store, Target, merged, target_of, token
from webhook.clients.kube import KubeClient

Json = dict[str, Any]
PATIENCE = 10.0  # seconds after which a test that waits has failed


class ApiServer:
    """Runs while it is entered. What a test does to it directly needs no request."""

    def __init__(self) -> None:
        self.store = Store()
        self.requests: list[Request] = []
        self.watches = 0
        self.on_request: Callable[[Request], None] = lambda request: None
        self.on_headers: Callable[[Mapping[str, str]], None] = lambda headers: None
        self._faults: deque[tuple[Callable[[Request], bool], Fault]] = deque()
        self.released = threading.Event()
        self.stopped = False
        self.generation = 0
        self.open_watches: Counter[int] = Counter()
        self.abrupt = False
        self._listener = Listener(self)

    def __enter__(self) -> Self:
        self._listener.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stopped = True
        self.released.set()
        self.end_watches()
        self._listener.stop()

    @property
    def url(self) -> str:
        return self._listener.url

    @property
    def configuration(self) -> client.Configuration:
        loaded = client.Configuration(host=self.url)
        loaded.retries = False
        loaded.proxy = None
        return loaded

    def client(self) -> KubeClient:
        return KubeClient(self.configuration)

    # What a test does.

    def put(self, path: str, body: Json) -> Json:
        """Create or replace an object, as somebody else would."""
        with self.store.changed:
            return deepcopy(self.store.write(target_of(path), body))

    def delete(self, path: str) -> None:
        with self.store.changed:
            self.store.remove(target_of(path))

    def get(self, path: str) -> Json | None:
        with self.store.changed:
            return deepcopy(self.store.objects.get(target_of(path)))

    def bookmark(self, collection: str) -> int:
        """Move the version on and tell it to the collection's watches; the version."""
        with self.store.changed:
            self.store.version += 1
            found: Json = {"kind": "Bookmark", "metadata": {"resourceVersion": str(self.store.version)}}
            self.store.history.append(Change(self.store.version, "BOOKMARK", Target(collection), found))
            self.store.changed.notify_all()
            return self.store.version

    def forget(self) -> None:
        """Older versions are gone: a watch from one of them is answered with 410."""
        with self.store.changed:
            self.store.history.clear()
            self.store.oldest = self.store.version

    def end_watches(self, *, abrupt: bool = False) -> None:
        """End the watches that are open, in good order or in the middle of a line; they hear of nothing after it."""
        with self.store.changed:
            ended = self.generation
            self.generation += 1
            self.abrupt = abrupt
            self.store.changed.notify_all()
            self.store.changed.wait_for(lambda: not self.open_watches[ended], PATIENCE)

    def fail(self, what: str | Callable[[Request], bool], fault: Fault, times: int = 1) -> None:
        """Answer the next requests like `what` (`WATCH /api/v1/pods`, or a part of that) with a fault."""
        hits = what if callable(what) else lambda request: what in str(request)
        with self.store.changed:
            self._faults.extend([(hits, fault)] * times)

    @property
    def faults_left(self) -> int:
        return len(self._faults)

    def release(self) -> None:
        """Let go of the requests that are held."""
        self.released.set()

    def asked(self, what: str = "") -> list[str]:
        """The requests so far, as `METHOD path`, that hold `what`."""
        with self.store.changed:
            return [str(request) for request in self.requests if what in str(request)]

    def wait_for(self, holds: Callable[[], Any]) -> Any:
        """Until it holds; looked at after each request and change."""
        with self.store.changed:
            found = self.store.changed.wait_for(holds, PATIENCE)
        assert found, f"not seen; requests were {self.asked()}"
        return found

    # What the HTTP side asks.

    def received(self, request: Request) -> Fault | None:
        """Record a request; the fault that it meets."""
        with self.store.changed:
            self.requests.append(request)
            self.store.changed.notify_all()
            for scripted in self._faults:
                if scripted[0](request):
                    self._faults.remove(scripted)
                    fault = scripted[1]
                    break
            else:
                fault = None
        self.on_request(request)
        return fault

    def answer(self, request: Request) -> Json:
        with self.store.changed:
            target = target_of(request.path)
            match request.method:
                case "GET":
                    return deepcopy(self.store.get(target)) if target.name else self._page(target, request.query)
                case "POST":
                    return self._create(target, request.body)
                case "PUT" | "PATCH":
                    return self._change(target, request)
                case "DELETE":
                    wanted = ((request.body or {}).get("preconditions") or {}).get("uid")
                    if wanted not in (None, self.store.get(target)["metadata"]["uid"]):
                        raise Refused(409, "Conflict")
                    return self.store.remove(target)
        raise Refused(405, "MethodNotAllowed")

    def answer_list(self, path: str, query: Json) -> list[Json]:
        """What a list of this collection would hold now."""
        with self.store.changed:
            return deepcopy(self.store.listed(target_of(path), query))

    def _page(self, target: Target, query: Json) -> Json:
        found = self.store.listed(target, query)
        first, limit = int(query.get("continue") or 0), int(query.get("limit") or 10**6)
        metadata: Json = {"resourceVersion": str(self.store.version)}
        if first + limit < len(found):
            metadata["continue"] = str(first + limit)
        return {"metadata": metadata, "items": deepcopy(found[first : first + limit])}

    def _create(self, target: Target, body: Json) -> Json:
        if target.subresource == "token":
            uid = self.store.get(Target(target.collection, target.namespace, target.name))["metadata"]["uid"]
            return {"status": {"token": token(uid, time.time(), body["spec"]["expirationSeconds"])}}
        target = Target(target.collection, target.namespace, body["metadata"]["name"])
        if target in self.store.objects:
            raise Refused(409, "AlreadyExists")
        return self.store.write(target, body)

    def _change(self, target: Target, request: Request) -> Json:
        found = self.store.get(target)
        changed: Json = request.body
        if request.method == "PATCH":
            is_list = isinstance(request.body, list)
            changed = jsonpatch.apply_patch(found, request.body) if is_list else merged(found, request.body)
        for name in ("resourceVersion", "uid"):
            if changed["metadata"].get(name, found["metadata"][name]) != found["metadata"][name]:
                raise Refused(409, "Conflict")
        if json.dumps(changed, sort_keys=True) == json.dumps(found, sort_keys=True):
            return found  # nothing changed, no new version
        return self.store.write(target, changed)
