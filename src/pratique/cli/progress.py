"""Progress on the terminal: a bar where somebody looks, one line per step where nobody does."""

import sys
import time
from types import TracebackType
from typing import Any, Self


class TerminalReporter:
    """A `core.progress.Reporter` on standard error, so that standard output stays the answer.

    With `delay` nothing is shown of work that is over sooner: so many seconds, counted from the first step. As a
    context it leaves the terminal as it was, whatever happens.
    """

    def __init__(self, *, delay: float = 0.0) -> None:
        self._delay = delay
        self._appears: float | None = None
        self._progress: Any = None
        self._task: Any = None
        self._shown = False
        self._title, self._unit, self._done, self._total = "", "", 0, 0

    def start(self, title: str, total: int | None = None, unit: str = "") -> None:
        """Begin a step; an earlier one that was not finished ends here."""
        self._end()
        self._title, self._unit, self._done, self._total = title, unit, 0, total or 0
        if self._appears is None:
            self._appears = time.monotonic() + self._delay
        self._show()

    def advance(self, amount: int = 1, note: str = "") -> None:
        """Move on."""
        self._done += amount
        self._show()
        if self._progress is not None:
            text = "".join(character if character.isprintable() else "?" for character in note or self._title)
            self._progress.update(self._task, completed=self._done, description=text)

    def finish(self, note: str = "") -> None:
        """End the step."""
        self._end()
        if note:
            print(note, file=sys.stderr)

    def _show(self) -> None:
        """Draw the step, once its time has come."""
        if self._shown or self._appears is None or time.monotonic() < self._appears:
            return
        self._shown = True
        if not sys.stderr.isatty():
            print(f"{self._title} …", file=sys.stderr)
            return
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeRemainingColumn,
        )

        amount = DownloadColumn() if self._unit == "bytes" else MofNCompleteColumn()
        columns = (TextColumn("{task.description}"), BarColumn(), amount, TimeRemainingColumn())
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._progress.start()
        self._task = self._progress.add_task(self._title, total=self._total or None)

    def _end(self) -> None:
        self._shown = False
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
