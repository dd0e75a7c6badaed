"""Steps that can be listed before they are done, done, and undone."""

import os
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pratique.core.errors import PratiqueError

BEGIN, END = "# >>> pratique >>>", "# <<< pratique <<<"


class StepFailed(PratiqueError):  # noqa: N818  said as the tree of errors says it
    """A file could not be written or a command failed."""

    code = "trust-step-failed"


class Step(Protocol):
    """Something that is done to this machine. `root` says whether only root can do it."""

    @property
    def root(self) -> bool: ...

    def describe(self, *, undo: bool) -> str:
        """Say in one line what will be written or run; nothing if there is nothing to do in this direction."""

    def do(self) -> None: ...

    def undo(self) -> None: ...


@dataclass(frozen=True)
class WriteFile:
    """A file of our own; undone by removing it."""

    path: Path
    content: bytes
    root: bool = False
    own_folder: bool = False
    """Whether its folder was made for it, and goes with it when nothing else is there."""

    def describe(self, *, undo: bool) -> str:
        return f"{'remove' if undo else 'write'} {self.path}"

    def do(self) -> None:
        if self.root and os.geteuid() != 0:
            self._install_as_root()
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(self.content)
        self.path.chmod(0o644)

    def undo(self) -> None:
        if self.root and os.geteuid() != 0:
            _run_as_root(["rm", "-f", str(self.path)])
            if self.own_folder and self.path.parent.is_dir():
                _run_as_root(["rmdir", "--ignore-fail-on-non-empty", str(self.path.parent)])
            return
        self.path.unlink(missing_ok=True)
        if self.own_folder and self.path.parent.is_dir() and not any(self.path.parent.iterdir()):
            self.path.parent.rmdir()

    def _install_as_root(self) -> None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.content)
            file.flush()
            _run_as_root(["install", "-D", "-m", "644", file.name, str(self.path)])


@dataclass(frozen=True)
class EditFile:
    """A marked block in a file of the user's; everything else in it stays as it is."""

    path: Path
    block: str
    root: bool = False

    def describe(self, *, undo: bool) -> str:
        return f"{'remove our block from' if undo else 'add a marked block to'} {self.path}"

    def do(self) -> None:
        rest = self._rest()
        gap = "\n" if rest and not rest.endswith("\n") else ""
        self.path.write_text(f"{rest}{gap}{BEGIN}\n{self.block.rstrip()}\n{END}\n")

    def undo(self) -> None:
        if self.path.exists():
            rest = self._rest()
            if rest.strip():
                self.path.write_text(rest)
            else:
                self.path.unlink()

    def _rest(self) -> str:
        if not self.path.exists():
            return ""
        before, begin, after = self.path.read_text().partition(BEGIN + "\n")
        return before + after.partition(END + "\n")[2] if begin else before


@dataclass(frozen=True)
class Run:
    """A command, and the one that takes back what it did."""

    command: tuple[str, ...]
    back: tuple[str, ...]
    root: bool = False

    def describe(self, *, undo: bool) -> str:
        command = self.back if undo else self.command
        return "run " + " ".join(command) if command else ""

    def do(self) -> None:
        self._run(self.command)

    def undo(self) -> None:
        self._run(self.back)

    def _run(self, command: tuple[str, ...]) -> None:
        if not command:
            return
        if self.root and os.geteuid() != 0:
            _run_as_root(list(command))
        else:
            _run(list(command))


@dataclass(frozen=True)
class Plan:
    """What one client needs; `missing` says why nothing can be done, `notes` what a person should know."""

    steps: tuple[Step, ...] = ()
    notes: tuple[str, ...] = ()
    missing: str = ""

    @property
    def needs_sudo(self) -> bool:
        return os.geteuid() != 0 and any(step.root for step in self.steps)

    def do(self) -> None:
        for step in self.steps:
            _guarded(step.do)

    def undo(self) -> None:
        for step in reversed(self.steps):
            _guarded(step.undo)


def _guarded(action: Callable[[], None]) -> None:
    try:
        action()
    except OSError as error:
        raise StepFailed(
            f"{error.filename or 'a command'}: {error.strerror}", remedy="check owner and mode, then run it again"
        ) from error


def _run_as_root(command: list[str]) -> None:
    _run(["sudo", *command])


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise StepFailed(f"`{' '.join(command)}` failed: {done.stderr.strip()[-300:]}", remedy="run it by hand")
