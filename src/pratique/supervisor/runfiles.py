"""Files by which the processes of one installation find each other: a lock with the supervisor's identity, a status."""

import fcntl
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


class RunFiles:
    """The folder `run` of a state directory. The lock is held by a living supervisor, and by nothing else."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.folder = directory / "run"
        self.logs = directory / "logs"
        self._lock = self.folder / "supervisor.lock"
        self._status = self.folder / "status.json"
        self.failure = self.folder / "failure"

    def create(self) -> None:
        """Make the folders, for their owner alone."""
        for folder in (self.directory, self.folder, self.logs):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def acquire(self, identity: dict[str, Any]) -> int | None:
        """Take the lock and write who holds it; None where a supervisor already runs. Keep the descriptor open."""
        descriptor = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(identity).encode(), 0)
        return descriptor

    def port(self) -> int | None:
        """Return the port at which the server runs, whatever the settings of this shell say; None where none runs."""
        return urlsplit(str((self.holder() or {}).get("address", ""))).port

    def holder(self) -> dict[str, Any] | None:
        """Return who holds the lock, or None where no supervisor runs, whatever files were left behind."""
        try:
            descriptor = os.open(self._lock, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return _read(os.pread(descriptor, 65536, 0))
        else:
            return None
        finally:
            os.close(descriptor)

    def write_status(self, status: dict[str, Any]) -> None:
        """Replace the status; a reader sees the old one or the new one."""
        fresh = self._status.with_suffix(".new")
        fresh.write_text(json.dumps(status))
        fresh.replace(self._status)

    def read_status(self) -> dict[str, Any]:
        """Return the last status that was written; empty if there is none."""
        try:
            return _read(self._status.read_bytes())
        except FileNotFoundError:
            return {}


def _read(text: bytes) -> dict[str, Any]:
    try:
        value = json.loads(text or b"{}")
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}
