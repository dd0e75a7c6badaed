"""What readers want of a layer, chosen by path with three dictionary look-ups per entry."""

import re
from collections.abc import Callable, Iterable
from typing import Literal

from pratique.inventory.types import NotAssessed, RecordFile

Parse = Callable[[str, bytes], RecordFile]
Weight = Literal["database", "release", "ecosystem", "package", "fact"]
Scope = Literal["image", "layer", "ecosystem", "file", "package"]
_SCOPES: dict[Weight, Scope] = {
    "database": "image",
    "release": "image",
    "ecosystem": "ecosystem",
    "package": "package",
    "fact": "file",
}


class Wanted:
    """The paths that one parser wants: by file name, by directory, or by extension, and always by `pattern`.

    `weight` says what is lost with such a file: a `database` or the `release` leaves the image unassessed, others an
    `ecosystem` or one `package`; a `fact` changes no verdict. `parse` is None for files that have no reader yet.
    """

    __slots__ = ("directories", "ecosystem", "extensions", "names", "parse", "pattern", "reader", "weight")

    def __init__(
        self,
        reader: str,
        parse: Parse | None,
        pattern: str,
        *,
        names: Iterable[str] = (),
        directories: Iterable[str] = (),
        extensions: Iterable[str] = (),
        ecosystem: str = "",
        weight: Weight = "package",
    ) -> None:
        self.reader, self.parse, self.ecosystem, self.weight = reader, parse, ecosystem, weight
        self.pattern = re.compile(pattern.encode())
        self.names = tuple(name.encode() for name in names)
        self.directories = tuple(directory.encode() for directory in directories)
        self.extensions = tuple(extension.encode() for extension in extensions)

    def lost(self, path: str, reason: str, code: str) -> NotAssessed:
        """That the file at this path could not be looked at, with the scope that its weight asks for."""
        return NotAssessed(path, reason, code, scope=_SCOPES[self.weight], ecosystem=self.ecosystem)


class Index:
    """All readers' wishes as dictionaries; asking costs well under a microsecond for a path that nobody wants."""

    def __init__(self, wanted: Iterable[Wanted]) -> None:
        self._names: dict[bytes, list[Wanted]] = {}
        self._directories: dict[bytes, list[Wanted]] = {}
        self._extensions: dict[bytes, list[Wanted]] = {}
        for one in wanted:
            for table, keys in (
                (self._names, one.names),
                (self._directories, one.directories),
                (self._extensions, one.extensions),
            ):
                for key in keys:
                    table.setdefault(key, []).append(one)

    def match(self, path: bytes, directory: bytes, name: bytes) -> Wanted | None:
        """The reader that wants this path, which is `directory`/`name`."""
        names, directories = self._names.get(name), self._directories.get(directory)
        extensions = self._extensions.get(name.rpartition(b".")[2])
        if names is None and directories is None and extensions is None:
            return None
        for candidates in (names, directories, extensions):
            for one in candidates or ():
                if one.pattern.fullmatch(path):
                    return one
        return None
