"""The reader process: `python -m pratique.inventory.reader MEMORY_BYTES`, its socket as standard input.

It confines itself before the first foreign byte, says what held, then answers requests until its socket closes or a
minute passes idle. A request is a frame with the descriptor to read from; the answer is one `Reading`. Frames are
four bytes of length (big endian) and msgpack.
"""

import gzip
import io
import os
import socket
import struct
import sys
from typing import BinaryIO, Final

import msgspec
import zstandard

from pratique.inventory.confine import confine, limit_cpu
from pratique.inventory.layer import read, read_layer
from pratique.inventory.secrets import search
from pratique.inventory.types import ExpectedLayer, LayerReport, Limits, NotAssessed, Reading

IDLE_SECONDS: Final = 60.0
FRAME_LIMIT: Final = 256 << 20
_LENGTH: Final = struct.Struct(">I")


class ReadRequest(msgspec.Struct, frozen=True):
    """Read the layer behind the descriptor that comes with this frame."""

    media_type: str
    limits: Limits
    expected: ExpectedLayer


def send_frame(connection: socket.socket, value: object, descriptors: tuple[int, ...] = ()) -> None:
    """Sends one frame; descriptors travel with its first byte."""
    payload = msgspec.msgpack.encode(value)
    head = _LENGTH.pack(len(payload))
    if descriptors:
        socket.send_fds(connection, [head], list(descriptors))
    else:
        connection.sendall(head)
    connection.sendall(payload)


def receive_exactly(connection: socket.socket, count: int) -> bytes:
    """`count` bytes; raises `EOFError` where the other side is gone before them."""
    data = bytearray()
    while len(data) < count:
        piece = connection.recv(min(count - len(data), 1 << 20))
        if not piece:
            raise EOFError
        data += piece
    return bytes(data)


def receive_frame(connection: socket.socket) -> bytes:
    """The payload of one frame; raises `EOFError` for none and for one that claims too much."""
    (length,) = _LENGTH.unpack(receive_exactly(connection, _LENGTH.size))
    if length > FRAME_LIMIT:
        raise EOFError
    return receive_exactly(connection, length)


def _receive_request(connection: socket.socket) -> tuple[ReadRequest, BinaryIO]:
    head, descriptors, _, _ = socket.recv_fds(connection, _LENGTH.size, 1)
    if not head or len(descriptors) != 1:
        raise EOFError
    head += receive_exactly(connection, _LENGTH.size - len(head))
    payload = receive_exactly(connection, _LENGTH.unpack(head)[0])
    return msgspec.msgpack.decode(payload, type=ReadRequest), os.fdopen(descriptors[0], "rb", buffering=0)


def answer(request: ReadRequest, stream: BinaryIO) -> Reading:
    """The report, or one that says that memory ran out."""
    limit_cpu(request.limits.seconds + 60)
    try:
        return read(stream, request.media_type, request.limits, request.expected)
    except MemoryError:
        problem = NotAssessed("layer", "reading it took more memory than allowed", "limit-memory", scope="layer")
        return Reading(LayerReport(digest=request.expected.digest, diff_id="", problems=(problem,)))


def _warm() -> None:
    """Takes every path once, so that nothing is left to import when files are out of reach."""
    for data in (gzip.compress(bytes(1024)), zstandard.compress(bytes(1024)), b"\x1f\x8bno", b"PK\x03\x04"):
        read_layer(io.BytesIO(data))
    search.secrets_in(b"", bytes(search.LARGEST))


def serve(connection: socket.socket) -> None:
    """Answers requests until the socket closes or nothing is asked for a minute."""
    connection.settimeout(IDLE_SECONDS)
    while True:
        request, stream = _receive_request(connection)
        connection.settimeout(None)
        with stream:
            send_frame(connection, answer(request, stream))
        connection.settimeout(IDLE_SECONDS)


def main() -> None:
    """Confines this process and serves."""
    memory_bytes = int(sys.argv[1])
    connection = socket.socket(fileno=os.dup(0))
    _warm()
    held = confine(memory_bytes)
    try:
        send_frame(connection, held)
        serve(connection)
    except (EOFError, OSError):
        return


if __name__ == "__main__":
    main()
