"""What can go wrong while foreign bytes are read; every one of them ends as a `NotAssessed`, none as a crash.

StopReading             the layer cannot be read further, and why
├── Ambiguous           two readers could take these bytes differently
├── Damaged             truncated, or not what its format says
└── LimitReached        a bound of `Limits`
"""

from typing import ClassVar

from pratique.core.errors import Invalid
from pratique.inventory.types import NotAssessed


class StopReading(Exception):  # noqa: N818 - a verdict on the bytes, caught by the reader that asked for them
    """The layer cannot be read further; `code` is what `NotAssessed.code` will say."""

    default_code: ClassVar[str] = "unreadable"

    def __init__(self, reason: str, code: str = "") -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code or self.default_code

    def problem(self, what: str = "layer") -> NotAssessed:
        """The same, as a value of a report."""
        return NotAssessed(what, self.reason, self.code, scope="layer")


class Ambiguous(StopReading):
    default_code = "tar-ambiguous"


class Damaged(StopReading):
    default_code = "damaged"


class LimitReached(StopReading):
    default_code = "limit"


class UnreadableImage(Invalid):
    """An image source (layout, archive, SBOM) that does not hold what its format asks for."""

    code = "unreadable-image"
