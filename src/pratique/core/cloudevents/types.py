"""Values of the event log. The shape outside is CloudEvents 1.0 (cloudevents/spec), JSON format, structured mode."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

from pratique.core.clock import SECOND
from pratique.core.errors import Gone
from pratique.core.permissions import Extent

MEDIA_TYPE = "application/cloudevents+json"


@dataclass(frozen=True, slots=True)
class OutwardType:
    """One type of event that leaves the product, and the fields of its data; other fields of the event stay inside."""

    name: str
    """`pratique.{domain}.{noun}.{verb}.v1`"""
    sentence: str
    fields: Mapping[str, str]
    """Field to the sentence that documents it."""


@dataclass(frozen=True, slots=True)
class LoggedEvent:
    """An event with its place in the log."""

    position: int
    id: str
    type: str
    subject: str
    scope: str
    """Where the right to see it is asked for: `/registry/NAME`, or `/`."""
    at: int
    data: Mapping[str, Any]

    def as_json(self, source: str) -> dict[str, Any]:
        """Return the event as CloudEvents writes it; `sequence` sorts as text (extension "sequence")."""
        return {
            "specversion": "1.0",
            "id": self.id,
            "source": source,
            "type": self.type,
            "subject": self.subject,
            "time": instant(self.at),
            "datacontenttype": "application/json",
            "sequence": f"{self.position:020d}",
            "data": dict(self.data),
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """Which events somebody wants, and may see."""

    types: tuple[str, ...] = ()
    """Patterns with `*`; none takes every type."""
    subjects: tuple[str, ...] = ()
    scope: str = "/"
    """Only events at this scope and below."""
    extent: Extent | None = field(default=None)
    """Only events where the reader holds the right; None for the installation itself."""

    def takes(self, event: LoggedEvent) -> bool:
        """Whether the patterns fit; scope and extent are the database's to filter."""
        return _fits(event.type, self.types) and _fits(event.subject, self.subjects)


class PositionGone(Gone):
    """What stood at that position is no longer kept."""

    code = "event-position-gone"


def instant(micros: int) -> str:
    """Return an instant as RFC 3339 has it, in UTC."""
    return datetime.fromtimestamp(micros / SECOND, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def source_of(installation: str) -> str:
    """Return the `source` of every event of an installation."""
    return f"urn:pratique:{installation}"


def _fits(text: str, patterns: tuple[str, ...]) -> bool:
    return not patterns or any(fnmatchcase(text, pattern) for pattern in patterns)
