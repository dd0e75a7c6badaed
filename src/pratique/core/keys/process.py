"""The key process: `python -m pratique.core.keys.process --state DIR`.

It holds every key of the installation, listens on one Unix socket per role, asks the kernel who is at the other end,
and answers questions of the table in `grants`. It writes no core, cannot be traced by its own account, keeps its
memory out of swap where it may, and ends on SIGTERM.
"""

import argparse
import contextlib
import ctypes
import json
import os
import resource
import selectors
import signal
import socket
import struct
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from pratique.core.clock import SystemClock
from pratique.core.errors import PratiqueError
from pratique.core.keys.client import reachable
from pratique.core.keys.operations import Operations
from pratique.core.keys.ring import SealedFile
from pratique.core.keys.types import Role
from pratique.core.keys.wire import FrameInvalid, frame, receive, request_of

_PR_SET_DUMPABLE = 4
_LOCK_CURRENT, _LOCK_FUTURE, _LOCK_ON_FAULT = 1, 2, 4
_CONNECTIONS = {Role.ADMIN: 8, Role.API: 64, Role.WORKER: 32}
_STACK = 512 * 1024
_REST_WITHIN = 5.0
_LOCK_WAIT = 5.0
_CREDENTIALS = struct.Struct("iII")


def harden() -> None:
    """Keep keys out of core files, debuggers and, where the system allows it, swap."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    library = ctypes.CDLL(None, use_errno=True)
    library.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    limit, _ = resource.getrlimit(resource.RLIMIT_MEMLOCK)
    if limit == resource.RLIM_INFINITY or os.geteuid() == 0:
        # On fault: only pages that are used are locked, so thread stacks do not count in full.
        locked = library.mlockall(_LOCK_CURRENT | _LOCK_FUTURE | _LOCK_ON_FAULT) == 0
    else:
        locked = False  # a small limit would make later allocations fail
    if not locked:
        _log("memory-not-locked", remedy="Allow RLIMIT_MEMLOCK=infinity, or encrypt swap.")


class KeyServer:
    """Listens for all roles until it is stopped; one thread for each connection, bounded per role."""

    def __init__(self, operations: Operations, folder: Path, *, accounts: Sequence[int] = ()) -> None:
        self._operations = operations
        self._folder = folder
        self._accounts = {os.geteuid(), 0, *accounts}
        self._slots = {role: threading.BoundedSemaphore(count) for role, count in _CONNECTIONS.items()}
        self._selector = selectors.DefaultSelector()
        self._wake, self._woken = socket.socketpair()
        self._wake.setblocking(False)
        self._selector.register(self._woken, selectors.EVENT_READ, None)
        for role in Role:
            self._selector.register(self._listener(role), selectors.EVENT_READ, role)

    def run(self) -> None:
        """Serve until `stop`; then take the sockets away."""
        running = True
        while running:
            for key, _ in self._selector.select():
                if key.data is None:
                    running = False
                elif isinstance(key.fileobj, socket.socket):
                    self._accept(key.fileobj, key.data)
        self._close()

    def stop(self) -> None:
        """Make `run` return; may be called from any thread."""
        with contextlib.suppress(OSError):
            self._wake.send(b"x")

    def stop_on(self, *signals: signal.Signals) -> None:
        """Make `run` return when one of these arrives, also in the instant before it begins to wait."""
        for number in signals:
            signal.signal(number, lambda *_: None)
        # Written to at the arrival itself: a handler in Python would first wait for the next event.
        signal.set_wakeup_fd(self._wake.fileno(), warn_on_full_buffer=False)

    def _listener(self, role: Role) -> socket.socket:
        path = self._folder / f"{role}.sock"
        path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listener.setblocking(False)
        before = os.umask(0o177)
        try:
            with reachable(path) as address:
                listener.bind(address)
        finally:
            os.umask(before)
        listener.listen(64)
        return listener

    def _accept(self, listener: socket.socket, role: Role) -> None:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        process, account, _ = _CREDENTIALS.unpack(
            connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        )
        if account not in self._accounts:
            _log("caller-refused", role=role, account=account, process=process)
            connection.close()
        elif not self._slots[role].acquire(blocking=False):
            _log("too-many-connections", role=role, process=process)
            connection.close()
        else:
            threading.Thread(target=self._serve, args=(connection, role, process), daemon=True).start()

    def _serve(self, connection: socket.socket, role: Role, process: int) -> None:
        try:
            with connection:
                connection.setblocking(True)
                while (body := receive(connection, rest_within=_REST_WITHIN)) is not None:
                    request = request_of(body)
                    reply = self._operations.perform(role, request)
                    if reply.error:
                        _log("refused", role=role, process=process, error=reply.error)
                    connection.sendall(frame(reply))
        except FrameInvalid:
            _log("frame-invalid", role=role, process=process)
        except OSError:
            pass  # the caller went away; there is nobody to tell
        finally:
            self._slots[role].release()

    def _close(self) -> None:
        for key in list(self._selector.get_map().values()):
            if isinstance(key.fileobj, socket.socket):
                key.fileobj.close()
        self._selector.close()
        if threading.current_thread() is threading.main_thread():
            signal.set_wakeup_fd(-1)
        self._wake.close()
        for role in Role:
            (self._folder / f"{role}.sock").unlink(missing_ok=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the keys of one state folder; returns the exit code."""
    parser = argparse.ArgumentParser(prog="pratique.core.keys.process", description="Holds the keys of Pratique.")
    parser.add_argument("--state", type=Path, required=True, help="state folder; keys live in its keys/ folder")
    parser.add_argument(
        "--unseal-file",
        type=Path,
        default=os.environ.get("PRATIQUE_KEYS__UNSEAL_FILE"),
        help="file with the unseal key, when it is not in keys/",
    )
    parser.add_argument("--account", type=int, action="append", default=[], help="user id that may also connect")
    options = parser.parse_args(arguments)
    folder: Path = options.state / "keys"
    harden()
    threading.stack_size(_STACK)
    try:
        file = SealedFile(folder, options.unseal_file, wait=_LOCK_WAIT)
        server = KeyServer(Operations(file, SystemClock()), folder, accounts=options.account)
    except PratiqueError as error:
        _log("cannot-start", error=error.code, message=error.message, remedy=error.remedy)
        return os.EX_CONFIG  # as things are it cannot work: to be told, not to be tried again
    server.stop_on(signal.SIGTERM, signal.SIGINT)
    _log("ready", folder=str(folder))
    server.run()
    return 0


def _log(event: str, **facts: object) -> None:
    print(json.dumps({"event": event, "part": "keys", **facts}, default=str), file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    sys.exit(main())
