"""What the supervisor knows of one child, and when it starts it again. No input or output here."""

from typing import Any

FIRST_DELAY = 0.2
LONGEST_DELAY = 30.0
SETTLED = 10.0
"""A child that lived this long starts again at once when it ends."""

REFUSED = 78
"""Exit code of a child that cannot work until a person has changed something (EX_CONFIG of sysexits.h)."""


class Child:
    """One child over all its lives.

    Invariants: `pid` is set exactly while it lives; a dead child has a time at which it is due, unless it is held
    back or was stopped; the wait doubles with each short life up to 30 s and is forgotten after a settled one.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.pid: int | None = None
        self.restarts = 0
        self.short_lives = 0
        self.last_exit: int | None = None
        self.stopping = False
        self._due: float | None = None
        self._since = 0.0
        self._asked = False

    @property
    def state(self) -> str:
        if self.pid is not None:
            return "running"
        return "starting" if self._asked else "waiting" if self._due is not None else "stopped"

    def want(self, now: float) -> None:
        """Have it started as soon as may be; a child that lives or waits already is left as it is."""
        if self.pid is None and self._due is None and not self._asked:
            self._due = now

    def hold(self) -> None:
        """Do not start it again."""
        self._due = None

    def due(self, now: float) -> bool:
        return self._due is not None and now >= self._due

    def wait(self, now: float) -> float | None:
        """Seconds until it is due; None if it is not waiting."""
        return None if self._due is None else max(0.0, self._due - now)

    def asked(self) -> None:
        """Its start was asked of the process that forks it."""
        self._due, self._asked = None, True

    def started(self, pid: int, now: float) -> None:
        self.pid, self._since = pid, now
        self._due, self._asked = None, False

    def exited(self, code: int, now: float, *, again: bool) -> None:
        """Note its end, and when it is due if it shall live `again`."""
        self.pid, self._asked, self.last_exit = None, False, code
        self.short_lives = 0 if now - self._since >= SETTLED else self.short_lives + 1
        if again:
            self.restarts += 1
            self._due = now + self._delay()

    def refused(self) -> bool:
        """Whether it said, three lives in a row, that it cannot work as things are."""
        return self.last_exit == REFUSED and self.short_lives >= 3

    def settled(self, now: float) -> bool:
        return self.pid is not None and now - self._since >= SETTLED

    def report(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "pid": self.pid,
            "state": self.state,
            "restarts": self.restarts,
            "last_exit": self.last_exit,
        }

    def _delay(self) -> float:
        if not self.short_lives:
            return 0.0
        return float(min(LONGEST_DELAY, FIRST_DELAY * 2 ** min(self.short_lives - 1, 20)))
