"""What every reader of a lock file answers: its packages, sorted, or that it could not be read."""

from collections.abc import Callable, Iterable
from typing import Final

from pratique.inventory.readers.python import normalised
from pratique.inventory.readers.text import plain
from pratique.inventory.readers.wanted import Parse, Wanted
from pratique.inventory.types import NotAssessed, Package, RecordFile

READER: Final = "lock"
Pairs = Iterable[tuple[object, object]]


class LockError(ValueError):
    """The file is not what its name says; the message says why."""


def wanted(name: str, ecosystem: str, pairs: Callable[[bytes], Pairs]) -> Wanted:
    """The wish for files of this name; `pairs` gives names and versions."""

    def parse(path: str, data: bytes) -> RecordFile:
        return record(path, ecosystem, pairs, data)

    chosen: Parse = parse
    pattern = r"(?:.*/)?" + name.replace(".", r"\.")
    return Wanted(READER, chosen, pattern, names=[name], ecosystem=ecosystem, weight="ecosystem")


def record(path: str, ecosystem: str, pairs: Callable[[bytes], Pairs], data: bytes) -> RecordFile:
    """The packages of a lock file; entries without a plain name and version are counted as a problem of the file."""
    try:
        found = list(pairs(data.removeprefix(b"\xef\xbb\xbf")))
    except (LockError, ValueError, LookupError, RecursionError, AttributeError, TypeError) as error:
        reason = str(error) if isinstance(error, LockError) else "it is not what its name says"
        problem = NotAssessed(path, reason, "lock-unreadable", scope="ecosystem", ecosystem=ecosystem)
        return RecordFile(READER, path, problem=problem)
    good = [(name, version) for name, version in found if _is_plain(name) and _is_plain(version)]
    packages = {_package(ecosystem, str(name), str(version), path) for name, version in good}
    left: NotAssessed | None = None
    if len(good) < len(found):
        reason = f"{len(found) - len(good)} of its entries name no exact version"
        left = NotAssessed(path, reason, "lock-entries", scope="package", ecosystem=ecosystem)
    return RecordFile(READER, path, tuple(sorted(packages)), problem=left)


def _is_plain(value: object) -> bool:
    return isinstance(value, str) and plain(value)


def _package(ecosystem: str, name: str, version: str, path: str) -> Package:
    shown = normalised(name) if ecosystem == "pypi" else name
    return Package(ecosystem, shown, version, "", shown, version, location=path)
