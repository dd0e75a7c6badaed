"""Answers requests for manifests, referrers, tags and the catalogue."""

import time
from urllib.parse import quote

from pratique.core.database import Database
from pratique.core.errors import Invalid, TooLarge
from pratique.core.http.answers import answer, answer_json
from pratique.core.http.bodies import read_all
from pratique.core.http.plane import HttpScope, Receive, Send, caller_of, threads_of
from pratique.core.permissions import Caller, Extent
from pratique.core.telemetry import METRICS
from pratique.registry.addresses import Address, parse_reference
from pratique.registry.deletions import Deletions
from pratique.registry.errors import Held, ManifestTooLarge, ManifestUnknown, Refused, Unsupported
from pratique.registry.listing import PAGE, list_referrers, list_repositories, list_tags
from pratique.registry.locks import NO_READ, read_locked
from pratique.registry.parsing import OCI_INDEX, Manifest
from pratique.registry.ports import AuditTrail, Upstream
from pratique.registry.pulls import FoundManifest, find_manifest
from pratique.registry.pushes import Pushed, Pushes
from pratique.registry.retention.last_pulled import LastPulled
from pratique.registry.rights import CATALOG, DELETE, PULL, PUSH, SEE, SIGN, Rights
from pratique.registry.types import ArtifactKind, GateReason, GateState, Reference, RepositoryName, parse_digest
from pratique.registry.waiting import GateWaiter
from pratique.registry.wire import page_link, query_of, warning

_pulls = METRICS.counter(
    "pratique_registry_pulls_total", "Manifests asked for, by what the gate said.", unit="requests", labels=("gate",)
)
_pushes = METRICS.counter(
    "pratique_registry_pushes_total", "Manifests pushed, by kind and first state.", labels=("kind", "gate")
)
_by_gate = {state.value: _pulls.series(gate=state.value) for state in GateState}
_LARGE = 64 * 1024


class ManifestRequests:
    """Manifests as clients ask for them; the gate decides for readers, the rights for everybody."""

    def __init__(  # noqa: PLR0917  the collaborators
        self,
        database: Database,
        rights: Rights,
        pushes: Pushes,
        deletions: Deletions,
        waiter: GateWaiter,
        audit: AuditTrail,
        upstream: Upstream | None = None,
        pulled: LastPulled | None = None,
        *,
        gate_wait: float,
        manifest_limit: int,
    ) -> None:
        self._database = database
        self._rights = rights
        self._pushes = pushes
        self._deletions = deletions
        self._waiter = waiter
        self._audit = audit
        self._upstream = upstream
        self._pulled = pulled
        self._gate_wait = gate_wait
        self._manifest_limit = manifest_limit

    async def get(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        """GET: waits for the verdict while it is held."""
        del receive
        caller, name, reference = caller_of(scope), address.repository, parse_reference(address.last)
        self._rights.require(caller, name, PULL)
        begun = time.monotonic()
        note = await self._refresh(caller, name, reference)
        sees_held = self._rights.sees_held(caller, name)
        found = self._find(name, reference, sees_held=sees_held)
        if not sees_held and found.state == GateState.HELD and found.decision_id is None:
            await self._waiter.decided(found.id, self._gate_wait - (time.monotonic() - begun))
            self._rights.require(caller, name, PULL)  # it may have been taken away meanwhile
            found = self._find(name, reference, sees_held=False)
        _by_gate[found.state].add()
        if found.locks & NO_READ:
            raise read_locked(f"{name}@{found.digest}" if reference.tag is None else f"{name}:{reference}")
        if not found.is_open and not sees_held:
            raise refusal(GateState(found.state), found.reason, page_link(scope, name.value, found.digest))
        self._audit.count("registry.manifest.pull", caller, f"{name}@{found.digest}")
        self._note(found)
        await send({"type": "http.response.start", "status": 200, "headers": _headers(found, note)})
        await send({"type": "http.response.body", "body": found.content})

    async def head(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        """HEAD: depends on rights only, so that a push of a repair can look."""
        del receive
        caller, name, reference = caller_of(scope), address.repository, parse_reference(address.last)
        self._rights.require(caller, name, PULL, PUSH)
        note = await self._refresh(caller, name, reference)
        sees_held = self._rights.sees_held(caller, name)
        found = self._find(name, reference, sees_held=sees_held)
        self._note(found)
        await send({"type": "http.response.start", "status": 200, "headers": _headers(found, note)})
        await send({"type": "http.response.body", "body": b""})

    async def put(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        caller, name, reference = caller_of(scope), address.repository, parse_reference(address.last)
        self._rights.require(caller, name, PUSH, SIGN)
        if self._upstream is not None and self._upstream.covers(name):
            raise Unsupported("another registry fills this repository", remedy="push there, or under another name")
        content = await self._read(receive)
        media_type = scope["pratique.headers"].get(b"content-type", b"").decode("latin-1")
        manifest, digest = await self._parse(scope, content, media_type, reference)
        if manifest.kind is not ArtifactKind.ATTACHED:
            self._rights.require(caller, name, PUSH)
        tag_names = _tag_names(scope, reference)
        pushed = await self._database.write_async(
            lambda tx: self._pushes.store(
                tx, caller=caller, name=name, manifest=manifest, content=content, digest=digest, tag_names=tag_names
            )
        )
        _pushes.add(kind=pushed.kind.value, gate=pushed.state.value)
        await answer(send, 201, headers=_pushed_headers(name, pushed, tag_names))

    async def delete(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        del receive
        caller, name, reference = caller_of(scope), address.repository, parse_reference(address.last)
        self._rights.require(caller, name, DELETE)
        await self._database.write_async(lambda tx: self._deletions.delete(tx, caller, name, reference))
        await answer(send, 202)

    async def tags(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        del receive
        name = address.repository
        self._rights.require(caller_of(scope), name, PULL, SEE)
        limit, last = _page_of(scope)
        listed = await self._database.read_async(lambda tx: list_tags(tx, name, limit, last))
        headers = _next_page(f"/v2/{name}/tags/list", listed.names, limit, more=listed.more)
        await answer_json(send, 200, {"name": name.value, "tags": listed.names}, headers=headers)

    async def catalog(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        """The names that the caller may see, and no other: the database filters."""
        del address, receive
        caller = caller_of(scope)
        extents = visible_extents(self._rights, caller)
        limit, last = _page_of(scope)
        listed = await self._database.read_async(lambda tx: list_repositories(tx, extents, limit, last))
        headers = _next_page("/v2/_catalog", listed.names, limit, more=listed.more)
        await answer_json(send, 200, {"repositories": listed.names}, headers=headers)

    async def referrers(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        del receive
        caller, name = caller_of(scope), address.repository
        self._rights.require(caller, name, PULL, SEE)
        subject, query = str(parse_digest(address.last)), query_of(scope)
        wanted, after = query.get("artifactType", [""])[0], _number(query.get("last", ["0"])[0])
        sees_held = self._rights.sees_held(caller, name)
        descriptors, following = await self._database.read_async(
            lambda tx: list_referrers(tx, name, subject, artifact_type=wanted, sees_held=sees_held, after=after)
        )
        headers = {"oci-filters-applied": "artifactType"} if wanted else {}
        if following is not None:
            filtered = f"&artifactType={quote(wanted, safe='')}" if wanted else ""
            headers["link"] = f'</v2/{name}/referrers/{subject}?last={following}{filtered}>; rel="next"'
        body = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": descriptors}
        await answer_json(send, 200, body, media_type=OCI_INDEX, headers=headers)

    async def _refresh(self, caller: Caller, name: RepositoryName, reference: Reference) -> str:
        """Let another registry fill the repository first where a rule says so; returns a warning, or ''."""
        if self._upstream is None or not self._upstream.covers(name):
            return ""
        return await self._upstream.refresh(caller, name, reference, self._gate_wait)

    def _note(self, found: FoundManifest) -> None:
        """Remember when it was last of use: to somebody who pulls, or looks before a push or a pull."""
        if self._pulled is not None:
            self._pulled.note(found.id)

    def _find(self, name: RepositoryName, reference: Reference, *, sees_held: bool) -> FoundManifest:
        found = self._database.read_here(lambda tx: find_manifest(tx, name, reference, sees_held=sees_held))
        if found is None:
            raise ManifestUnknown(f"there is no {reference} in {name}", remedy="check the tag or digest")
        return found

    async def _read(self, receive: Receive) -> bytes:
        try:
            return await read_all(receive, self._manifest_limit)
        except TooLarge:
            raise ManifestTooLarge(
                "the manifest is too large", remedy=f"this registry takes manifests up to {self._manifest_limit} bytes"
            ) from None

    async def _parse(
        self, scope: HttpScope, content: bytes, media_type: str, reference: Reference
    ) -> tuple[Manifest, str]:
        threads = threads_of(scope)
        if len(content) < _LARGE:
            parsed = self._pushes.parse(content, media_type, reference)
        else:
            parsed = await threads.run(self._pushes.parse, content, media_type, reference)
        if parsed[0].claims_statement:
            await threads.run(self._pushes.check_statements, parsed[0])
        return parsed


def visible_extents(rights: Rights, caller: Caller) -> list[Extent]:
    """Where the caller may see names of repositories; a stranger who sees none is asked to sign in."""
    extents = [rights.extent(caller, permission) for permission in (CATALOG, PULL)]
    if caller.is_anonymous and all(extent.is_empty for extent in extents):
        rights.require(caller, RepositoryName("catalog"), CATALOG)
    return extents


def refusal(state: GateState, reason: GateReason, link: str) -> Held | Refused:
    """Return the error for a reader: which finding, what to do and where to read more, in that order."""
    text = _joined(reason.summary, reason.remedy)
    where = f"see {reason.link or link}"
    if state is GateState.HELD:
        return Held(text, remedy=where)
    return Refused(text, remedy=where)


def _joined(summary: str, remedy: str) -> str:
    """Both, and once what stands in both: a summary that has room ends with the beginning of the remedy."""
    place = summary.find(remedy[:24]) if remedy else -1
    head = summary[:place].rstrip("; :,.") + "; " if place > 0 else f"{summary} " if remedy else summary
    return head + remedy


def _headers(found: FoundManifest, note: str = "") -> list[tuple[bytes, bytes]]:
    lines = [
        (b"content-type", found.media_type.encode()),
        (b"content-length", str(len(found.content)).encode()),
        (b"docker-content-digest", found.digest.encode()),
        (b"etag", f'"{found.digest}"'.encode()),
        (b"cache-control", b"no-cache"),
    ]
    if not found.is_open:
        lines.append((b"warning", warning(found.reason.summary).encode()))
    elif found.pending:
        lines.append((b"warning", warning("readers of this tag still get another image").encode()))
    if note:
        lines.append((b"warning", warning(note).encode()))
    return lines


def _pushed_headers(name: RepositoryName, pushed: Pushed, tag_names: list[str]) -> dict[str, str]:
    headers = {"location": f"/v2/{name}/manifests/{pushed.digest}", "docker-content-digest": pushed.digest}
    if pushed.subject:
        headers["oci-subject"] = pushed.subject
    if tag_names:
        headers["oci-tag"] = ", ".join(tag_names)
    if pushed.state is not GateState.OPEN:
        headers["warning"] = warning(f"{pushed.state.value}: readers get this once its gate opens")
    return headers


def _tag_names(scope: HttpScope, reference: Reference) -> list[str]:
    """The tag of the address, or those of `?tag=` beside a digest (OCI distribution-spec, end-7b)."""
    if reference.tag is not None:
        return [reference.tag]
    names = query_of(scope).get("tag", [])
    return [parse_reference(name).tag or "" for name in dict.fromkeys(names) if parse_reference(name).tag]


def _page_of(scope: HttpScope) -> tuple[int, str]:
    query = query_of(scope)
    limit = min(_number(query.get("n", [str(PAGE)])[0]), PAGE)
    return limit, query.get("last", [""])[0]


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Invalid("this is no number", remedy="write it in decimal digits")
    return int(text)


def _next_page(path: str, names: tuple[str, ...], limit: int, *, more: bool) -> dict[str, str]:
    if not more or not names:
        return {}
    return {"link": f'<{path}?n={limit}&last={quote(names[-1], safe="")}>; rel="next"'}
