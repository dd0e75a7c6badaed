"""Sends blobs: a whole single file by the kernel, anything else in chunks of 1 MiB with ranges."""

import re
from collections.abc import Iterator

from pratique.core.blobs import BlobStore
from pratique.core.blobs.reader import read_spans
from pratique.core.errors import RangeInvalid
from pratique.core.http.plane import HttpScope, Send
from pratique.core.http.threads import ThreadLimiter
from pratique.registry.blobs import HeldBlob

_RANGE = re.compile(r"bytes=(?:(\d{1,19})-(\d{0,19})|-(\d{1,19}))")


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """Return (start, end exclusive), or None to send all (RFC 9110, 14.2: an unclear Range is ignored).

    Raises RangeInvalid for a range that begins behind the end of the blob, or behind its own.
    """
    match = _RANGE.fullmatch(header.strip())
    if match is None:
        return None
    if match[3] is not None:
        start, end = max(0, size - int(match[3])), size
    else:
        start, end = int(match[1]), min(size, int(match[2]) + 1 if match[2] else size)
    if start >= end:
        raise RangeInvalid("the range lies behind the end of the blob", remedy=f"it has {size} bytes", size=size)
    return start, end


async def send_blob(scope: HttpScope, send: Send, store: BlobStore, threads: ThreadLimiter, blob: HeldBlob) -> None:
    """Send a blob, or the part that the Range header asks for."""
    asked = scope["pratique.headers"].get(b"range")
    part = parse_range(asked.decode("latin-1"), blob.size) if asked else None
    start, end = part or (0, blob.size)
    lines = [*_headers(blob), (b"content-length", str(end - start).encode())]
    if part is not None:
        lines.append((b"content-range", f"bytes {start}-{end - 1}/{blob.size}".encode()))
    await send({"type": "http.response.start", "status": 206 if part else 200, "headers": lines})
    path = store.path(blob.spans[0].key) if len(blob.spans) == 1 and part is None else None
    if path is not None and blob.spans[0].version == 0 and "http.response.pathsend" in scope.get("extensions", {}):
        await send({"type": "http.response.pathsend", "path": str(path)})
        return
    await _send_chunks(send, threads, read_spans(store, blob.spans, start, end))


async def _send_chunks(send: Send, threads: ThreadLimiter, chunks: Iterator[bytes]) -> None:
    while chunk := await threads.continue_with(next, chunks, b""):
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


def _headers(blob: HeldBlob) -> list[tuple[bytes, bytes]]:
    digest = blob.digest.encode()
    return [
        (b"content-type", b"application/octet-stream"),
        (b"docker-content-digest", digest),
        (b"etag", b'"' + digest + b'"'),
        (b"accept-ranges", b"bytes"),
        (b"cache-control", b"no-cache"),
    ]
