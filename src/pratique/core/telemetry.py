"""Logs, metrics and traces: one JSON line per event, named metrics with unit and description, spans by OTel's api."""

import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import msgspec
import structlog

from pratique.core.metrics import METRICS, Counter, Gauge, Histogram, MetricDescription, Metrics

__all__ = [
    "METRICS",
    "Counter",
    "Gauge",
    "Histogram",
    "MetricDescription",
    "Metrics",
    "access_log",
    "configure_logging",
    "error_log",
    "logger",
    "request_span",
    "span",
]

Redactor = Callable[[str], str]

_encoder = msgspec.json.Encoder()
_FLUSH_SECONDS = 0.25
_FLUSH_BYTES = 32 * 1024


class _Output:
    """Standard output in whole lines, written in batches, so that an access log line costs no system call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lines: list[bytes] = []
        self._size = 0
        self._timer: threading.Thread | None = None

    def line(self, value: Mapping[str, Any], *, now: bool) -> None:
        encoded = _encoder.encode(value)
        with self._lock:
            self._lines.append(encoded)
            self._size += len(encoded)
            if now or self._size >= _FLUSH_BYTES:
                self._write()
            elif self._timer is None:
                self._timer = threading.Thread(target=self._later, name="log-flush", daemon=True)
                self._timer.start()

    def _later(self) -> None:
        idle = 0
        while idle < 20:
            time.sleep(_FLUSH_SECONDS)
            with self._lock:
                idle = 0 if self._lines else idle + 1
                self._write()
                if idle == 20:
                    self._timer = None

    def flush(self) -> None:
        with self._lock:
            self._write()

    def _write(self) -> None:
        if self._lines:
            data = b"\n".join(self._lines) + b"\n"
            self._lines.clear()
            self._size = 0
            try:
                sys.stdout.buffer.write(data)
                sys.stdout.flush()
            except (OSError, ValueError):
                return  # nobody reads the log any more; the work goes on


_output = _Output()


def configure_logging(*, level: str = "info", redact: Redactor | None = None) -> None:
    """Send structured JSON lines to standard output, redacted; call once per process."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redaction(redact),
            _write_event,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.ReturnLoggerFactory(),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(handlers=[_StandardHandler()], level=logging.WARNING, force=True)


def logger(name: str) -> Any:
    """Return a structured logger: `logger("registry").info("manifest pushed", repository=…)`."""
    return structlog.get_logger(component=name)


def flush_logs() -> None:
    """Write what is still buffered; call before the process ends."""
    _output.flush()


def error_log(event: str, error: BaseException, **fields: Any) -> None:
    """Log an unexpected error with its trace."""
    structlog.get_logger().error(event, exc_info=error, **fields)


def access_log(  # noqa: PLR0917  one line of fixed fields, on the hot path
    scope: MutableMapping[str, Any], plane: str, status: int, seconds: float, received: int, sent: int
) -> None:
    """Log one request: no query string, no headers, so nothing secret can be in it."""
    caller = scope["pratique.caller"]
    client = scope.get("client")
    _output.line(
        {
            "event": "request",
            "level": "info",
            "timestamp": round(time.time(), 3),
            "plane": plane,
            "request_id": scope["pratique.request_id"],
            "method": scope["method"],
            "path": scope["raw_path"][:512].decode("latin-1"),
            "status": status,
            "ms": round(seconds * 1000, 2),
            "received": received,
            "sent": sent,
            "caller": caller.name,
            "client": client[0] if client else "",
        },
        now=False,
    )


def request_span(scope: MutableMapping[str, Any]) -> AbstractContextManager[None]:
    """Span around one request; costs nothing when no exporter is configured."""
    if not _tracing():
        return nullcontext()
    name = f"{scope['method']} {scope['raw_path'][:64].decode('latin-1')}"
    return span(name, {"request_id": scope["pratique.request_id"]})


@contextmanager
def span(name: str, attributes: Mapping[str, str | int | float | bool] | None = None) -> Iterator[None]:
    """Span around a piece of work, through OpenTelemetry's api; nothing without an exporter."""
    if not _tracing():
        yield
        return
    from opentelemetry import trace

    with trace.get_tracer("pratique").start_as_current_span(name, attributes=attributes):
        yield


def enable_tracing() -> None:
    """Make spans real; called by the composition root after it has set a tracer provider."""
    _state["tracing"] = True


_state = {"tracing": False}


def _tracing() -> bool:
    return _state["tracing"]


def _redaction(redact: Redactor | None) -> Callable[[Any, str, MutableMapping[str, Any]], MutableMapping[str, Any]]:
    def processor(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        if redact is not None:
            for key, value in event.items():
                event[key] = _redacted(redact, value)
        return event

    return processor


def _redacted(redact: Redactor, value: Any) -> Any:
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bool | int | float | None):
        return value
    if isinstance(value, Mapping):
        return {str(key): _redacted(redact, item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_redacted(redact, item) for item in value]
    return redact(str(value))


def _write_event(_: Any, __: str, event: MutableMapping[str, Any]) -> str:
    plain = {key: value if isinstance(value, _PLAIN) else str(value) for key, value in event.items()}
    _output.line(plain, now=True)
    return ""


_PLAIN = (str, int, float, bool, type(None), list, dict)


class _StandardHandler(logging.Handler):
    """Takes the warnings of libraries into the same stream."""

    def emit(self, record: logging.LogRecord) -> None:
        event = structlog.get_logger(component=record.name)
        event.log(max(record.levelno, logging.WARNING), record.getMessage(), exc_info=record.exc_info)
