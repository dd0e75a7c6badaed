"""The second place: a file that is only ever appended to, one JSON object per line."""

import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

MINIMUM_FREE = 256 << 20
"""Bytes of free space below which a warning is given, early enough to act."""


class Sink:
    """Appends whole lines, so that several processes can share the file; safe to use from any thread."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.failure = ""
        """Why the last append failed, '' if it did not."""
        self._lock = threading.Lock()
        self._descriptor = -1

    def append(self, rows: Iterable[Mapping[str, Any]], *, sync: bool = False) -> bool:
        """Append rows; returns whether that worked. A full disk here stops nothing: the database has the entries."""
        data = b"".join(_line(row) for row in rows)
        try:
            with self._lock:
                if self._descriptor < 0:
                    self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
                    self._descriptor = os.open(self.path, flags, 0o600)
                self._write(data)
                if sync:
                    os.fdatasync(self._descriptor)
        except OSError as error:
            self.failure = error.strerror or str(error)
            return False
        self.failure = ""
        return True

    def size(self) -> int:
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def lines(self, offset: int = 0) -> Iterator[dict[str, Any]]:
        """Yield what was appended, from a byte offset at the beginning of a line; broken lines as {'broken': …}."""
        try:
            file = self.path.open("rb")
        except FileNotFoundError:
            return
        with file:
            file.seek(offset)
            for line in file:
                try:
                    yield msgspec.json.decode(line, type=dict[str, Any])
                except (msgspec.DecodeError, UnicodeDecodeError):
                    yield {"broken": line[:80].decode(errors="replace")}

    def warnings(self) -> list[str]:
        """Return what an operator should know before it is too late."""
        found = [f"The audit file {self.path} cannot be written: {self.failure}."] if self.failure else []
        free = free_bytes(self.path.parent)
        if free is not None and free < MINIMUM_FREE:
            found.append(f"Only {free >> 20} MiB are free for the audit file {self.path}.")
        return found

    def close(self) -> None:
        with self._lock:
            if self._descriptor >= 0:
                os.close(self._descriptor)
                self._descriptor = -1

    def _write(self, data: bytes) -> None:
        written = os.write(self._descriptor, data)
        if written != len(data):  # the disk filled up: end the torn line, so that the next one can be read
            os.write(self._descriptor, b"\n")
            raise OSError(28, "No space left on device")


def free_bytes(folder: Path) -> int | None:
    """Return the bytes that an ordinary account can still write below `folder`, None if there is no such folder."""
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize


def _line(row: Mapping[str, Any]) -> bytes:
    plain = {key: value.hex() if isinstance(value, bytes) else value for key, value in row.items()}
    return msgspec.json.encode(plain) + b"\n"
