"""Wake-ups between the processes of one machine. They may be lost: whoever listens also polls."""

import contextlib
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from pratique.core.ids import new_id

Listener = Callable[[str], None]
_LOG = logging.getLogger("pratique.database")
_DATAGRAM = 4096


class Hints:
    """Carries topics to listeners in this process, and through datagram sockets in `directory` to other processes."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._listeners: list[tuple[str, Listener]] = []
        self._lock = threading.Lock()
        self._inbox: socket.socket | None = None
        self._outbox: socket.socket | None = None
        self._name = ""
        self._descriptor = -1
        self._closed = False

    def listen(self, prefix: str, listener: Listener) -> Callable[[], None]:
        """Call `listener(topic)` for each topic that begins with `prefix`, on any thread; returns how to stop that."""
        entry = (prefix, listener)
        with self._lock:
            self._listeners = [*self._listeners, entry]
            if self._inbox is None and not self._closed:
                self._open_inbox()
        return lambda: self._forget(entry)

    def send(self, topics: Iterable[str]) -> None:
        """Deliver to listeners here at once, and to other processes if they are quick enough; never waits or raises."""
        chosen = list(topics)
        if chosen:
            self.deliver(chosen)
            self.transmit(chosen)

    def deliver(self, topics: Iterable[str]) -> None:
        """Call the listeners of this process."""
        for topic in topics:
            for prefix, listener in self._listeners:
                if topic.startswith(prefix):
                    try:
                        listener(topic)
                    except Exception:  # noqa: BLE001  a listener's fault is not the sender's
                        _LOG.exception("a listener for %s failed", prefix)

    def transmit(self, topics: list[str]) -> None:
        """Send to the other processes."""
        if self._directory is None or self._closed:
            return
        with self._lock:
            if self._outbox is None:
                self._open_outbox()
            outbox = self._outbox
            if outbox is None:
                return
            for name in self._neighbours():
                for datagram in _datagrams(topics):
                    self._send_to(outbox, name, datagram)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._listeners = []
            if self._inbox is not None:
                with contextlib.suppress(OSError):
                    os.unlink(self._name, dir_fd=self._descriptor)
                with contextlib.suppress(OSError):
                    self._inbox.shutdown(socket.SHUT_RDWR)
                self._inbox.close()
            if self._outbox is not None:
                self._outbox.close()
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _forget(self, entry: tuple[str, Listener]) -> None:
        with self._lock:
            self._listeners = [other for other in self._listeners if other is not entry]

    def _open_directory(self) -> bool:
        if self._directory is None:
            return False
        if self._descriptor < 0:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._descriptor = os.open(self._directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        return True

    def _open_inbox(self) -> None:
        if not self._open_directory():
            return
        self._name = new_id()
        self._inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._inbox.bind(self._address(self._name))
        threading.Thread(target=self._receive, args=(self._inbox,), name="hints", daemon=True).start()

    def _open_outbox(self) -> None:
        if self._open_directory():
            self._outbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._outbox.setblocking(False)

    def _address(self, name: str) -> str:
        # A socket's path holds 107 bytes and a state folder may be longer; through the open folder it is always short.
        return f"/proc/self/fd/{self._descriptor}/{name}"

    def _neighbours(self) -> list[str]:
        try:
            names = os.listdir(self._descriptor)  # noqa: PTH208  a descriptor, not a path
            return [name for name in names if name != self._name]
        except OSError:
            return []

    def _send_to(self, outbox: socket.socket, name: str, datagram: bytes) -> None:
        try:
            outbox.sendto(datagram, self._address(name))
        except ConnectionRefusedError:  # its process has ended
            with contextlib.suppress(OSError):
                os.unlink(name, dir_fd=self._descriptor)
        except OSError:  # full, or gone meanwhile: the listener polls
            return

    def _receive(self, inbox: socket.socket) -> None:
        while not self._closed:
            try:
                datagram = inbox.recv(_DATAGRAM)
            except OSError:
                return
            self.deliver([topic for topic in datagram.decode(errors="replace").split("\n") if topic])


def _datagrams(topics: list[str]) -> Iterable[bytes]:
    batch = b""
    for topic in topics:
        encoded = topic.encode()[: _DATAGRAM - 1] + b"\n"
        if len(batch) + len(encoded) > _DATAGRAM:
            yield batch
            batch = b""
        batch += encoded
    yield batch
