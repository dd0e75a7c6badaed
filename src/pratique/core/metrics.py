"""Named metrics in Prometheus text: each is defined once, with unit and description, beside the code that counts."""

import bisect
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pratique.core.errors import Invalid

_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_MOST_SERIES = 2000


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


class _Metric:
    """Series by label values; a metric never grows beyond 2,000 series, the rest is counted under 'other'."""

    def __init__(self, description: MetricDescription, lock: threading.Lock) -> None:
        self.description = description
        self._lock = lock

    def _key(self, labels: dict[str, str], series: dict[tuple[str, ...], object]) -> tuple[str, ...]:
        key = tuple(labels[name] for name in self.description.labels)
        if len(labels) != len(key):
            raise Invalid(f"metric {self.description.name} has the labels {self.description.labels}")
        if key not in series and len(series) >= _MOST_SERIES:
            return ("other",) * len(key)
        return key


class Counter(_Metric):
    """A value that only grows."""

    def __init__(self, description: MetricDescription, lock: threading.Lock) -> None:
        super().__init__(description, lock)
        self._values: dict[tuple[str, ...], float] = {}

    def add(self, amount: float = 1, **labels: str) -> None:
        with self._lock:
            key = self._key(labels, self._values)  # type: ignore[arg-type]  # dict is invariant
            self._values[key] = self._values.get(key, 0) + amount

    def value(self, **labels: str) -> float:
        """Return the present value of one series."""
        return self._values.get(tuple(labels[name] for name in self.description.labels), 0)

    def lines(self) -> list[str]:
        with self._lock:
            values = sorted(self._values.items())
        if not values and not self.description.labels:
            values = [((), 0.0)]
        return [f"{_series(self.description, key)} {_number(value)}" for key, value in values]


class Gauge(Counter):
    """A value that goes up and down; `watch` reads it at the time of the scrape."""

    def __init__(self, description: MetricDescription, lock: threading.Lock) -> None:
        super().__init__(description, lock)
        self._watched: dict[tuple[str, ...], Callable[[], float]] = {}

    def set(self, value: float, **labels: str) -> None:
        with self._lock:
            self._values[self._key(labels, self._values)] = value  # type: ignore[arg-type]  # dict is invariant

    def watch(self, read: Callable[[], float], **labels: str) -> None:
        """Read the value by a call at each scrape."""
        with self._lock:
            self._watched[tuple(labels[name] for name in self.description.labels)] = read

    def lines(self) -> list[str]:
        for key, read in list(self._watched.items()):
            self._values[key] = read()
        return super().lines()


class Histogram(_Metric):
    """A distribution over fixed buckets."""

    def __init__(self, description: MetricDescription, lock: threading.Lock, buckets: Sequence[float]) -> None:
        super().__init__(description, lock)
        self._buckets = tuple(buckets)
        self._series: dict[tuple[str, ...], list[float]] = {}

    def observe(self, value: float, **labels: str) -> None:
        place = bisect.bisect_left(self._buckets, value)
        with self._lock:
            key = self._key(labels, self._series)  # type: ignore[arg-type]  # dict is invariant
            series = self._series.get(key)
            if series is None:
                series = self._series[key] = [0.0] * (len(self._buckets) + 2)
            series[place] += 1
            series[-1] += value

    def lines(self) -> list[str]:
        with self._lock:
            copies = sorted((key, list(series)) for key, series in self._series.items())
        return [line for key, series in copies for line in self._series_lines(key, series)]

    def _series_lines(self, key: tuple[str, ...], series: list[float]) -> list[str]:
        lines, total = [], 0.0
        for bound, count in zip((*self._buckets, float("inf")), series[:-1], strict=True):
            total += count
            limit = "+Inf" if bound == float("inf") else _number(bound)
            lines.append(f"{_series(self.description, key, '_bucket', limit)} {_number(total)}")
        lines.append(f"{_series(self.description, key, '_sum')} {_number(series[-1])}")
        lines.append(f"{_series(self.description, key, '_count')} {_number(total)}")
        return lines


M = TypeVar("M", Counter, Gauge, Histogram)


class Metrics:
    """A registry of metrics. `counter`, `gauge`, `histogram` define; `describe` lists; `render` gives the text."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._metrics: dict[str, Counter | Gauge | Histogram] = {}

    def counter(self, name: str, description: str, *, unit: str = "", labels: Sequence[str] = ()) -> Counter:
        """Define a value that only grows; its name ends in `_total`."""
        if not name.endswith("_total"):
            raise Invalid(f"the counter {name} must end in _total")
        return self._define(Counter(MetricDescription(name, "counter", unit, description, tuple(labels)), self._lock))

    def gauge(self, name: str, description: str, *, unit: str = "", labels: Sequence[str] = ()) -> Gauge:
        """Define a value that goes up and down."""
        return self._define(Gauge(MetricDescription(name, "gauge", unit, description, tuple(labels)), self._lock))

    def histogram(
        self,
        name: str,
        description: str,
        *,
        unit: str = "seconds",
        labels: Sequence[str] = (),
        buckets: Sequence[float] = _BUCKETS,
    ) -> Histogram:
        """Define a distribution over fixed buckets."""
        described = MetricDescription(name, "histogram", unit, description, tuple(labels))
        return self._define(Histogram(described, self._lock, buckets))

    def describe(self) -> list[MetricDescription]:
        """Return every defined metric, by name."""
        return [self._metrics[name].description for name in sorted(self._metrics)]

    def render(self) -> str:
        """Return Prometheus text format 0.0.4."""
        lines: list[str] = []
        for name in sorted(self._metrics):
            described = self._metrics[name].description
            lines.append(f"# HELP {name} {_escape(described.description)}")
            lines.append(f"# TYPE {name} {described.kind}")
            lines.extend(self._metrics[name].lines())
        return "\n".join(lines) + "\n"

    def _define(self, metric: M) -> M:
        name = metric.description.name
        if not name.startswith("pratique_") or name in self._metrics:
            raise Invalid(f"the metric {name} is defined already or lacks the prefix pratique_")
        self._metrics[name] = metric
        return metric


METRICS = Metrics()
"""The process' metrics: domains define theirs at import, beside the code that counts."""


def _series(described: MetricDescription, key: tuple[str, ...], suffix: str = "", limit: str = "") -> str:
    pairs = [f'{name}="{_escape(value, quote=True)}"' for name, value in zip(described.labels, key, strict=True)]
    if limit:
        pairs.append(f'le="{limit}"')
    return f"{described.name}{suffix}" + (f"{{{','.join(pairs)}}}" if pairs else "")


def _escape(text: str, *, quote: bool = False) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if quote else escaped


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(value)
