"""Reading request bodies within limits, and refusing them so that the client hears why."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from pratique.core.errors import Invalid, PratiqueError, TooLarge
from pratique.core.http.plane import HttpScope, Receive

DRAIN_BYTES = 16 * 1024 * 1024
DRAIN_SECONDS = 5.0
JSON_DEPTH = 64


class ClientGone(PratiqueError):  # noqa: N818  what happened, in the words of the tree
    """The client closed the connection before its request was complete; nobody reads an answer."""

    code = "client-gone"
    status = 499


class Body:
    """The body of one request as it arrives: counts bytes, enforces the limit, knows when it is complete."""

    __slots__ = ("_limit", "_receive", "complete", "gone", "received", "touched")

    def __init__(self, receive: Receive, limit: int | None, *, complete: bool) -> None:
        self._receive = receive
        self._limit = limit
        self.complete = complete
        self.gone = False
        self.received = 0
        self.touched = False

    def limit(self, limit: int | None) -> None:
        """Set the most bytes that may come; None for a plane that counts by itself."""
        self._limit = limit

    async def receive(self) -> Any:
        """ASGI receive: raises TooLarge once more than the limit has come."""
        self.touched = True
        message = await self._receive()
        if message["type"] == "http.request":
            self.received += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
            if self._limit is not None and self.received > self._limit:
                raise too_large(self._limit)
        else:
            self.complete = self.gone = True
        return message

    async def drain(self) -> bool:
        """Read and forget the rest, up to 16 MiB or 5 s; True when the body is complete afterwards.

        Many clients report a broken connection instead of the answer when it comes before they have sent all.
        """
        self._limit = None
        end, start = self.received + DRAIN_BYTES, time.monotonic()
        while not self.complete and self.received < end:
            left = start + DRAIN_SECONDS - time.monotonic()
            try:
                await asyncio.wait_for(self.receive(), max(left, 0))
            except TimeoutError:
                break
        return self.complete


async def chunks(receive: Receive) -> AsyncIterator[bytes]:
    """Yield the body piece by piece; raises ClientGone when it ends too early."""
    while True:
        message = await receive()
        if message["type"] != "http.request":
            raise ClientGone("the client went away")
        piece = message.get("body", b"")
        if piece:
            yield piece
        if not message.get("more_body", False):
            return


async def read_all(receive: Receive, limit: int) -> bytes:
    """Return the whole body; raises TooLarge above the limit."""
    parts: list[bytes] = []
    size = 0
    async for piece in chunks(receive):
        size += len(piece)
        if size > limit:
            raise too_large(limit)
        parts.append(piece)
    return parts[0] if len(parts) == 1 else b"".join(parts)


async def read_json(receive: Receive, limit: int = 1024 * 1024) -> Any:
    """Return the parsed JSON body; raises Invalid for what is not JSON."""
    body = await read_all(receive, limit)
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError) as error:
        raise Invalid("the body is not JSON", remedy=str(error)) from error


def expects_continue(scope: HttpScope, headers: dict[bytes, bytes]) -> bool:
    """True when an HTTP/1.1 client waits for our word before it sends the body."""
    return scope["http_version"] == "1.1" and headers.get(b"expect", b"").lower() == b"100-continue"


def too_large(limit: int) -> TooLarge:
    return TooLarge("the request body is too large", remedy=f"send at most {limit} bytes", limit=limit)
