"""Which files of a layer may hold a secret, and what is found in them.

A value leaves this module only as a digest: whoever holds the key of fingerprints makes a keyed fingerprint of it, and
nobody stores the digest itself (`scan.child`).
"""

import hashlib
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple

from pratique.inventory.secrets.rules import RULES, Rule

LARGEST: Final = 4 << 20
"""Bytes of the longest file that is searched."""
SMALLEST: Final = 16
START: Final = 512
"""Bytes in which a NUL tells that a file is no text."""
_PER_FILE: Final = 50
_TRIED: Final = 2_000
_PACKAGED: Final = re.compile(
    rb"(?:usr/)?(?:lib(?:32|64|x32|exec)?|share|include|src)/|usr/games/|usr/local/(?:lib|share|include|go)/|boot/|var/lib/"
    rb"|(?:.*/)?(?:node_modules|site-packages|dist-packages|testdata|vendor|gems)/"
)
_NEVER: Final = (
    b".gz", b".xz", b".bz2", b".zst", b".zip", b".jar", b".so", b".pyc", b".png", b".jpg", b".gif", b".mo", b".a",
)  # fmt: skip
_WORDS: Final = tuple(sorted({word for rule in RULES if not rule.names for word in rule.words}))
_BY_WORD: Final = {word: tuple(rule for rule in RULES if not rule.names and word in rule.words) for word in _WORDS}
_NAMED: Final = {name: tuple(rule for rule in RULES if name in rule.names) for rule in RULES for name in rule.names}


class Found(NamedTuple):
    """A secret: its kind, the line that it begins in, and the SHA-256 of kind and value."""

    kind: str
    line: int
    digest: bytes

    def __repr__(self) -> str:
        return f"Found({self.kind}, line {self.line})"


def is_wanted(name: bytes, size: int) -> bool:
    """Whether a file of this name and size is looked at at all; its first bytes decide then."""
    return SMALLEST <= size <= LARGEST and not name.endswith(_NEVER)


def is_packaged(path: bytes) -> bool:
    """Whether it lies where packages put their files: only kinds that nothing else looks like are sought there."""
    return _PACKAGED.match(path) is not None


def secrets_in(path: bytes, data: bytes) -> list[Found]:
    """What the file holds, by line; at most `_PER_FILE`, each value once."""
    name = path.rpartition(b"/")[2]
    rules = {rule.kind: rule for word in _words_in(data) for rule in _BY_WORD[word]}
    for rule in _NAMED.get(name, ()):
        if any(word in data for word in rule.words):
            rules[rule.kind] = rule
    if not rules:
        return []
    packaged = is_packaged(path)
    chosen = (rule for rule in rules.values() if rule.exact or not packaged)
    return sorted(_distinct(found for rule in chosen for found in _matches(rule, data)))[:_PER_FILE]


def secrets_in_text(text: bytes) -> list[Found]:
    """What a short text (a variable, a build step) holds; safe in any thread."""
    chosen = (rule for rule in RULES if not rule.names and any(word in text for word in rule.words))
    return sorted(_distinct(found for rule in chosen for found in _matches(rule, text)))


def _matches(rule: Rule, data: bytes) -> Iterator[Found]:
    for tried, match in enumerate(rule.pattern.finditer(data)):
        if tried >= _TRIED:
            return
        value = match[1]
        if rule.check(value):
            yield Found(rule.kind, data.count(b"\n", 0, match.start(1)) + 1, digest_of(rule.kind, value))


def _distinct(found: Iterator[Found]) -> list[Found]:
    first: dict[bytes, Found] = {}
    for one in found:
        first.setdefault(one.digest, one)
        if len(first) >= _PER_FILE:
            break
    return list(first.values())


def digest_of(kind: str, value: bytes) -> bytes:
    """What a fingerprint is made of: never stored as it is, since short values could be guessed from it."""
    return hashlib.sha256(b"pratique.secret.v1\0" + kind.encode() + b"\0" + value).digest()


def _words_in(data: bytes) -> list[bytes]:
    """Which words of any rule the file holds; one pass over it, whatever their number."""
    database = _database()
    if database is None:
        return [word for word in _WORDS if word in data]
    seen: list[bytes] = []
    database.scan(data, match_event_handler=lambda number, *_: seen.append(_WORDS[number]))
    return seen


@cache
def _database() -> Any:
    """The words, compiled in a few milliseconds; None where the package has no build for this machine."""
    try:
        import hyperscan
    except ImportError:
        return None
    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
    flags = [hyperscan.HS_FLAG_SINGLEMATCH] * len(_WORDS)
    database.compile(expressions=list(_WORDS), ids=list(range(len(_WORDS))), literal=True, flags=flags)
    return database
