"""What a Java archive is made of: `pom.properties` of what was built into it, else its manifest and file name.

`META-INF/maven/GROUP/ARTIFACT/pom.properties` names an artifact for certain; a shaded archive has several. An archive
without any is named by its manifest or file name, with low confidence. Archives inside are read in the same way, under
the path `outer.jar!inner.jar`; depth, number and bytes are bounded for the file as a whole.
"""

import re
from typing import Final

from pratique.inventory.readers.java.zip import BrokenArchive, Member, content, members
from pratique.inventory.readers.text import field, plain
from pratique.inventory.readers.wanted import Wanted
from pratique.inventory.types import NotAssessed, Package, RecordFile

_PROPERTIES: Final = re.compile(rb"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_INNER: Final = re.compile(rb".*\.[jwe]ar", re.IGNORECASE)
_LINE: Final = re.compile(rb"^[ \t]*(groupId|artifactId|version)[ \t]*[=:][ \t]*(.*?)[ \t]*\r?$", re.MULTILINE)
_MANIFEST: Final = re.compile(rb"^([A-Za-z-]+): ?(.*(?:\r?\n .*)*)", re.MULTILINE)
_FILE: Final = re.compile(r"(.+?)-([0-9][\w.+-]*)\.[jwe]ar", re.IGNORECASE)
_GROUP: Final = re.compile(r"[A-Za-z][\w-]*(?:\.[\w-]+)+")
_DEPTH: Final = 8
_SMALL: Final = 1 << 20
_BYTES: Final = 192 << 20
_ARCHIVES: Final = 5_000
_PACKAGES: Final = 50_000


class _Reading:
    """One file with all archives inside it, and what is left of its bounds."""

    def __init__(self) -> None:
        self.packages: list[Package] = []
        self.problem: NotAssessed | None = None
        self._bytes, self._archives = _BYTES, _ARCHIVES

    def archive(self, path: str, data: memoryview, depth: int) -> None:
        """Takes in one archive; one that is broken or too much is named, and what was read stays."""
        self._archives -= 1
        if depth > _DEPTH or self._archives < 0 or len(self.packages) > _PACKAGES:
            self._lost(path, "archives are nested deeper, or are more, than is read", "limit-nesting")
            return
        try:
            self._members(path, data, depth)
        except BrokenArchive as broken:
            self._lost(path, f"the archive cannot be read: {broken}", "jar-damaged")

    def _members(self, path: str, data: memoryview, depth: int) -> None:
        manifest = b""
        found = []
        for member in members(data):
            if _PROPERTIES.fullmatch(member.name):
                found += _of_properties(path, bytes(self._content(data, member, _SMALL)))
            elif member.name.upper() == b"META-INF/MANIFEST.MF":
                manifest = bytes(self._content(data, member, _SMALL))
            elif _INNER.fullmatch(member.name):
                inner = f"{path}!{field(member.name)}"
                self.archive(inner, self._content(data, member, self._bytes), depth + 1)
        self.packages += found or _guessed(path, manifest)

    def _content(self, data: memoryview, member: Member, most: int) -> memoryview:
        text = content(data, member, most)
        if member.packed != member.size or member.method:
            self._bytes -= len(text)
        if self._bytes < 0:
            raise BrokenArchive("its members are larger than is read")
        return text

    def _lost(self, path: str, reason: str, code: str) -> None:
        self.problem = self.problem or NotAssessed(path, reason, code, "package", "maven")


def parse_archive(path: str, data: bytes) -> RecordFile:
    """The artifacts of an archive and of all archives in it."""
    reading = _Reading()
    reading.archive(path, memoryview(data), 0)
    return RecordFile("java", path, tuple(sorted(set(reading.packages))), problem=reading.problem)


def _of_properties(path: str, text: bytes) -> list[Package]:
    values = {key: field(value) for key, value in _LINE.findall(text)}
    group, artifact, version = (values.get(key, "") for key in (b"groupId", b"artifactId", b"version"))
    if not all(map(plain, (group, artifact, version))):
        return []
    return [_package(f"{group}:{artifact}", version, path, low=False)]


def _guessed(path: str, manifest: bytes) -> list[Package]:
    """The artifact that manifest or file name suggest; none where they suggest no version."""
    head = re.split(rb"\r?\n\r?\n", manifest, maxsplit=1)[0]
    values = {key.lower(): field(re.sub(rb"\r?\n ", b"", value)) for key, value in _MANIFEST.findall(head)}
    match = _FILE.fullmatch(re.split(r"[/!]", path)[-1])
    version = values.get(b"implementation-version") or values.get(b"bundle-version") or (match[2] if match else "")
    title = values.get(b"implementation-title", "")
    name = match[1] if match else title if plain(title) else ""
    symbolic = values.get(b"bundle-symbolicname", "").partition(";")[0]
    groups = (values.get(b"implementation-vendor-id", ""), values.get(b"automatic-module-name", ""), symbolic)
    group = next((one for one in groups if _GROUP.fullmatch(one)), "")
    if match:
        version = match[2]
    if not plain(name) or not plain(version):
        return []
    group = group.removesuffix(f".{name}")
    return [_package(f"{group}:{name}" if group else name, version, path, low=True)]


def _package(name: str, version: str, path: str, *, low: bool) -> Package:
    return Package("maven", name, version, "", name, version, location=path, confidence="low" if low else "high")


WANTED: Final = (
    Wanted(
        "java",
        parse_archive,
        r".*\.(?:jar|war|ear)",
        extensions=["jar", "war", "ear"],
        ecosystem="maven",
        weight="ecosystem",
    ),
)
