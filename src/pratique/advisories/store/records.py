"""What the store keeps of a record: only what matching asks, with every bound as text and as sort key.

Records are coded as msgpack arrays. A row of the store holds all records of one package, so that a look-up is one read
and one decode, and a row can be put together from coded records without decoding them.
"""

from collections.abc import Iterable, Sequence

import msgspec

FORMAT = 1
"""Raised when the coding changes: files of another format are not read but fetched again."""


class Interval(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """Versions from `low` (included) up to `high`; an empty key leaves that side open."""

    low: str = ""
    low_key: bytes = b""
    high: str = ""
    high_key: bytes = b""
    closed: bool = False  # whether `high` itself is affected (OSV `last_affected`)

    def holds(self, key: bytes) -> bool:
        if key < self.low_key:
            return False
        if not self.high_key:
            return True
        return key < self.high_key or (self.closed and key == self.high_key)

    @property
    def text(self) -> str:
        parts = [f">= {self.low}"] if self.low_key else []
        if self.high_key:
            parts.append(f"{'<=' if self.closed else '<'} {self.high}")
        return ", ".join(parts) or "all versions"


class StoredRating(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A rating as its source gives it: a word, a vector, a score; what is not given is empty or negative."""

    source: str
    severity: str = ""
    vector: str = ""
    score: float = -1.0


class Advisory(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What one record says about one package in one release or ecosystem."""

    id: str
    intervals: tuple[Interval, ...] = ()
    status: str = ""  # as the feed says, and 'not-affected', 'undetermined', 'malware', 'update-pending'
    aliases: tuple[str, ...] = ()
    versions: tuple[bytes, ...] = ()  # sort keys of versions that the record lists one by one
    ratings: tuple[StoredRating, ...] = ()
    title: str = ""
    note: str = ""  # what to know beside the answer, in the feed's own words
    modified: str = ""  # as the record says, ISO 8601
    unusable: str = ""  # why the range cannot be used; matches of such a record are not assessed
    available: bool = True  # whether the fix can be had; False: named by the feed, not in the archive yet


class Score(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """What a score feed says about one vulnerability."""

    ratings: tuple[StoredRating, ...] = ()
    exploited: str = ""  # date added to the list of known exploited vulnerabilities, ISO
    ransomware: bool = False
    due: str = ""
    title: str = ""
    epss: float = -1.0
    percentile: float = -1.0


class Fact(msgspec.Struct, frozen=True, gc=False):
    """One coded row on its way into the store.

    `space` is a release or ecosystem ('debian:12', 'pypi') or a class of scores ('@scores'); `family` the part of it
    that change sets speak of ('debian'); `names` are the ids under which the record can be found.
    """

    space: str
    name: str
    id: str
    body: bytes
    names: tuple[str, ...] = ()


SCORES = "@scores"

_encoder = msgspec.msgpack.Encoder()
_advisories = msgspec.msgpack.Decoder(tuple[Advisory, ...])
_score = msgspec.msgpack.Decoder(Score)


def encode_advisory(advisory: Advisory) -> bytes:
    return _encoder.encode(advisory)


def encode_score(score: Score) -> bytes:
    return _encoder.encode(score)


def decode_advisories(body: bytes) -> tuple[Advisory, ...]:
    return _advisories.decode(body)


def decode_score(body: bytes) -> Score:
    return _score.decode(body)


def join_coded(items: Sequence[bytes]) -> bytes:
    """A coded array of already coded items (MessagePack array 32)."""
    return b"\xdd" + len(items).to_bytes(4, "big") + b"".join(items)


def split_coded(body: bytes) -> list[bytes]:
    """The coded items of a coded array."""
    return [bytes(item) for item in msgspec.msgpack.decode(body, type=list[msgspec.Raw])]


def family_of(space: str) -> str:
    """'debian' of 'debian:12', 'pypi' of 'pypi'."""
    return space.partition(":")[0]


def advisory_fact(space: str, name: str, advisory: Advisory) -> Fact:
    """The row part of one advisory, findable under its id and aliases."""
    return Fact(space, name, advisory.id, encode_advisory(advisory), (advisory.id, *advisory.aliases))


def score_facts(scores: Iterable[tuple[str, Score]]) -> Iterable[Fact]:
    for name, score in scores:
        yield Fact(SCORES, name, name, encode_score(score))
