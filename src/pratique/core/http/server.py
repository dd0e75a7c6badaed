"""granian behind one class: TLS, HTTP/2 windows, certificate swap, graceful stop. Nothing else imports granian."""

import asyncio
import errno
import os
import signal
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server as Embedded

from pratique.core.errors import Invalid, Unavailable
from pratique.core.http.pipeline import Pipeline
from pratique.core.telemetry import flush_logs, logger

BACKLOG = 1024
CONNECTIONS = 4096
MIB = 1024 * 1024
_TO_SAVE = 5.0
_TO_CLOSE = 0.5
_FILE_THREADS = 16


class AddressTaken(Unavailable):
    """Another process listens on the address; its detail carries `address` and `port`."""

    code = "address-taken"


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the certificate chain and its key; read again at each `reload`."""

    certificate: Path
    key: Path


class Server:
    """Serves one pipeline on one address until `stop`, SIGTERM or SIGINT; SIGHUP or `reload` swaps certificates.

    - The port is taken once, exclusively, by `bind`; a swap of certificates never lets go of it.
    - `stop` ends event streams at once, lets other requests finish for `drain` seconds, then cancels them.
    - Requests run on the event loop of the thread that called `run`.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        *,
        host: str = "127.0.0.1",
        port: int = 8443,
        tls: TlsFiles | None = None,
        drain: float = 10.0,
        threads: int = 2,
        started: Callable[[], None] = lambda: None,
    ) -> None:
        self._pipeline = pipeline
        self._address = (host, port)
        self._tls = tls
        self._drain = drain
        self._threads = threads
        self._started = started
        self._socket: socket.socket | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop_asked: asyncio.Event | None = None
        self._engine: _Engine | None = None

    @property
    def port(self) -> int:
        """The port that is listened on (useful when 0 was asked for)."""
        if self._socket is None:
            self.bind()
        assert self._socket is not None  # noqa: S101  bind sets it or raises
        return int(self._socket.getsockname()[1])

    def bind(self) -> None:
        """Take the port or raise AddressTaken; `run` binds if this was not called."""
        host, port = self._address
        try:
            self._socket = _listen(host, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise AddressTaken(
                    f"port {port} on {host} is taken",
                    remedy="stop what listens there, or set `server.port`",
                    address=host,
                    port=port,
                ) from error
            raise Invalid(f"cannot listen on {host} port {port}: {error}", remedy="check `server.host`") from error

    def run(self) -> None:
        """Serve in this thread until stopped; returns after the drain."""
        if self._socket is None:
            self.bind()
        try:
            asyncio.run(self._serve())
        finally:
            if self._socket is not None:
                self._socket.close()
            self._pipeline.close()
            flush_logs()

    def stop(self) -> None:
        """Ask for a graceful stop, from any thread."""
        loop, event = self._loop, self._stop_asked
        if loop is not None and event is not None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(event.set)

    def reload(self) -> None:
        """Read the certificate files again, from any thread; files that do not fit together change nothing."""
        loop, engine = self._loop, self._engine
        if loop is not None and engine is not None:
            loop.call_soon_threadsafe(engine.swap_certificate)

    async def _serve(self) -> None:
        assert self._socket is not None  # noqa: S101  run has bound it
        self._loop, self._stop_asked = asyncio.get_running_loop(), asyncio.Event()
        self._engine = _Engine(self._pipeline, self._socket, self._tls, self._threads)
        self._take_signals()
        serving = asyncio.create_task(self._engine.serve())
        asked = asyncio.create_task(self._stop_asked.wait())
        self._loop.call_soon(self._started)
        await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not serving.done():
            await self._end(serving)
        if serving.done():
            serving.result()

    async def _end(self, serving: "asyncio.Task[None]") -> None:
        assert self._engine is not None  # noqa: S101  called after it was made
        self._pipeline.begin_stop()
        self._engine.interrupt()
        done, _ = await asyncio.wait({serving}, timeout=self._drain)
        if not done:
            logger("http").warning("requests cancelled at the end of the drain")
            await self._pipeline.abandon(_TO_SAVE)
            await asyncio.wait({serving}, timeout=_TO_CLOSE)
            # What is still connected now is closed with the process; granian's own task then ends twice.
            asyncio.get_running_loop().set_exception_handler(lambda *_: None)

    def _take_signals(self) -> None:
        loop = asyncio.get_running_loop()
        with suppress(ValueError, RuntimeError):  # in a test the server may run outside the main thread
            loop.add_signal_handler(signal.SIGTERM, self.stop)
            loop.add_signal_handler(signal.SIGINT, self.stop)
            loop.add_signal_handler(signal.SIGHUP, self.reload)


class _Engine(Embedded):
    """The embedded granian server on a socket of ours."""

    def __init__(self, pipeline: Pipeline, listening: socket.socket, tls: TlsFiles | None, threads: int) -> None:
        self._listening = listening
        self._tls = tls
        super().__init__(
            pipeline,
            interface=Interfaces.ASGINL,
            http=HTTPModes.auto,
            websockets=False,
            log_enabled=False,
            runtime_threads=threads,
            runtime_blocking_threads=_FILE_THREADS,
            backlog=BACKLOG,
            backpressure=CONNECTIONS,
            http1_settings=HTTP1Settings(header_read_timeout=30_000, max_buffer_size=MIB),
            http2_settings=_http2(),
            ssl_cert=tls.certificate if tls else None,
            ssl_key=tls.key if tls else None,
            ssl_protocol_min=SSLProtocols.tls12,
        )
        # Between two certificates both are served for this long; old connections then finish in peace.
        self.respawn_interval = 0.5

    def swap_certificate(self) -> None:
        """Begin to serve the files of now; keep the old certificate when they cannot be used."""
        if self._tls is None:
            return
        try:
            self.build_ssl_context(self._tls.certificate, self._tls.key, None, SSLProtocols.tls12, None, [], False)
        except (OSError, ValueError) as error:
            logger("http").error("the new certificate cannot be used, the old one stays", reason=str(error))
            return
        self.signal_handler_reload()  # type: ignore[no-untyped-call]  # granian's servers have no types

    def interrupt(self) -> None:
        """Stop listening, so that clients turn to another server at once, and end when requests have."""
        self._listening.close()
        self.signal_handler_interrupt()  # type: ignore[no-untyped-call]  # granian's servers have no types

    def _init_shared_socket(self) -> None:
        """Nothing: the socket is ours. Without SO_REUSEPORT a second server on the port fails instead of sharing it."""

    def _spawn_worker(self, *arguments: Any, **named: Any) -> Any:
        # Each worker closes the descriptor that it is given, so each gets one of its own; the listening queue lives on.
        holder: Any = SocketHolder
        self._shd = holder(os.dup(self._listening.fileno()), False, BACKLOG)
        return super()._spawn_worker(*arguments, **named)


def _http2() -> HTTP2Settings:
    # With the default frame of 16 KiB an upload costs four times the CPU.
    return HTTP2Settings(
        max_frame_size=MIB,
        initial_stream_window_size=8 * MIB,
        initial_connection_window_size=16 * MIB,
        max_concurrent_streams=250,
        max_headers_size=64 * 1024,
        max_send_buffer_size=MIB,
        keep_alive_interval=30_000,
        keep_alive_timeout=20,
    )


def _listen(host: str, port: int) -> socket.socket:
    family: Any = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            listening.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening
