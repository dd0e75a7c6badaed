"""A loopback feed source with faults: what a mirror holds, and how it misbehaves."""

import gzip
import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Fault:
    """How the next answers for a path go wrong."""

    status: int = 0
    times: int = 1
    truncate: int = -1  # bytes after which the connection closes
    delay: float = 0.0
    etag: str = ""  # said whatever the content is
    always_304: bool = False
    weak: bool = False
    ignore_range: bool = False


@dataclass
class FeedServer:
    """Serves `contents[path]`; `asked` lists (path, headers) in order."""

    contents: dict[str, bytes] = field(default_factory=dict)
    packed: set[str] = field(default_factory=set)  # paths sent with Content-Encoding: gzip
    headers: dict[str, dict[str, str]] = field(default_factory=dict)
    faults: dict[str, Fault] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        handler = type("Handler", (_Handler,), {"feed": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients that leave are the point
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def put(self, url: str, content: bytes, *, packed: bool = False) -> None:
        """Make `https://HOST/PATH` answer with this content, as a mirror has it."""
        path = "/" + url.removeprefix("https://")
        self.contents[path] = content
        if packed:
            self.packed.add(path)

    def fail(self, url: str, fault: Fault) -> None:
        self.faults["/" + url.removeprefix("https://")] = fault

    def requests(self, part: str = "") -> list[tuple[str, dict[str, str]]]:
        return [item for item in self.asked if part in item[0]]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16  # header and body in one segment
    feed: FeedServer

    def do_GET(self) -> None:
        path = self.path
        self.feed.asked.append((path, {name.lower(): value for name, value in self.headers.items()}))
        fault = self.feed.faults.get(path, Fault(times=0))
        active = fault.times > 0
        fault.times -= 1
        if active and fault.delay:
            time.sleep(fault.delay)
        if active and fault.status:
            return self._send(fault.status, {"Retry-After": "1"}, b"injected")
        content = self.feed.contents.get(path)
        if content is None:
            return self._send(404, {}, b"absent")
        if path in self.feed.packed:
            content = gzip.compress(content, mtime=0)
        etag = fault.etag or f'"{hashlib.sha256(content).hexdigest()[:16]}"'
        headers = {"ETag": ("W/" if fault.weak else "") + etag, **self.feed.headers.get(path, {})}
        if path in self.feed.packed:
            headers["Content-Encoding"] = "gzip"
        if (active and fault.always_304) or self.headers.get("If-None-Match") == headers["ETag"]:
            return self._send(304, headers, b"")
        asked = self.headers.get("Range", "")
        if asked and not fault.ignore_range and self.headers.get("If-Range") == headers["ETag"]:
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
            return self._send(206, headers, content[start:])
        return self._send(200, headers, content, fault.truncate if active else -1)

    def _send(self, status: int, headers: dict[str, str], content: bytes, truncate: int = -1) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 304:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        try:
            self.wfile.write(content if truncate < 0 else content[:truncate])
            self.wfile.flush()
        except (BrokenPipeError, ConnectionResetError):
            pass
        if truncate >= 0:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        pass


Pause = Callable[[float], None]
