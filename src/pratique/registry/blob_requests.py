"""Answers requests for blobs and uploads."""

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

import sqlalchemy as sa

from pratique.core.blobs import BlobStore, SegmentSpan
from pratique.core.clock import SECOND
from pratique.core.database import Database, Transaction
from pratique.core.digests import Algorithm, Digest
from pratique.core.errors import Busy
from pratique.core.http.answers import answer
from pratique.core.http.bodies import ClientGone
from pratique.core.http.plane import HttpScope, Receive, Send, caller_of, threads_of
from pratique.core.permissions import Caller
from pratique.core.telemetry import METRICS
from pratique.registry.addresses import Address
from pratique.registry.blobs import HeldBlob, find_blob, link_blob, renew_lease
from pratique.registry.deletions import Deletions
from pratique.registry.errors import BlobUnknown, DigestInvalid, Unsupported, UploadInvalid, UploadRangeInvalid
from pratique.registry.ingest import Ingest, Pouring
from pratique.registry.locks import is_readable, read_locked
from pratique.registry.manifest_requests import refusal
from pratique.registry.repositories import ensure_repository
from pratique.registry.rights import DELETE, PULL, PUSH, SIGN, Rights
from pratique.registry.sending import send_blob
from pratique.registry.tables import blobs, gates, manifest_blobs, manifests, repositories, repository_blobs
from pratique.registry.types import GateReason, GateState, RepositoryName, parse_digest
from pratique.registry.uploads import Upload, Uploads
from pratique.registry.waiting import GateWaiter
from pratique.registry.wire import page_link, query_of, token_too_narrow

T = TypeVar("T")
_received = METRICS.counter("pratique_registry_blobs_received_total", "Blobs taken, by how.", labels=("how",))
_MOUNT_SOURCES = 50


class BlobRequests:
    """Blobs as clients ask for them: GET through the gate, everything else by rights."""

    def __init__(  # noqa: PLR0917  the collaborators
        self,
        database: Database,
        store: BlobStore,
        rights: Rights,
        uploads: Uploads,
        deletions: Deletions,
        waiter: GateWaiter,
        *,
        gate_wait: float,
        blob_lease: float,
    ) -> None:
        self._database = database
        self._store = store
        self._rights = rights
        self._uploads = uploads
        self._deletions = deletions
        self._waiter = waiter
        self._gate_wait = gate_wait
        self._lease = round(blob_lease * SECOND)
        self._pouring = Pouring()

    async def get(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        """GET: needs one open manifest here that reaches the blob, or a right that gates do not stop."""
        del receive
        caller, name, digest = caller_of(scope), address.repository, str(parse_digest(address.last))
        self._rights.require(caller, name, PULL)
        blob = self._find(name, digest)
        if blob.locks and not self._database.read_here(lambda tx: is_readable(tx, blob)):
            raise read_locked("what this blob belongs to")
        if not blob.open_manifests and not self._rights.sees_held(caller, name):
            await self._wait_or_refuse(scope, name, blob)
            self._rights.require(caller, name, PULL)  # it may have been taken away meanwhile
        await send_blob(scope, send, self._store, threads_of(scope), blob)

    async def head(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        """HEAD: depends on rights only, and renews the lease for those who push.

        The answer has no body, so whoever lacks every right hears 404 here and the reason at the next step of a push.
        """
        del receive
        caller, name, digest = caller_of(scope), address.repository, str(parse_digest(address.last))
        if not self._rights.may_know(caller, name, PULL, PUSH, SIGN):
            raise BlobUnknown("there is no such blob in this repository")
        self._rights.require(caller, name, PULL, PUSH, SIGN)
        blob = self._find(name, digest)
        if self._rights.holds(caller, PUSH, name):
            await self._renew(blob)
        headers = {
            "docker-content-digest": digest, "accept-ranges": "bytes", "etag": f'"{digest}"',
            "content-length": str(blob.size),
        }  # fmt: skip
        lines = [(key.encode(), value.encode()) for key, value in headers.items()]
        lines.append((b"content-type", b"application/octet-stream"))
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": b""})

    async def delete(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        del receive
        caller, name, digest = caller_of(scope), address.repository, str(parse_digest(address.last))
        self._rights.require(caller, name, DELETE)
        await self._database.write_async(lambda tx: self._deletions.delete_blob(tx, caller, name, digest))
        await answer(send, 202)

    async def post(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        """POST: mounts a blob, takes a whole one, or begins an upload."""
        caller, name, query = caller_of(scope), address.repository, query_of(scope)
        if address.last:
            raise Unsupported("an upload that began takes PATCH and PUT", remedy="send POST without an upload id")
        self._rights.require(caller, name, PUSH, SIGN)
        if "mount" in query:
            digest = str(parse_digest(query["mount"][0]))
            if await self._mount(scope, caller, name, digest, query.get("from", [""])[0]):
                _received.add(how="mount")
                await _created(send, name, digest)
                return
        elif "digest" in query:
            await self._take_whole(scope, receive, send, name, parse_digest(query["digest"][0]))
            return
        algorithm = _algorithm(query.get("digest-algorithm", ["sha256"])[0])
        upload_id = await self._uploads.start(caller, name, algorithm)
        await answer(send, 202, headers=_progress(name, upload_id, 0))

    async def patch(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        """PATCH: adds bytes; what arrived before a lost connection or a stop is kept."""
        name, upload = await self._upload(address, scope)
        _check_place(scope, upload)
        ingest = self._uploads.ingest(upload, _saved_algorithm(upload))
        try:
            spans = await self._pouring.pour(receive, ingest, threads_of(scope))
        except (ClientGone, asyncio.CancelledError):
            await asyncio.shield(self._keep(scope, upload, ingest))
            raise
        except BaseException:
            await self._drop(scope, ingest)
            raise
        size = await self._settle(scope, ingest, self._uploads.append(upload, ingest, spans))
        await answer(send, 202, headers=_progress(name, upload.id, size))

    async def put(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        """PUT: takes the last bytes, checks the digest and makes the blob."""
        name, upload = await self._upload(address, scope)
        digest = parse_digest(query_of(scope).get("digest", [""])[0])
        _check_place(scope, upload)
        ingest = self._uploads.ingest(upload, digest.algorithm)
        spans = await self._pour_whole(scope, receive, ingest)
        await self._complete(scope, name, digest, ingest, (*upload.spans, *spans), upload)
        _received.add(how="upload")
        await _created(send, name, str(digest))

    async def status(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        del receive
        name, upload = await self._upload(address, scope)
        await answer(send, 204, headers=_progress(name, upload.id, upload.size))

    async def cancel(self, address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
        del receive
        _, upload = await self._upload(address, scope)
        await self._uploads.cancel(upload)
        await threads_of(scope).continue_with(self._uploads.remove, upload.spans)
        await answer(send, 204)

    async def _upload(self, address: Address, scope: HttpScope) -> tuple[RepositoryName, Upload]:
        caller, name = caller_of(scope), address.repository
        self._rights.require(caller, name, PUSH, SIGN)
        return name, self._database.read_here(lambda tx: self._uploads.find(tx, caller, name, address.last))

    async def _take_whole(
        self, scope: HttpScope, receive: Receive, send: Send, name: RepositoryName, digest: Digest
    ) -> None:
        ingest = self._uploads.ingest(None, digest.algorithm)
        spans = await self._pour_whole(scope, receive, ingest)
        await self._complete(scope, name, digest, ingest, spans, None)
        _received.add(how="whole")
        await _created(send, name, str(digest))

    async def _pour_whole(self, scope: HttpScope, receive: Receive, ingest: Ingest) -> tuple[SegmentSpan, ...]:
        try:
            return await self._pouring.pour(receive, ingest, threads_of(scope))
        except BaseException:
            await asyncio.shield(self._drop(scope, ingest))
            raise

    async def _complete(  # noqa: PLR0917  the parts of one blob
        self,
        scope: HttpScope,
        name: RepositoryName,
        digest: Digest,
        ingest: Ingest,
        spans: tuple[SegmentSpan, ...],
        upload: Upload | None,
    ) -> None:
        threads = threads_of(scope)
        try:
            if ingest.hasher.algorithm == digest.algorithm:
                self._uploads.check(ingest, digest, spans)
            else:
                await threads.continue_with(self._uploads.check, ingest, digest, spans)
        except BaseException:
            await asyncio.shield(self._drop(scope, ingest))
            raise
        unneeded = await self._settle(scope, ingest, self._uploads.finish(name, digest, spans, upload))
        if unneeded:
            await threads.continue_with(self._uploads.remove, unneeded)

    async def _settle(self, scope: HttpScope, ingest: Ingest, recording: Coroutine[Any, Any, T]) -> T:
        """Wait for the row that names new segments; remove them only when it certainly was not written."""
        task = asyncio.ensure_future(recording)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            await asyncio.wait({task})
            raise
        except (UploadRangeInvalid, Busy):
            await self._drop(scope, ingest)
            raise

    async def _keep(self, scope: HttpScope, upload: Upload, ingest: Ingest) -> None:
        """Save what came before the connection was lost, so that the client can go on from there."""
        spans = await threads_of(scope).continue_with(ingest.finish, ingest.arrived)
        if spans:
            await self._settle(scope, ingest, self._uploads.append(upload, ingest, spans))

    async def _drop(self, scope: HttpScope, ingest: Ingest) -> None:
        await threads_of(scope).continue_with(ingest.abort)

    async def _mount(self, scope: HttpScope, caller: Caller, name: RepositoryName, digest: str, source: str) -> bool:
        """Make a blob of another repository known here; False unless the caller may read it there now.

        Whoever pushes here reads what lies here, so a mount must not lead around the gate there. False blocks no
        repair: the client sends the bytes. A token that only does not reach so far is asked to be replaced by one that
        does, as a client cannot know which repository holds a blob.
        """
        sources = [RepositoryName.parse(source).value] if source else await self._holders(digest)
        for holder in sources:
            if self._readable(caller, RepositoryName(holder), digest):
                return await self._database.write_async(lambda tx, held=holder: self._link(tx, held, name, digest))  # type: ignore[misc]
        unbounded = replace(caller, bound=None)
        beyond = [each for each in sources if self._readable(unbounded, RepositoryName(each), digest)]
        if caller.bound is not None and beyond:
            raise token_too_narrow(scope, beyond[0])
        return False

    def _readable(self, caller: Caller, holder: RepositoryName, digest: str) -> bool:
        if not self._rights.holds(caller, PULL, holder):
            return False
        blob = self._database.read_here(lambda tx: find_blob(tx, holder.value, digest))
        if blob is None or (blob.locks and not self._database.read_here(lambda tx: is_readable(tx, blob))):
            return False
        return blob.open_manifests > 0 or self._rights.sees_held(caller, holder)

    async def _holders(self, digest: str) -> list[str]:
        query = (
            sa.select(repositories.c.name)
            .join(repository_blobs, repository_blobs.c.repository_id == repositories.c.id)
            .join(blobs, blobs.c.id == repository_blobs.c.blob_id)
            .where(blobs.c.digest == digest)
            .limit(_MOUNT_SOURCES)
        )
        return await self._database.read_async(lambda tx: list(tx.execute(query).scalars()))

    def _link(self, tx: Transaction, holder: str, name: RepositoryName, digest: str) -> bool:
        blob = find_blob(tx, holder, digest)
        if blob is None:
            return False
        repository_id = ensure_repository(tx, name)
        link_blob(tx, repository_id, blob.id, tx.now + self._lease)
        self._uploads.arrived(tx, repository_id, name, digest)
        return True

    async def _renew(self, blob: HeldBlob) -> None:
        """Make sure that the blob stays for half a lease at least; raises BlobUnknown when collection was quicker."""
        now = self._database.read_here(lambda tx: tx.now)
        if blob.lease_until - now >= self._lease // 2:
            return
        if not await self._database.write_async(lambda tx: renew_lease(tx, blob, tx.now + self._lease)):
            raise BlobUnknown("there is no such blob in this repository", remedy="push it, or check the digest")

    def _find(self, name: RepositoryName, digest: str) -> HeldBlob:
        blob = self._database.read_here(lambda tx: find_blob(tx, name.value, digest))
        if blob is None:
            raise BlobUnknown("there is no such blob in this repository", remedy="push it, or check the digest")
        return blob

    async def _wait_or_refuse(self, scope: HttpScope, name: RepositoryName, blob: HeldBlob) -> None:
        def opened() -> bool:
            found = self._database.read_here(lambda tx: find_blob(tx, name.value, blob.digest))
            return found is not None and found.open_manifests > 0

        if not blob.manifests:
            raise BlobUnknown("there is no such blob in this repository", remedy="push it, or check the digest")
        states = self._gates_of(blob)
        if any(state == GateState.HELD and decision is None for state, _, _, decision in states):
            await self._waiter.until(opened, self._gate_wait)
        if not opened():
            state, reason, digest, _ = self._gates_of(blob)[0]
            link = page_link(scope, name.value, digest)
            raise refusal(GateState(state), GateReason.from_json(reason), link)

    def _gates_of(self, blob: HeldBlob) -> list[tuple[str, dict[str, object], str, str | None]]:
        query = (
            sa.select(gates.c.state, gates.c.reason, manifests.c.digest, gates.c.decision_id)
            .join(manifest_blobs, manifest_blobs.c.manifest_id == gates.c.manifest_id)
            .join(manifests, manifests.c.id == gates.c.manifest_id)
            .where(manifest_blobs.c.blob_id == blob.id, manifests.c.repository_id == blob.repository_id)
            .order_by(gates.c.state.desc())
            .limit(10)
        )
        return self._database.read_here(lambda tx: [tuple(row) for row in tx.execute(query)])


def _check_place(scope: HttpScope, upload: Upload) -> None:
    """Content-Range, where given, must go on exactly where the upload stands (OCI distribution-spec, end-5)."""
    header = scope["pratique.headers"].get(b"content-range")
    if header is None:
        return
    first, dash, last = header.decode("latin-1").strip().removeprefix("bytes ").partition("/")[0].partition("-")
    if not (dash and first.isdigit() and last.isdigit()) or int(last) < int(first):
        raise UploadInvalid("Content-Range cannot be read", remedy="write it as FIRST-LAST")
    if int(first) != upload.size:
        raise UploadRangeInvalid(
            f"the upload stands at {upload.size} bytes", remedy="ask for its range and go on there", size=upload.size
        )


def _saved_algorithm(upload: Upload) -> Algorithm:
    from pratique.core.digests import Hasher

    return Hasher.restore(upload.hash_state, lambda: ()).algorithm if upload.size == 0 else "sha256"


def _algorithm(text: str) -> Algorithm:
    if text not in {"sha256", "sha512"}:
        raise DigestInvalid("this digest algorithm is not known", remedy="use sha256 or sha512")
    return "sha512" if text == "sha512" else "sha256"


def _progress(name: RepositoryName, upload_id: str, size: int) -> dict[str, str]:
    return {
        "location": f"/v2/{name}/blobs/uploads/{upload_id}",
        "range": f"0-{max(size - 1, 0)}",
        "docker-upload-uuid": upload_id,
    }


async def _created(send: Send, name: RepositoryName, digest: str) -> None:
    headers = {"location": f"/v2/{name}/blobs/{digest}", "docker-content-digest": digest}
    await answer(send, 201, headers=headers)
