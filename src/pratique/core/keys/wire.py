"""Requests and replies of the key process: length-prefixed msgpack, bounded, one at a time on a connection."""

import socket
from typing import Any

import msgspec

LIMIT = 256 * 1024
_PREFIX = 4
_CHUNK = 64 * 1024


class Request(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """One question; fields that an operation does not use stay empty."""

    operation: str
    purpose: str = ""
    data: bytes = b""
    key_id: str | None = None
    names: list[str] = []
    decision_id: str = ""
    digest: str = ""

    def __repr__(self) -> str:
        return f"Request({self.operation!r}, {self.purpose!r})"


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer: `error` is empty, or the code of an error that the client raises again."""

    error: str = ""
    message: str = ""
    remedy: str = ""
    data: bytes = b""
    text: str = ""
    keys: list[dict[str, Any]] = []

    def __repr__(self) -> str:
        return f"Reply(error={self.error!r})"


class FrameInvalid(Exception):  # noqa: N818 - says what is wrong with the frame
    """What came is no frame, or too large a one."""


_encode = msgspec.msgpack.Encoder().encode
_decode_request = msgspec.msgpack.Decoder(Request).decode
_decode_reply = msgspec.msgpack.Decoder(Reply).decode


def frame(message: Request | Reply) -> bytes:
    """Return the bytes that go over the socket."""
    body = _encode(message)
    if len(body) > LIMIT:
        raise FrameInvalid
    return len(body).to_bytes(_PREFIX, "big") + body


def request_of(body: bytes) -> Request:
    """Read a request, or raise FrameInvalid."""
    try:
        return _decode_request(body)
    except (msgspec.DecodeError, RecursionError):
        raise FrameInvalid from None


def reply_of(body: bytes) -> Reply:
    """Read a reply, or raise FrameInvalid."""
    try:
        return _decode_reply(body)
    except (msgspec.DecodeError, RecursionError):
        raise FrameInvalid from None


def receive(connection: socket.socket, *, rest_within: float) -> bytes | None:
    """Return the body of the next frame, or None when the other side has closed.

    Waits as the socket's time-out says for the first byte, and `rest_within` seconds at most for each further part.
    """
    data = connection.recv(_CHUNK)
    if not data:
        return None
    waiting = connection.gettimeout()
    try:
        while len(data) < _PREFIX or len(data) < _PREFIX + _length(data):
            connection.settimeout(rest_within)
            part = connection.recv(_CHUNK)
            if not part:
                raise FrameInvalid
            data += part
    finally:
        if connection.gettimeout() != waiting:
            connection.settimeout(waiting)
    if len(data) != _PREFIX + _length(data):
        raise FrameInvalid  # one question at a time: nothing may follow a frame
    return data[_PREFIX:]


def _length(data: bytes) -> int:
    length = int.from_bytes(data[:_PREFIX], "big")
    if length > LIMIT:
        raise FrameInvalid
    return length
