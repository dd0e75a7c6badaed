"""A progress bar on the terminal for work that takes longer than two seconds; nothing where nobody watches."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

DELAY_SECONDS: Final = 2.0


class BarReporter:
    """A `core.progress.Reporter` that draws on standard error once work has lasted two seconds. Use as a context."""

    def __init__(self, *, delay: float = DELAY_SECONDS) -> None:
        self._watched = sys.stderr.isatty()
        self._appears = time.monotonic() + delay
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._title, self._done, self._total = "", 0, 0

    def start(self, title: str, total: int | None = None, unit: str = "") -> None:
        """A new piece of work; the bar of the last one gives way to it."""
        del unit
        self._title, self._total, self._done = title, total or 0, 0
        if self._bar is not None and self._task is not None:
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(title, total=total, note="")

    def advance(self, amount: int = 1, note: str = "") -> None:
        """So much more is done."""
        self._done += amount
        if self._bar is None and self._watched and time.monotonic() >= self._appears:
            self._draw()
        if self._bar is not None and self._task is not None:
            shown = "".join(character if character.isprintable() else "?" for character in note)
            self._bar.update(self._task, completed=self._done, note=shown)

    def finish(self, note: str = "") -> None:
        """The work is done."""
        del note
        self._end()

    def _draw(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[note]}"),
            TimeElapsedColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._bar.start()
        self._task = self._bar.add_task(self._title, total=self._total or None, note="")

    def _end(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = self._task = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()
