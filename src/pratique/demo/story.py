"""The story of the demo: what happens to a broken image, its repair, and an old application. Each line is checked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import httpx2

from pratique.core.progress import Reporter
from pratique.demo.client import RegistryClient
from pratique.demo.images import Collection
from pratique.demo.layout import Image

WEB, APP = "demo/web", "demo/app"
_PATIENCE = 25.0
_ROUNDS = 12

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that should have happened, and what did."""

    title: str
    expected: str
    got: str
    detail: str

    @property
    def told(self) -> str:
        """What happened, in one line."""
        return self.detail if self.detail.startswith(f"{self.got}:") else f"{self.got}: {self.detail}"

    @property
    def as_told(self) -> bool:
        return self.expected == self.got


class Story:
    """Takes the images through the registry as any client would: push, wait, pull."""

    def __init__(
        self,
        management: httpx2.Client,
        pusher: RegistryClient,
        reader: RegistryClient,
        reporter: Reporter,
    ) -> None:
        self._management = management
        self._pusher = pusher
        self._reader = reader
        self._reporter = reporter
        self.notes: set[str] = set()
        """What is to be said beside the answers: that only starter data was there to judge with."""

    def tell(self, images: Collection) -> Iterator[Step]:
        """Yield each step when it is over."""
        published, repaired, old = (images.named(name) for name in ("web-published", "web-repaired", "app-old"))
        if published is not None and repaired is not None:
            yield from self._broken(published)
            yield from self._repair(repaired)
            yield from self._live_tag(published, repaired)
        if old is not None:
            yield from self._application(old)

    def _broken(self, image: Image) -> Iterator[Step]:
        self._pusher.push(image, WEB, "1", self._reporter)
        found = self._settled(WEB, image.digest)
        yield Step(f"push {image.title} as {WEB}:1", "refused", found["state"], found["summary"])
        answer = self._reader.pull(WEB, image.digest)
        yield Step("pull it as a reader", "403", str(answer.status), answer.message)

    def _repair(self, image: Image) -> Iterator[Step]:
        known = self._pusher.push(image, WEB, "1", self._reporter)
        shared = f"{known} of {len(image.layers)} layers were there already"
        found = self._settled(WEB, image.digest)
        yield Step(f"push {image.title} as {WEB}:1", "open", found["state"], f"{found['summary']} ({shared})")
        answer = self._reader.pull(WEB, "1")
        yield Step("pull it as a reader", "200", str(answer.status), answer.message or answer.digest)

    def _live_tag(self, published: Image, repaired: Image) -> Iterator[Step]:
        self._pusher.push(published, WEB, "1", self._reporter)
        self._settled(WEB, published.digest)
        answer = self._reader.pull(WEB, "1")
        served = {repaired.digest: "the repaired image", published.digest: "the refused image"}
        yield Step(
            "push the refused image over the live tag, and pull the tag as a reader",
            "the repaired image",
            served.get(answer.digest, answer.message),
            "readers keep what was served",
        )

    def _application(self, image: Image) -> Iterator[Step]:
        self._pusher.push(image, APP, "old", self._reporter)
        found = self._settled(APP, image.digest)
        yield Step(f"push {image.title} as {APP}:old", "refused", found["state"], found["summary"])

    def _settled(self, repository: str, digest: str) -> dict[str, Any]:
        """Wait for the answer about an image."""
        path = f"/api/v1/images/{quote(repository)}/manifests/{quote(digest, safe=':')}/status"
        found: dict[str, Any] = {}
        for _ in range(_ROUNDS):
            found = self._management.get(path, params={"wait": _PATIENCE}, timeout=_PATIENCE + 30).json()
            if found["settled"]:
                self.notes.update(found["notes"])
                break
        return found


def closing(host: str) -> Iterator[str]:
    """What to try next."""
    yield f"Served to readers:  podman pull {host}/{WEB}:1"
    yield f"Refused to readers: podman pull {host}/{APP}:old"
    yield "Why, and what to do: pratique status demo/app:old"
    yield "Remove everything:   pratique demo --clean"
