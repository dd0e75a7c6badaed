"""Named metrics in Prometheus text: each is defined once, with unit and description, beside the code that counts."""

import bisect
import threading
from collections.abc import Callable, Container, Sequence
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


Key = tuple[str, ...]


class Series:
    """One value of a counter or gauge, for code that counts often: `add` costs no look-up."""

    __slots__ = ("_lock", "value")

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self.value = 0.0

    def add(self, amount: float = 1) -> None:
        with self._lock:
            self.value += amount


class Distribution:
    """One series of a histogram, for code that observes often."""

    __slots__ = ("_bounds", "_lock", "counts", "total")

    def __init__(self, lock: threading.Lock, bounds: tuple[float, ...]) -> None:
        self._lock = lock
        self._bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def observe(self, value: float) -> None:
        place = bisect.bisect_left(self._bounds, value)
        with self._lock:
            self.counts[place] += 1
            self.total += value


def _checked(description: MetricDescription, labels: dict[str, str], known: Container[Key], count: int) -> Key:
    """The key of a series; a metric never grows beyond 2,000 series, the rest is counted under 'other'."""
    if len(labels) != len(description.labels):
        raise Invalid(f"metric {description.name} has the labels {description.labels}")
    key = tuple(labels[name] for name in description.labels)
    return ("other",) * len(key) if count >= _MOST_SERIES and key not in known else key


class Counter:
    """A value that only grows."""

    def __init__(self, description: MetricDescription, lock: threading.Lock) -> None:
        self.description = description
        self._lock = lock
        self._series: dict[Key, Series] = {}

    def series(self, **labels: str) -> Series:
        """Return the series of these labels, made now if it is new."""
        key = _checked(self.description, labels, self._series, len(self._series))
        with self._lock:
            return self._series.setdefault(key, Series(self._lock))

    def add(self, amount: float = 1, **labels: str) -> None:
        self.series(**labels).add(amount)

    def value(self, **labels: str) -> float:
        """Return the present value of one series."""
        found = self._series.get(tuple(labels[name] for name in self.description.labels))
        return found.value if found else 0.0

    def lines(self) -> list[str]:
        if not self.description.labels:
            self.series()
        with self._lock:
            values = sorted((key, series.value) for key, series in self._series.items())
        return [f"{_series(self.description, key)} {_number(value)}" for key, value in values]


class Gauge(Counter):
    """A value that goes up and down; `watch` reads it at the time of the scrape."""

    def __init__(self, description: MetricDescription, lock: threading.Lock) -> None:
        super().__init__(description, lock)
        self._watched: list[tuple[Callable[[], float], dict[str, str]]] = []

    def set(self, value: float, **labels: str) -> None:
        self.series(**labels).value = value

    def watch(self, read: Callable[[], float], **labels: str) -> None:
        """Read the value by a call at each scrape."""
        self._watched.append((read, labels))

    def lines(self) -> list[str]:
        for read, labels in self._watched:
            self.set(read(), **labels)
        return super().lines()


class Histogram:
    """A distribution over fixed buckets."""

    def __init__(self, description: MetricDescription, lock: threading.Lock, buckets: Sequence[float]) -> None:
        self.description = description
        self._lock = lock
        self._buckets = tuple(buckets)
        self._series: dict[Key, Distribution] = {}

    def series(self, **labels: str) -> Distribution:
        """Return the series of these labels, made now if it is new."""
        key = _checked(self.description, labels, self._series, len(self._series))
        with self._lock:
            return self._series.setdefault(key, Distribution(self._lock, self._buckets))

    def observe(self, value: float, **labels: str) -> None:
        self.series(**labels).observe(value)

    def lines(self) -> list[str]:
        with self._lock:
            copies = sorted((key, list(each.counts), each.total) for key, each in self._series.items())
        return [line for key, counts, total in copies for line in self._series_lines(key, counts, total)]

    def _series_lines(self, key: Key, counts: Sequence[int], total: float) -> list[str]:
        lines, seen = [], 0
        for bound, count in zip((*self._buckets, float("inf")), counts, strict=True):
            seen += count
            limit = "+Inf" if bound == float("inf") else _number(bound)
            lines.append(f"{_series(self.description, key, '_bucket', limit)} {seen}")
        lines.append(f"{_series(self.description, key, '_sum')} {_number(total)}")
        lines.append(f"{_series(self.description, key, '_count')} {seen}")
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
