"""Repositories, what they hold, and one image: the page that a refused pull names."""

from collections.abc import Iterable

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from pratique.console import addresses
from pratique.console.evidence import EvidenceRow
from pratique.console.pages.desk import Desk, in_thread, see_other
from pratique.console.sources import ImageView
from pratique.core.digests import Digest
from pratique.core.errors import Invalid, NotFound
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Extent, Permission, Scope
from pratique.recommendations.listing import lineage_of
from pratique.recommendations.types import Counts, Evidence, FindingFilter, Recommendation, Visibility

READ = Permission.REGISTRY_METADATA_READ
ROWS = 100
TAGS = 50
FINDINGS = 50


class DigestConvertor(Convertor[str]):
    """A digest in an address."""

    regex = "(?:sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})"

    def convert(self, value: str) -> str:
        return value

    def to_string(self, value: str) -> str:
        return value


register_url_convertor("digest", DigestConvertor())


class ImagePages:
    """Pages over the registry; reads only."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._images = desk.parts.images
        self._content = desk.parts.content

    def routes(self) -> list[Route]:
        return [
            Route("/repositories", self.repositories),
            Route("/r/{repository:path}/-/{digest:digest}", self.image),
            Route("/r/{repository:path}/-/{tag:str}", self.tag),
            Route("/r/{repository:path}", self.repository),
        ]

    async def repositories(self, request: Request) -> Response:
        """Show the repositories that the caller may list, by name."""
        extent = self._desk.extent(request, Permission.REGISTRY_CATALOG_LIST)
        search, after = request.query_params.get("q", "").strip()[:255], request.query_params.get("after", "")[:255]
        rows = await in_thread(request, self._images.repositories, extent, search, after, ROWS + 1)
        following = addresses.with_query("/repositories", q=search, after=rows[ROWS - 1].name) if rows[ROWS:] else ""
        read = self._desk.parts.identity.authorizer.extent(caller_of(request.scope), READ)
        seen = [row.name for row in rows[:ROWS] if read.covers(Scope.for_repository(row.name))]
        measured = await in_thread(request, self._content.measured, seen)
        return self._desk.pages.page(
            request,
            "images/repositories.html",
            rows=rows[:ROWS],
            measured=measured,
            search=search,
            next=following,
        )

    async def repository(self, request: Request) -> Response:
        """Show tags by name and images newest first, what is locked, and what the caller may do about it."""
        extent, name = self._desk.extent(request, READ), request.path_params["repository"]
        query = request.query_params
        after, search, tags_after = (query.get(field, "")[:255] for field in ("after", "tag", "tags"))
        seen = extent.covers(Scope.for_repository(name))
        rows = await in_thread(request, self._images.manifests, extent, name, after, ROWS + 1)
        if not seen or (not rows and not after):
            raise _no_image(name)
        tags = await in_thread(request, self._content.tags, name, search, tags_after, TAGS + 1)
        measured = await in_thread(request, self._content.measured, [name])
        more_tags = addresses.with_query(f"/r/{name}", tag=search, tags=tags[TAGS - 1].name) if tags[TAGS:] else ""
        return self._desk.pages.page(
            request,
            "images/repository.html",
            repository=name,
            rows=rows[:ROWS],
            tags=tags[:TAGS],
            pushers=self._named(tag.pointed.pusher for tag in tags if tag.pointed),
            search=search,
            more_tags=more_tags,
            sizes_and_locks=measured.get(name),
            may=self._content.may(caller_of(request.scope), name),
            next=addresses.with_query(f"/r/{name}", after=rows[ROWS - 1].cursor) if rows[ROWS:] else "",
        )

    async def tag(self, request: Request) -> Response:
        """Lead from a tag to the image that waits under it, else to the one that is served."""
        extent, name = self._desk.extent(request, READ), request.path_params["repository"]
        digest = await in_thread(request, self._images.resolve, extent, name, request.path_params["tag"])
        if digest is None:
            raise _no_image(f"{name}:{request.path_params['tag']}")
        return see_other(addresses.image(name, digest))

    async def image(self, request: Request) -> Response:
        """Show an image: gate and reason, what to do, what was not assessed, findings, layers."""
        extent = self._desk.extent(request, READ)
        name, digest = request.path_params["repository"], _digest(request.path_params["digest"])
        cursor = request.query_params.get("cursor", "")
        image, actions, evidence, following, epoch = await in_thread(request, self._read, extent, name, digest, cursor)
        shelf = await in_thread(request, self._content.shelf, name, digest)
        here = addresses.image(name, digest)
        return self._desk.pages.page(
            request,
            "images/image.html",
            image=image,
            actions=actions,
            counts=_total(actions),
            evidence=EvidenceRow.rows(evidence),
            evidence_none="Not known yet." if image.packages is None else "",
            evidence_next=addresses.with_query(here, cursor=following) if following else "",
            fragment=here,
            epoch=epoch,
            shelf=shelf,
            marked_by=self._named([shelf.inspected.mark.marked_by]) if shelf and shelf.inspected.mark else {},
            may=self._content.may(caller_of(request.scope), name),
        )

    def _named(self, principals: Iterable[str]) -> dict[str, str]:
        """Return names of those who are still there."""
        memory = self._desk.parts.identity.memory
        return {number: known.name for number in principals if (known := memory.of(number))}

    def _read(
        self, extent: Extent, name: str, digest: str, cursor: str
    ) -> tuple[ImageView, tuple[Recommendation, ...], tuple[Evidence, ...], str, int]:
        epoch = self._desk.parts.epoch()
        image = self._images.image(extent, name, digest)
        if image is None:
            raise _no_image(f"{name}@{digest}")
        lineage, visibility = lineage_of(name), Visibility.of(extent)
        actions = self._desk.parts.recommendations.of_image(lineage, digest, visibility)
        wanted = FindingFilter(repository=lineage, subject=digest, cursor=cursor, limit=FINDINGS)
        page = self._desk.parts.recommendations.findings(wanted, visibility)
        return image, actions, page.items, page.next_cursor, epoch


def _digest(text: str) -> str:
    try:
        return str(Digest.parse(text))
    except Invalid as error:
        raise _no_image(text) from error


def _total(actions: tuple[Recommendation, ...]) -> Counts:
    names = Counts.__dataclass_fields__
    return Counts(**{name: sum(getattr(item.counts, name) for item in actions) for name in names})


def _no_image(what: str) -> NotFound:
    return NotFound(
        f"There is no {what[:300]} here, or you may not see it.",
        remedy="It may have been deleted. The list of repositories shows what there is.",
    )
