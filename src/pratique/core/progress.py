"""Progress through an abstract reporter: work says how far it is, the caller decides how that looks."""

from typing import Protocol


class Reporter(Protocol):
    """Receives progress; every method returns at once and never raises."""

    def start(self, title: str, total: int | None = None, unit: str = "") -> None: ...

    def advance(self, amount: int = 1, note: str = "") -> None: ...

    def finish(self, note: str = "") -> None: ...


class NullReporter:
    """Says nothing."""

    def start(self, title: str, total: int | None = None, unit: str = "") -> None:
        """Ignore the start."""

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Ignore the step."""

    def finish(self, note: str = "") -> None:
        """Ignore the end."""
