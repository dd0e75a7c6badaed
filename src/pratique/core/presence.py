"""Who of this installation runs on this machine: one locked file per process, let go of by the kernel at its end."""

import fcntl
import os
from pathlib import Path


class Presence:
    """Locks in a folder. A lock is held exactly while the process that took it lives, however it ends."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[int] = []

    def announce(self, name: str) -> None:
        """Say that a `name` runs, for as long as this process lives; several may."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self._path(name), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        self._held.append(descriptor)

    def is_here(self, name: str) -> bool:
        """Whether at least one `name` runs on this machine."""
        try:
            descriptor = os.open(self._path(name), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(descriptor)
        return False

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.present"
