"""granian behind one class: TLS, HTTP/2 windows, certificate swap, graceful stop. Nothing else imports granian."""

from dataclasses import dataclass
from pathlib import Path

from pratique.core.http.plane import AsgiApp


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files; read again at each `reload`."""

    certificate: Path
    key: Path


class Server:
    """Serves one ASGI application on one address until `stop` or SIGTERM/SIGINT; SIGHUP swaps certificates."""

    def __init__(
        self, app: AsgiApp, *, address: str = "127.0.0.1", port: int = 8443, tls: TlsFiles | None = None,
        drain_seconds: float = 10.0,
    ) -> None:
        self._app = app

    @property
    def bound_port(self) -> int:
        """The port that is listened on (useful when 0 was asked for)."""
        raise NotImplementedError

    def bind(self) -> None:
        """Take the port or raise AddressTaken (with address and port in its detail); `run` binds if this was not called."""
        raise NotImplementedError

    def run(self) -> None:
        """Serve in this thread until stopped; returns after the drain."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ask for a graceful stop, from any thread."""
        raise NotImplementedError
