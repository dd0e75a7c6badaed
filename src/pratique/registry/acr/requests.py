"""Answers the data plane of Azure Container Registry, `/acr/v1/…`, beside OCI distribution.

Source: Azure/azure-rest-api-specs, specification/containerregistry/data-plane, 2021-07-01; spec of what the Azure SDK
reads. Every list goes on through a relative `Link`, as its clients add it to the host they know.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import msgspec

from pratique.core.blobs import BlobStore
from pratique.core.database import Database, Transaction
from pratique.core.errors import Invalid
from pratique.core.http.answers import answer, answer_json
from pratique.core.http.bodies import read_all
from pratique.core.http.plane import HttpScope, Receive, Send, caller_of, threads_of
from pratique.registry.acr.addresses import AcrAddress, parse_acr_address
from pratique.registry.acr.lists import (
    ManifestRow,
    TagRow,
    manifest_rows,
    repository_row,
    require_manifest,
    tag_rows,
)
from pratique.registry.acr.platforms import Platforms
from pratique.registry.acr.shapes import manifest_json, repository_json, tag_json
from pratique.registry.attributes import MAX_DETAILS, AttributeService
from pratique.registry.deletions import Deletions
from pratique.registry.emptying import RepositoryDeletions
from pratique.registry.errors import ManifestUnknown, Unsupported
from pratique.registry.listing import list_repositories
from pratique.registry.manifest_requests import visible_extents
from pratique.registry.repositories import require_repository
from pratique.registry.rights import CHANGE, DELETE, MARK, PULL, SEE, Rights
from pratique.registry.types import Reference, RepositoryName, parse_digest
from pratique.registry.wire import host_of, query_of

VERSIONS = frozenset({"2018-08-10", "2019-07-15", "2019-08-15", "2019-08-15-preview", "2021-07-01"})
PAGE = 100
MOST = 500
_ORDERS = {"": "", "none": "", "timeasc": "timeasc", "timedesc": "timedesc"}
_FLAGS = ("deleteEnabled", "writeEnabled", "listEnabled", "readEnabled")
_MAX_BODY = 64 * 1024

Handler = Callable[[AcrAddress, HttpScope, Receive, Send], Awaitable[None]]
PATHS = {
    "catalog": "/acr/v1/_catalog",
    "repository": "/acr/v1/{name}",
    "tags": "/acr/v1/{name}/_tags",
    "tag": "/acr/v1/{name}/_tags/{tag}",
    "manifests": "/acr/v1/{name}/_manifests",
    "manifest": "/acr/v1/{name}/_manifests/{digest}",
}


class AcrRequests:
    """Attributes, locks, quarantine and deletion as clients of Azure Container Registry ask for them."""

    def __init__(  # noqa: PLR0917  the collaborators
        self,
        database: Database,
        store: BlobStore,
        rights: Rights,
        attributes: AttributeService,
        deletions: Deletions,
        repositories: RepositoryDeletions,
    ) -> None:
        self._database = database
        self._repositories = repositories
        self._rights = rights
        self._attributes = attributes
        self._deletions = deletions
        self._platforms = Platforms(database, store)
        self.handlers: dict[tuple[str, str], Handler] = {
            ("catalog", "GET"): self.catalog,
            ("repository", "GET"): self.repository,
            ("repository", "PATCH"): self.change_repository,
            ("repository", "DELETE"): self.delete_repository,
            ("tags", "GET"): self.tags,
            ("tag", "GET"): self.tag,
            ("tag", "PATCH"): self.change_tag,
            ("tag", "DELETE"): self.delete_tag,
            ("manifests", "GET"): self.manifests,
            ("manifest", "GET"): self.manifest,
            ("manifest", "PATCH"): self.change_manifest,
            ("manifest", "DELETE"): self.delete_manifest,
        }

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        address = parse_acr_address(scope["raw_path"])
        handler = self.handlers.get((address.kind, scope["method"]))
        if handler is None:
            raise Unsupported("this method is not for this resource", remedy="use GET, PATCH or DELETE where they fit")
        _check_version(scope)
        await handler(address, scope, receive, send)

    async def catalog(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """The names that the caller may see, and no other."""
        del address, receive
        extents = visible_extents(self._rights, caller_of(scope))
        page = _Page.of(scope)
        found = await self._database.read_async(lambda tx: list_repositories(tx, extents, page.limit, page.last))
        headers = page.following("/acr/v1/_catalog", found.names[-1] if found.more and found.names else "")
        await answer_json(send, 200, {"repositories": found.names}, headers=headers)

    async def repository(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Attributes and counts of a repository."""
        del receive
        name = self._seen(address, scope)
        await self._answer_repository(scope, send, name)

    async def change_repository(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Lock or unlock a repository."""
        caller, name = caller_of(scope), address.repository
        self._rights.require(caller, name, CHANGE)
        wanted = _flags(await _body(receive))
        await self._database.write_async(lambda tx: self._attributes.lock_repository(tx, caller, name, wanted))
        await self._answer_repository(scope, send, name)

    async def delete_repository(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Delete a repository with all that is in it; nothing of it when anything in it is locked."""
        del receive
        caller, name = caller_of(scope), address.repository
        self._rights.require(caller, name, DELETE)
        deleted = await threads_of(scope).run(self._repositories.delete, caller, name)
        body = {"manifestsDeleted": deleted.manifests, "tagsDeleted": deleted.tags}
        await answer_json(send, 202, body)

    async def tags(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Tags with attributes, by name or by time."""
        del receive
        name, page = self._seen(address, scope), _Page.of(scope)
        digest = query_of(scope).get("digest", [""])[0]
        sees_held = self._rights.sees_held(caller_of(scope), name)

        def read(tx: Transaction) -> list[TagRow]:
            where = require_repository(tx, name)
            return tag_rows(
                tx, where, limit=page.limit + 1, last=page.last, order=page.order, digest=digest, sees_held=sees_held
            )

        found = await self._database.read_async(read)
        shown = found[: page.limit]
        more = f"&digest={quote(digest, safe='')}" if digest else ""
        headers = page.following(f"/acr/v1/{name}/_tags", shown[-1].name if len(found) > page.limit else "", more)
        await self._answer_list(scope, send, name, {"tags": [tag_json(row) for row in shown]}, headers)

    async def tag(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Attributes of a tag."""
        del receive
        await self._answer_tag(scope, send, self._seen(address, scope), address.last)

    async def change_tag(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Lock or unlock a tag."""
        caller, name = caller_of(scope), address.repository
        self._rights.require(caller, name, CHANGE)
        wanted = _flags(await _body(receive))
        await self._database.write_async(lambda tx: self._attributes.lock_tag(tx, caller, name, address.last, wanted))
        await self._answer_tag(scope, send, name, address.last)

    async def delete_tag(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Delete a tag; the manifest stays."""
        del receive
        await self._delete(scope, send, address.repository, Reference(tag=address.last))

    async def manifests(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Manifests with attributes, by digest or by time."""
        del receive
        name, page = self._seen(address, scope), _Page.of(scope)

        def read(tx: Transaction) -> list[ManifestRow]:
            where = require_repository(tx, name)
            return manifest_rows(tx, where, limit=page.limit + 1, last=page.last, order=page.order)

        found = await self._database.read_async(read)
        shown = found[: page.limit]
        items = await self._manifest_items(scope, shown)
        last = shown[-1].digest if len(found) > page.limit else ""
        await self._answer_list(
            scope, send, name, {"manifests": items}, page.following(f"/acr/v1/{name}/_manifests", last)
        )

    async def manifest(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Attributes of a manifest."""
        del receive
        name = self._seen(address, scope)
        await self._answer_manifest(scope, send, name, str(parse_digest(address.last)))

    async def change_manifest(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Lock or unlock a manifest, or say that a scanner has passed or failed it."""
        caller, name, digest = caller_of(scope), address.repository, str(parse_digest(address.last))
        self._rights.require(caller, name, CHANGE, MARK)
        body = await _body(receive)
        wanted, state = _flags(body), body.get("quarantineState")
        if any(value is not None for value in wanted.values()):
            self._rights.require(caller, name, CHANGE)
        if state is not None:
            self._rights.require(caller, name, MARK)
        details = _details(body.get("quarantineDetails"))

        def change(tx: Transaction) -> None:
            self._attributes.lock_manifest(tx, caller, name, digest, wanted)
            if state is not None:
                self._attributes.mark(tx, caller, name, digest, state=str(state), details=details)

        await self._database.write_async(change)
        await self._answer_manifest(scope, send, name, digest)

    async def delete_manifest(self, address: AcrAddress, scope: HttpScope, receive: Receive, send: Send) -> None:
        """Delete a manifest with its tags."""
        del receive
        await self._delete(scope, send, address.repository, Reference(digest=parse_digest(address.last)))

    async def _delete(self, scope: HttpScope, send: Send, name: RepositoryName, reference: Reference) -> None:
        caller = caller_of(scope)
        self._rights.require(caller, name, DELETE)
        await self._database.write_async(lambda tx: self._deletions.delete(tx, caller, name, reference))
        await answer(send, 202)

    def _seen(self, address: AcrAddress, scope: HttpScope) -> RepositoryName:
        self._rights.require(caller_of(scope), address.repository, SEE, PULL)
        return address.repository

    async def _answer_repository(self, scope: HttpScope, send: Send, name: RepositoryName) -> None:
        row = await self._database.read_async(lambda tx: repository_row(tx, name))
        await answer_json(send, 200, repository_json(host_of(scope), row))

    async def _answer_tag(self, scope: HttpScope, send: Send, name: RepositoryName, tag: str) -> None:
        sees_held = self._rights.sees_held(caller_of(scope), name)

        def read(tx: Transaction) -> list[TagRow]:
            return tag_rows(tx, require_repository(tx, name), limit=1, sees_held=sees_held, only=tag)

        found = await self._database.read_async(read)
        if not found:
            raise ManifestUnknown("there is no such tag", remedy="list the tags of the repository")
        body = {"registry": host_of(scope), "imageName": name.value, "tag": tag_json(found[0])}
        await answer_json(send, 200, body)

    async def _answer_manifest(self, scope: HttpScope, send: Send, name: RepositoryName, digest: str) -> None:
        row = await self._database.read_async(lambda tx: require_manifest(tx, require_repository(tx, name), digest))
        (item,) = await self._manifest_items(scope, [row])
        await answer_json(send, 200, {"registry": host_of(scope), "imageName": name.value, "manifest": item})

    async def _manifest_items(self, scope: HttpScope, rows: Sequence[ManifestRow]) -> list[dict[str, Any]]:
        platforms = await threads_of(scope).run(self._platforms.of, [row.config for row in rows if row.config])
        return [manifest_json(row, platforms) for row in rows]

    async def _answer_list(
        self, scope: HttpScope, send: Send, name: RepositoryName, items: Mapping[str, Any], headers: Mapping[str, str]
    ) -> None:
        body = {"registry": host_of(scope), "imageName": name.value, **items}
        await answer_json(send, 200, body, headers=headers)


class _Page(msgspec.Struct, frozen=True):
    """What a list is asked for."""

    limit: int
    last: str
    order: str
    query: str

    @classmethod
    def of(cls, scope: HttpScope) -> "_Page":
        """Read n, last and orderby; raises Invalid."""
        query = query_of(scope)
        number, order = query.get("n", [str(PAGE)])[0], query.get("orderby", [""])[0]
        if not (number.isascii() and number.isdigit() and 0 < len(number) < 10 and int(number) > 0):
            raise Invalid("n is no number", remedy="write it in decimal digits, 1 or more")
        if order not in _ORDERS:
            raise Invalid("this order is not known", remedy="use none, timeasc or timedesc")
        kept = "".join(
            f"&{key}={quote(query[key][0], safe='')}" for key in ("orderby", "api-version") if query.get(key, [""])[0]
        )
        return cls(min(int(number), MOST), query.get("last", [""])[0], _ORDERS[order], kept)

    def following(self, path: str, last: str, more: str = "") -> dict[str, str]:
        """Return the Link to the next page, where there is one."""
        if not last:
            return {}
        return {"link": f'<{path}?last={quote(last, safe="")}&n={self.limit}{self.query}{more}>; rel="next"'}


def _check_version(scope: HttpScope) -> None:
    asked = query_of(scope).get("api-version", [""])[0]
    if asked and asked not in VERSIONS:
        raise Invalid(f"api-version {asked[:40]!r} is not served", remedy=f"use one of {', '.join(sorted(VERSIONS))}")


async def _body(receive: Receive) -> dict[str, Any]:
    content = await read_all(receive, _MAX_BODY)
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid("the body is not a JSON object", remedy=str(error)[:200]) from None


def _flags(body: Mapping[str, Any]) -> dict[str, bool | None]:
    """The four flags that stand in the body itself, or in `changeableAttributes` as the answers have them."""
    nested = body.get("changeableAttributes")
    given = {**(nested if isinstance(nested, dict) else {}), **body}
    wanted = {flag: given.get(flag) for flag in _FLAGS}
    if any(value is not None and not isinstance(value, bool) for value in wanted.values()):
        raise Invalid("an attribute is neither true nor false", remedy=f"send {', '.join(_FLAGS)} as booleans")
    return wanted


def _details(value: Any) -> Any:
    if len(msgspec.json.encode(value)) > MAX_DETAILS:
        raise Invalid("quarantineDetails are too long", remedy=f"stay below {MAX_DETAILS} bytes")
    return value
