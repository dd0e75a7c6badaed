"""The release of the distribution: os-release(5), in etc or usr/lib, shell-like assignments."""

import re
import shlex
from typing import Final

from pratique.inventory.readers.text import field
from pratique.inventory.readers.wanted import Wanted
from pratique.inventory.types import Distro, NotAssessed, RecordFile

PATHS: Final = ("etc/os-release", "usr/lib/os-release")
"""In the order in which os-release(5) has them read."""

_LINE: Final = re.compile(rb"^([A-Z_][A-Z_0-9]*)=(.*)$", re.MULTILINE)
_KEPT: Final = frozenset(
    ("ID", "ID_LIKE", "VERSION_ID", "VERSION_CODENAME", "PRETTY_NAME", "NAME", "VARIANT_ID", "CPE_NAME")
)
_ID: Final = re.compile(r"[a-z0-9._-]{1,64}")


def parse_os_release(path: str, data: bytes) -> RecordFile:
    """The assignments that name the release; one key with two values is a problem, the last one holds."""
    values: dict[str, str] = {}
    problem = None
    for key, raw in _LINE.findall(data):
        name = key.decode()
        if name not in _KEPT:
            continue
        value = _unquoted(field(raw))
        if values.get(name, value) != value:
            problem = NotAssessed(path, f"{name} is given twice", "os-release-ambiguous", scope="image")
        values[name] = value
    return RecordFile("os-release", path, values=tuple(sorted(values.items())), problem=problem)


def _unquoted(text: str) -> str:
    try:
        return "".join(shlex.split(text)[:1])
    except ValueError:
        return text.strip("\"'")


def distro_of(record: RecordFile) -> Distro | None:
    """The distribution that an os-release file names; None where it names none."""
    values = dict(record.values)
    identity = values.get("ID", "").lower()
    if not _ID.fullmatch(identity):
        return None
    like = tuple(part for part in values.get("ID_LIKE", "").lower().split() if _ID.fullmatch(part))
    return Distro(
        identity,
        values.get("VERSION_ID", ""),
        values.get("VERSION_CODENAME", ""),
        values.get("PRETTY_NAME", "") or values.get("NAME", ""),
        like[:8],
    )


WANTED: Final = (
    Wanted("os-release", parse_os_release, r"(?:etc|usr/lib)/os-release", names=["os-release"], weight="release"),
)
