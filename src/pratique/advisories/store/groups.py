"""Alias groups: one id per vulnerability, whatever its records are called.

The id is made from the group's *canonical* name: its CVE where there is one, else its least name. So a vulnerability
with a single name needs no row, two installations mint the same id, and when a GHSA later learns its CVE the id made
from the GHSA redirects to the one made from the CVE. Two CVEs are two vulnerabilities: a record that names several
joins only itself to the least of them.
"""

import base64
import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path
from urllib.parse import quote

from pratique.advisories.types import VulnerabilityGroup

_SCHEMA = """
PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;
CREATE TABLE names (name TEXT PRIMARY KEY, canonical TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE ids (id TEXT PRIMARY KEY, name TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX members ON names (canonical);
"""


@lru_cache(maxsize=65_536)
def group_id(canonical: str) -> str:
    """The minted id of the group with this canonical name."""
    digest = hashlib.sha256(b"pratique alias group\x00" + canonical.encode()).digest()
    return "vg-" + base64.b32encode(digest[:8]).decode("ascii").rstrip("=").lower()


def is_cve(name: str) -> bool:
    return name.startswith("CVE-")


def alias_order(name: str) -> tuple[bool, str]:
    """Sorts CVEs first, then by name."""
    return (not is_cve(name), name)


def canonical_names(records: Iterable[tuple[str, tuple[str, ...]]]) -> dict[str, str]:
    """The canonical name of every name that is not its own; depends on the set of records, not on their order."""
    told: dict[str, str] = {}
    roots: dict[str, str] = {}
    for record, aliases in records:
        names = {record, *aliases}
        cves = sorted(filter(is_cve, names))
        if not cves:
            _join(roots, sorted(names))
            continue
        followers = names - set(cves) if len(cves) == 1 else {record} - set(cves)
        for name in followers:
            told[name] = min(told.get(name, cves[0]), cves[0])
    return _settle(told, roots)


def _settle(told: Mapping[str, str], roots: dict[str, str]) -> dict[str, str]:
    """Names without a CVE of their own follow what the others of their component were told."""
    best: dict[str, str] = {}
    for name in roots:
        root = _root(roots, name)
        if name in told:
            best[root] = min(best.get(root, told[name]), told[name])
    result = dict(told)
    for name in roots:
        root = _root(roots, name)
        canonical = told.get(name) or best.get(root, root)
        if canonical != name:
            result[name] = canonical
    return result


def _join(roots: dict[str, str], names: list[str]) -> None:
    first = _root(roots, names[0])
    for name in names[1:]:
        other = _root(roots, name)
        low, high = sorted((first, other))
        roots[high] = low
        first = low


def _root(roots: dict[str, str], name: str) -> str:
    path = []
    while roots.setdefault(name, name) != name:
        path.append(name)
        name = roots[name]
    for step in path:
        roots[step] = name
    return name


def write_groups(path: Path, canonical: Mapping[str, str], previous: Mapping[str, str]) -> None:
    """Write the file of one revision. Names that no record has any more keep their group, so old ids still redirect."""
    rows = {**{name: old for name, old in previous.items() if name not in canonical}, **canonical}
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.executescript(_SCHEMA)
        connection.executemany("INSERT INTO names VALUES (?, ?)", sorted(rows.items()))
        every = sorted({*rows, *rows.values()})
        connection.executemany("INSERT OR IGNORE INTO ids VALUES (?, ?)", [(group_id(name), name) for name in every])
        connection.commit()
    finally:
        connection.close()


class Groups:
    """The groups of one revision, in memory: only names that are not canonical take room."""

    def __init__(self, *paths: Path) -> None:
        """Read the files; where several know a name, the first one counts."""
        self.canonical: dict[str, str] = {}
        self._members: dict[str, list[str]] = {}
        self._names: dict[str, str] = {}
        for path in reversed(paths):
            self._read(path)
        for name, canonical in self.canonical.items():
            self._members.setdefault(canonical, []).append(name)

    def _read(self, path: Path) -> None:
        connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
        try:
            self.canonical.update(connection.execute("SELECT name, canonical FROM names"))
            self._names.update(connection.execute("SELECT id, name FROM ids"))
        finally:
            connection.close()

    def name_of(self, name: str) -> str:
        """The canonical name of any name."""
        return self.canonical.get(name, name)

    def group(self, name: str) -> VulnerabilityGroup | None:
        """The group of a name or of an id, redirects followed; None for an id that was never shared or minted here."""
        if name.startswith("vg-"):
            known = self._names.get(name)
            if known is None:
                return None
            name = known
        canonical = self.name_of(name)
        members = sorted({canonical, *self._members.get(canonical, ())}, key=alias_order)
        redirected = tuple(sorted(group_id(member) for member in members if member != canonical))
        return VulnerabilityGroup(group_id(canonical), tuple(members), redirected)

    def aliases(self, names: Iterable[str]) -> tuple[str, ...]:
        """All known names of the vulnerability that these names stand for, CVEs first."""
        found = set(names)
        if len(found) == 1 and not any(name in self.canonical or name in self._members for name in found):
            return tuple(found)
        for name in tuple(found):
            canonical = self.name_of(name)
            found.add(canonical)
            found.update(self._members.get(canonical, ()))
        return tuple(sorted(found, key=alias_order))

    def moved(self, other: "Groups") -> Iterator[str]:
        """Names whose group differs between two revisions."""
        for name in self.canonical.keys() | other.canonical.keys():
            if self.name_of(name) != other.name_of(name):
                yield name
