"""Uploads over HTTP/2 with frames as large as the server offers, up to 512 KiB: what Go's clients send.

curl cannot stand in for them: its library always sends frames of 16 KiB. One connection, one request, no more.
"""

import socket
import ssl
from pathlib import Path
from urllib.parse import urlsplit

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
LARGEST = 512 * 1024
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS, ACK = 1, 4, 1
INITIAL_WINDOW, MAX_FRAME = 4, 5


def put_file(url: str, headers: dict[str, str], content: Path, ca: Path) -> int:
    """PUT a file and return the size of its frames; raises RuntimeError unless the answer says 201."""
    where = urlsplit(url)
    trust = ssl.create_default_context(cafile=str(ca))
    trust.set_alpn_protocols(["h2"])
    host, port = str(where.hostname), int(where.port or 443)
    with (
        socket.create_connection((host, port), timeout=60) as plain,
        trust.wrap_socket(plain, server_hostname=host) as link,
        content.open("rb") as file,
    ):
        upload = _Upload(link)
        upload.begin(f"{where.path}?{where.query}", where.netloc, {**headers, "content-length": _size(content)})
        while piece := file.read(upload.frame):
            upload.send(piece)
        upload.end()
        return upload.frame


class _Upload:
    """The sending half of one stream (RFC 9113), and as much of the other half as flow control needs."""

    def __init__(self, link: ssl.SSLSocket) -> None:
        self._link, self._buffer = link, b""
        self._window = {0: 65535, 1: 65535}
        self.frame = 16384
        self._answer = b""
        link.sendall(PREFACE + _frame(SETTINGS, 0, 0, b""))
        self._settled = False
        while not self._settled:
            self._read()

    def begin(self, path: str, authority: str, headers: dict[str, str]) -> None:
        fixed = {":method": "PUT", ":scheme": "https", ":path": path, ":authority": authority}
        block = b"".join(_literal(name, value) for name, value in {**fixed, **headers}.items())
        self._link.sendall(_frame(HEADERS, END_HEADERS, 1, block))

    def send(self, piece: bytes) -> None:
        while min(self._window.values()) < len(piece):
            self._read()
        for stream in self._window:
            self._window[stream] -= len(piece)
        self._link.sendall(_frame(DATA, 0, 1, piece))

    def end(self) -> None:
        self._link.sendall(_frame(DATA, END_STREAM, 1, b""))
        while not self._answer:
            self._read()
        # `:status 201` as a literal with the name's index, plain or in Huffman's code (RFC 7541, 6.2 and appendix B).
        if not any(known in self._answer[:8] for known in (b"\x03201", b"\x82\x10\x03")):
            raise RuntimeError(f"the upload was refused: {self._answer!r}")

    def _read(self) -> None:
        while len(self._buffer) < 9 or len(self._buffer) < 9 + int.from_bytes(self._buffer[:3], "big"):
            came = self._link.recv(65536)
            if not came:
                raise RuntimeError("the server closed the connection")
            self._buffer += came
        end = 9 + int.from_bytes(self._buffer[:3], "big")
        head, payload, self._buffer = self._buffer[:9], self._buffer[9:end], self._buffer[end:]
        self._take(head[3], head[4], int.from_bytes(head[5:9], "big"), payload)

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == SETTINGS and not flags & ACK:
            self._settle(
                {
                    int.from_bytes(payload[at : at + 2], "big"): payload[at + 2 : at + 6]
                    for at in range(0, len(payload), 6)
                }
            )
        elif kind == WINDOW_UPDATE and stream in self._window:
            self._window[stream] += int.from_bytes(payload, "big")
        elif kind == PING and not flags & ACK:
            self._link.sendall(_frame(PING, ACK, 0, payload))
        elif kind == HEADERS:
            self._answer = payload
        elif kind in {RESET, GOAWAY}:
            raise RuntimeError(f"the server ended the upload: {payload!r}")

    def _settle(self, settings: dict[int, bytes]) -> None:
        if INITIAL_WINDOW in settings:
            self._window[1] += int.from_bytes(settings[INITIAL_WINDOW], "big") - 65535
        if MAX_FRAME in settings:
            self.frame = min(LARGEST, int.from_bytes(settings[MAX_FRAME], "big"))
        self._link.sendall(_frame(SETTINGS, ACK, 0, b""))
        self._settled = True


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _literal(name: str, value: str) -> bytes:
    """A header field without indexing and without Huffman's code (RFC 7541, 6.2.2)."""
    return b"\0" + _text(name.encode()) + _text(value.encode())


def _text(text: bytes) -> bytes:
    length = len(text)
    if length < 127:
        return bytes([length]) + text
    rest, head = length - 127, b"\x7f"
    while rest >= 128:
        head += bytes([rest % 128 + 128])
        rest //= 128
    return head + bytes([rest]) + text


def _size(content: Path) -> str:
    return str(content.stat().st_size)
