"""Style sheets, modules and images under names that hold their content, so that browsers may keep them for ever.

They are built by `scripts/build_console.py`. Where they are not built pages are plain HTML, and say and do the same.
"""

import gzip
import json
import mimetypes
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "static"
KEEP = "public, max-age=31536000, immutable"
_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class Asset:
    """One built file, held in memory: all of them together are smaller than one photograph."""

    data: bytes
    packed: bytes
    """The same in gzip. Assets hold no secret, so that a length tells nothing; pages take more care (`packing`)."""
    media_type: str


class Assets:
    """The built files by plain name (for templates) and by address (for answers)."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._names = _manifest(folder)
        self._files = {name: _read(folder / name) for name in self._names.values()}

    def address(self, plain: str) -> str:
        """Return the address of an asset, or '' if it was not built; templates then leave it out."""
        name = self._names.get(plain)
        return f"/static/{name}" if name else ""

    def file(self, name: str) -> Asset | None:
        return self._files.get(name)


def _manifest(folder: Path) -> Mapping[str, str]:
    try:
        loaded = json.loads((folder / "manifest.json").read_text())
    except FileNotFoundError:
        return {}
    return {str(plain): str(name) for plain, name in loaded.items()}


def _read(path: Path) -> Asset:
    kind = _TYPES.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
    data = path.read_bytes()
    return Asset(data, gzip.compress(data, 9, mtime=0), kind)
