"""Ruby gems: the specification that RubyGems keeps of each, `specifications/NAME-VERSION[-PLATFORM].gemspec`.

It is Ruby code and is not run. Its stub line (`# stub: NAME VERSION PLATFORM FOLDERS`), which RubyGems itself reads in
its place, says name and version; the plain assignments are the second source, and must not say otherwise.
"""

import re
from typing import Final

from pratique.inventory.readers.text import field, plain
from pratique.inventory.readers.wanted import Wanted
from pratique.inventory.types import NotAssessed, Package, RecordFile

_STUB: Final = re.compile(rb"^# stub: (\S+) (\S+) \S+ ", re.MULTILINE)
_ASSIGNED: Final = re.compile(
    rb"^[ \t]*\w+\.(name|version) = (?:Gem::Version\.new\(?)?[\"']([^\"'#\n]+)[\"']", re.MULTILINE
)


def parse_specification(path: str, data: bytes) -> RecordFile:
    """The one gem that a specification describes."""
    stub = _STUB.search(data)
    assigned = dict(_ASSIGNED.findall(data))
    name, version = (stub[1], stub[2]) if stub else (assigned.get(b"name", b""), assigned.get(b"version", b""))
    if stub and (assigned.get(b"name", name), assigned.get(b"version", version)) != (name, version):
        return _unread(path, "its stub line and its code name two different gems")
    shown, number = field(name), field(version)
    if not plain(shown) or not plain(number):
        return _unread(path, "it gives no name or no version")
    return RecordFile("gem", path, (Package("gem", shown, number, "", shown, number, location=path),))


def _unread(path: str, reason: str) -> RecordFile:
    return RecordFile("gem", path, problem=NotAssessed(path, reason, "gem-specification", "package", "gem"))


WANTED: Final = (
    Wanted(
        "gem",
        parse_specification,
        r"(?:.*/)?specifications/(?:default/)?[^/]+\.gemspec",
        extensions=["gemspec"],
        ecosystem="gem",
    ),
)
