"""The answer of one check."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from pratique.core.settings import Settings


class State(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True)
class Result:
    """What was found, and what to do about it where something is missing."""

    state: State
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """One thing to look at."""

    name: str
    look: Callable[[Settings], Result]

    def run(self, settings: Settings) -> Result:
        """Look; a check that fails by itself is a warning, never the end of the others."""
        try:
            return self.look(settings)
        except Exception as error:  # noqa: BLE001  a diagnosis must come to its end on a broken machine
            return Result(State.WARN, f"could not be checked: {type(error).__name__}: {error}")


def ok(found: str) -> Result:
    return Result(State.OK, found)


def warn(found: str, remedy: str) -> Result:
    return Result(State.WARN, found, remedy)


def fail(found: str, remedy: str) -> Result:
    return Result(State.FAIL, found, remedy)
