"""Layer reports kept as files, so that a second scan on this machine reads only what is new."""

import contextlib
import os
import re
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from pratique.inventory.types import INDEXER_VERSION, LayerReport
from pratique.scan.child import PASSING

_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_KEPT: Final = 2_000


class LayerFiles:
    """A folder of reports by digest and indexer version; a damaged or missing file is a layer to be read again.

    Only whole reports without a problem of the moment are kept. The oldest go when there are more than `_KEPT`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder / f"v{INDEXER_VERSION}"

    def get(self, digest: str) -> LayerReport | None:
        """The report of a layer that was read before."""
        path = self._path(digest)
        if path is None:
            return None
        try:
            data = path.read_bytes()
            report = msgspec.msgpack.decode(data, type=LayerReport)
        except (OSError, msgspec.DecodeError):
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return report if report.digest == digest else None

    def put(self, report: LayerReport) -> None:
        """Keeps a report; a folder that cannot be written costs speed, not the scan."""
        path = self._path(report.digest)
        if path is None or not report.complete or any(problem.code in PASSING for problem in report.problems):
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as out:
                out.write(msgspec.msgpack.encode(report))
            Path(out.name).replace(path)
            self._forget()

    def _path(self, digest: str) -> Path | None:
        return self._folder / f"{digest[7:]}.report" if _DIGEST.fullmatch(digest) else None

    def _forget(self) -> None:
        files = list(self._folder.glob("*.report"))
        if len(files) > _KEPT:
            for path in sorted(files, key=lambda one: one.stat().st_mtime)[: len(files) - _KEPT]:
                path.unlink(missing_ok=True)


class NoLayerFiles:
    """Keeps nothing."""

    def get(self, digest: str) -> LayerReport | None:
        """Nothing is known."""
        del digest
        return None

    def put(self, report: LayerReport) -> None:
        """Nothing is kept."""
