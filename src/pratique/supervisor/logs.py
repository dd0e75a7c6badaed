"""What children print goes through the supervisor into one rotated file for each."""

import os
import sys
from pathlib import Path

_CHUNK = 64 * 1024


class RotatedFile:
    """A log file of bounded size: NAME.log, NAME.log.1 … NAME.log.N. A full disk loses lines, never the process."""

    def __init__(self, path: Path, size: int, files: int) -> None:
        self._path, self._size, self._files = path, size, files
        self._descriptor = -1
        self._written = 0

    def write(self, data: bytes) -> None:
        try:
            if self._descriptor < 0 or self._written + len(data) > self._size:
                self._turn()
            os.write(self._descriptor, data)
            self._written += len(data)
        except OSError:
            return

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _turn(self) -> None:
        if self._descriptor >= 0:
            self.close()
            self._shift()
        self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._written = os.fstat(self._descriptor).st_size
        if self._written > self._size:
            self._turn()

    def _shift(self) -> None:
        for number in range(self._files - 1, 0, -1):
            older = self._path.with_name(f"{self._path.name}.{number}")
            if older.exists():
                older.replace(self._path.with_name(f"{self._path.name}.{number + 1}"))
        self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._path.with_name(f"{self._path.name}.{self._files}").unlink(missing_ok=True)


class LogPipe:
    """A pipe whose write end is the standard output and error of a child; the read end is pumped by the supervisor."""

    def __init__(self, name: str, file: RotatedFile, *, echo: bool) -> None:
        self._name, self._file, self._echo = name, file, echo
        self.read_end, self.write_end = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self.read_end, False)

    def pump(self) -> bool:
        """Move what is there into the file; False at the end of the pipe."""
        try:
            data = os.read(self.read_end, _CHUNK)
        except BlockingIOError:
            return True
        if not data:
            return False
        self._file.write(data)
        if self._echo:
            self._print(data)
        return True

    def drain(self) -> None:
        """Move everything that is left."""
        while True:
            try:
                data = os.read(self.read_end, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                return
            self._file.write(data)
            if self._echo:
                self._print(data)

    def _print(self, data: bytes) -> None:
        text = data.decode(errors="replace")
        sys.stderr.write("".join(f"{self._name}: {line}\n" for line in text.splitlines()))
        sys.stderr.flush()
