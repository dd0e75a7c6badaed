"""Readers of foreign bytes in child processes that have nothing to lose: see `ReaderPool`."""

import contextlib
import fcntl
import io
import os
import select
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import BinaryIO, Final, Self

import msgspec

from pratique.inventory.reader import IDLE_SECONDS, ReadRequest, receive_frame, send_frame
from pratique.inventory.types import ExpectedLayer, LayerReport, Limits, NotAssessed, Reading

PASSING: Final = frozenset(("reader-died", "reader-timeout", "reader-closed", "limit-memory"))
"""Codes of problems that say more about the moment than about the bytes: such a report is not worth keeping."""

_PIECE: Final = 1 << 20
_GRACE: Final = 30.0
_START_SECONDS: Final = 30.0


class _ChildLost(Exception):  # noqa: N818 - not an error of the caller: it ends as a `NotAssessed`
    """The child did not answer; `code` says how."""

    def __init__(self, reason: str, code: str) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class _Child:
    """One reader process and its socket; used by one thread at a time."""

    def __init__(self, memory_bytes: int) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-I", "-m", "pratique.inventory.reader", str(memory_bytes)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={},
                cwd="/",
                start_new_session=True,
            )
        self._socket = ours
        self.used_at = time.monotonic()
        self.capabilities: dict[str, str] = msgspec.msgpack.decode(self._answer(_START_SECONDS), type=dict[str, str])

    def fresh(self) -> bool:
        """Whether it may be given work: alive, and not about to leave for idleness."""
        return self.process.poll() is None and time.monotonic() - self.used_at < IDLE_SECONDS / 2

    def read(self, stream: BinaryIO, request: ReadRequest) -> Reading:
        """The report of one layer. Raises `_ChildLost`, and what `stream` raises."""
        seconds = request.limits.seconds + _GRACE
        descriptor = _own_descriptor(stream)
        if descriptor is None:
            self._read_through_pipe(stream, request, time.monotonic() + seconds)
        else:
            self._request(request, descriptor)
        reading = msgspec.msgpack.decode(self._answer(seconds), type=Reading)
        self.used_at = time.monotonic()
        return reading

    def _request(self, request: ReadRequest, descriptor: int) -> None:
        try:
            send_frame(self._socket, request, (descriptor,))
        except OSError as error:
            raise _ChildLost(f"the reader could not be asked: {error}", "reader-died") from None

    def _read_through_pipe(self, stream: BinaryIO, request: ReadRequest, deadline: float) -> None:
        readable, writable = os.pipe()
        try:
            with contextlib.suppress(OSError):
                fcntl.fcntl(writable, fcntl.F_SETPIPE_SZ, _PIECE)
            os.set_blocking(writable, False)
            try:
                self._request(request, readable)
            finally:
                os.close(readable)
            while (piece := stream.read(_PIECE)) and self._feed(writable, piece, deadline):
                pass
        finally:
            os.close(writable)

    def _feed(self, writable: int, piece: bytes, deadline: float) -> bool:
        """Whether the child took the whole piece; it may have heard enough before."""
        poll = select.poll()
        poll.register(writable, select.POLLOUT)
        poll.register(self._socket, select.POLLIN)
        rest = memoryview(piece)
        while rest:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _ChildLost("reading took too long", "reader-timeout")
            ready = dict(poll.poll(left * 1000))
            if self._socket.fileno() in ready:
                return False
            if writable in ready:
                try:
                    rest = rest[os.write(writable, rest) :]
                except BlockingIOError:
                    continue
                except BrokenPipeError:
                    return False
        return True

    def _answer(self, seconds: float) -> bytes:
        self._socket.settimeout(seconds)
        try:
            return receive_frame(self._socket)
        except TimeoutError:
            raise _ChildLost("reading took too long", "reader-timeout") from None
        except (EOFError, OSError):
            raise _ChildLost("the reader process ended in the middle of the layer", "reader-died") from None
        finally:
            self._socket.settimeout(None)

    def end(self) -> None:
        """Kills and reaps the process."""
        self.process.kill()
        self.process.wait()
        self._socket.close()


def _own_descriptor(stream: BinaryIO) -> int | None:
    """The descriptor of a plain file, set to where the stream stands, so that the child reads it without us between."""
    raw = stream.raw if isinstance(stream, io.BufferedReader) else stream
    if not isinstance(raw, io.FileIO):  # a buffer over something that is no file
        return None
    descriptor = raw.fileno()
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    os.lseek(descriptor, stream.tell(), os.SEEK_SET)
    return descriptor


class ReaderPool:
    """Reads layers in warm child processes without database, network or keys; thread-safe; a dead child harms nobody.

    Input goes to the child as a descriptor: that of a plain file, or of a pipe that the calling thread fills. A coded
    `LayerReport` comes back. A child that exceeds its time or memory is killed and the layer reported as not assessed.
    Children start when they are needed and leave after a minute without work.

    No value of a secret leaves a child. What it answers is a hash of each, out of which `fingerprint` makes a keyed
    fingerprint before anybody sees the report; without it fingerprints stay empty.
    """

    def __init__(
        self,
        size: int = 2,
        *,
        limits: Limits | None = None,
        memory_bytes: int = 1 << 30,
        fingerprint: Callable[[bytes], str] = lambda _digest: "",
    ) -> None:
        self._limits, self._memory, self._fingerprint = limits or Limits(), memory_bytes, fingerprint
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._busy: set[_Child] = set()
        self._closed = False

    def read(
        self,
        stream: BinaryIO,
        media_type: str = "",
        *,
        expected: ExpectedLayer | None = None,
        limits: Limits | None = None,
    ) -> LayerReport:
        """The report of one layer; waits for a free child. Raises only what `stream` itself raises."""
        request = ReadRequest(media_type, limits or self._limits, expected or ExpectedLayer())
        with self._slots:
            child = None
            try:
                child = self._take()
                reading = child.read(stream, request)
                report = reading.keyed(self._fingerprint)
            except _ChildLost as lost:
                self._drop(child)
                return _unread(request, lost.reason, "reader-closed" if self._closed else lost.code)
            except BaseException:
                self._drop(child)
                raise
            self._give_back(child, report)
            return report

    def capabilities(self) -> dict[str, str]:
        """What confinement held on this machine, by measure: `held`, or why not."""
        with self._slots:
            try:
                child = self._take()
            except _ChildLost as lost:
                return {"reader": lost.reason}
            self._give_back(child, None)
            return dict(child.capabilities)

    def _take(self) -> _Child:
        with self._lock:
            if self._closed:
                raise _ChildLost("the readers are closed", "reader-closed")
            stale = [child for child in self._idle if not child.fresh()]
            self._idle = [child for child in self._idle if child not in stale]
            child = self._idle.pop() if self._idle else None
        for old in stale:
            old.end()
        child = child or _Child(self._memory)
        with self._lock:
            self._busy.add(child)
        return child

    def _give_back(self, child: _Child, report: LayerReport | None) -> None:
        spent = report is not None and any(problem.code in PASSING for problem in report.problems)
        with self._lock:
            self._busy.discard(child)
            if not spent and not self._closed:
                self._idle.append(child)
                return
        child.end()

    def _drop(self, child: _Child | None) -> None:
        if child is not None:
            with self._lock:
                self._busy.discard(child)
            child.end()

    def close(self) -> None:
        """Ends every child; reads under way answer not assessed."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
            for child in self._busy:
                child.process.kill()
        for child in idle:
            child.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _unread(request: ReadRequest, reason: str, code: str) -> LayerReport:
    problem = NotAssessed("layer", reason, code, scope="layer")
    return LayerReport(digest=request.expected.digest, diff_id="", problems=(problem,))
