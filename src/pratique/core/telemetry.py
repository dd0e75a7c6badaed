"""Logs, metrics and traces: one structured line per event, named metrics with unit and description, spans by OTel's api."""

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MetricDescription:
    """What docs/reference/metrics says of one metric."""

    name: str
    kind: str
    """counter, gauge or histogram."""
    unit: str
    """seconds, bytes, requests …; '' for a plain count."""
    description: str
    labels: tuple[str, ...]


class Metrics:
    """A registry of metrics. `counter`, `gauge` and `histogram` define; `describe` lists; `render` gives Prometheus text."""

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def counter(self, name: str, description: str, *, unit: str = "", labels: Sequence[str] = ()) -> "Counter":
        """Define a value that only grows; its name ends in `_total`."""
        raise NotImplementedError

    def gauge(self, name: str, description: str, *, unit: str = "", labels: Sequence[str] = ()) -> "Gauge":
        """Define a value that goes up and down."""
        raise NotImplementedError

    def histogram(
        self, name: str, description: str, *, unit: str = "seconds", labels: Sequence[str] = (),
        buckets: Sequence[float] = (),
    ) -> "Histogram":
        """Define a distribution over fixed buckets."""
        raise NotImplementedError

    def describe(self) -> list[MetricDescription]:
        """Return every defined metric, by name."""
        raise NotImplementedError

    def render(self) -> str:
        """Return Prometheus text format 0.0.4."""
        raise NotImplementedError


class Counter:
    def add(self, amount: float = 1, **labels: str) -> None:
        raise NotImplementedError


class Gauge:
    def set(self, value: float, **labels: str) -> None:
        raise NotImplementedError

    def add(self, amount: float = 1, **labels: str) -> None:
        raise NotImplementedError


class Histogram:
    def observe(self, value: float, **labels: str) -> None:
        raise NotImplementedError


METRICS = Metrics()
"""The process' metrics: domains define theirs at import, beside the code that counts."""


def configure_logging(*, level: str = "info", secrets: Iterable[str] = ()) -> None:
    """Send structured JSON lines to standard output, redacted; call once per process."""
    raise NotImplementedError
