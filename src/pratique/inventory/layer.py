"""One pass over one layer: decompress, walk, hash, and hand the wanted files to their readers.

What stops the walk (`errors.StopReading`) becomes a problem of scope `layer`; the rest of the stream is still hashed,
so that the report carries the digests by which it is kept. Paths are compared as bytes, without leading `/` or `./`.

Refused as a whole (a problem of scope `layer`), because engines differ in what they make of it: `..` in a path or a
hard link, a file and then its whiteout in one layer, a record written twice with two contents, and deletions spelt as
overlayfs does (a 0:0 character device, an opaque attribute).
"""

import re
from typing import BinaryIO, Final

from pratique.inventory import tar
from pratique.inventory.collector import Collector
from pratique.inventory.errors import StopReading
from pratique.inventory.readers.text import path_text
from pratique.inventory.streams import Stored, Tape
from pratique.inventory.types import ExpectedLayer, LayerReport, Limits, NotAssessed, Reading

_UNCLEAN: Final = re.compile(rb"(?:^|/)\.{0,2}(?:/|$)")


def read_layer(
    stream: BinaryIO,
    media_type: str = "",
    *,
    limits: Limits | None = None,
    expected: ExpectedLayer | None = None,
) -> LayerReport:
    """One pass over a layer: both digests and everything readers want. Never raises for what the bytes hold.

    The compression is told by magic, not by `media_type`, which only serves to name encrypted layers. Errors of the
    stream itself (a disk, a socket) are the caller's and are raised.
    """
    return read(stream, media_type, limits or Limits(), expected or ExpectedLayer()).report


def read(stream: BinaryIO, media_type: str, limits: Limits, expected: ExpectedLayer) -> Reading:
    """The same, with hashes of the secrets: for the reader child alone, whose caller makes fingerprints of them."""
    one = _Pass(stream, media_type, limits, expected)
    return Reading(one.report(), one.digests())


class _Pass:
    """The state of one pass; `report` runs it once."""

    def __init__(self, stream: BinaryIO, media_type: str, limits: Limits, expected: ExpectedLayer) -> None:
        self._media_type, self._limits, self._expected = media_type, limits, expected
        self._stored = Stored(stream, limits)
        self._tape = Tape(self._stored, limits)
        self._collector = Collector(limits)
        self._walk: tar.TarWalk | None = None

    def report(self) -> LayerReport:
        digest = diff_id = ""
        try:
            whole = self._unpack()
            digest = self._stored.finish()
            diff_id = self._tape.diff_id if whole else ""
        except StopReading as stop:
            self._collector.refuse(stop.problem())
        self._compare(digest, diff_id)
        return LayerReport(
            digest=digest,
            diff_id=diff_id,
            compression=self._tape.compression,
            size=self._stored.size,
            diff_size=self._tape.size,
            entries=self._walk.entries if self._walk else 0,
            **self._collector.result(),
        )

    def digests(self) -> tuple[bytes, ...]:
        return self._collector.digests()

    def _unpack(self) -> bool:
        """Whether the stream could be unpacked to its end; what is in it is with the collector."""
        if self._media_type.endswith("+encrypted"):
            self._collector.refuse(NotAssessed("layer", "the layer is encrypted", "encrypted", scope="layer"))
            return False
        chunks = self._tape.chunks()
        self._walk = tar.TarWalk(chunks, self._limits)
        try:
            self._collect(self._walk)
        except StopReading as stop:
            self._collector.refuse(stop.problem())
        try:
            for _ in chunks:
                pass
        except StopReading as stop:
            self._collector.refuse(stop.problem())
        return self._tape.ended

    def _collect(self, walk: tar.TarWalk) -> None:
        collector = self._collector
        for entry in walk:
            path = entry.name
            if path.startswith(b"./"):
                path = path[2:]
            if path.endswith(b"/"):
                path = path[:-1]
            if _UNCLEAN.search(path):
                path = self._cleaned(path)
            if entry.kind == tar.HARD_LINK:
                entry.link = self._cleaned(entry.link)
            if path:  # else the root itself
                collector.take(path, entry, walk)

    def _cleaned(self, path: bytes) -> bytes:
        """The path without empty, `.` and `..` parts, as an engine confined to the root would take it."""
        parts: list[bytes] = []
        for part in path.split(b"/"):
            if part == b"..":
                self._collector.refuse(
                    NotAssessed(
                        path_text(path),
                        "a path leads upwards, which engines treat differently",
                        "path-outside",
                        "layer",
                    )
                )
                del parts[-1:]
            elif part not in (b"", b"."):
                parts.append(part)
        return b"/".join(parts)

    def _compare(self, digest: str, diff_id: str) -> None:
        expected = self._expected
        for what, stated, found in (("digest", expected.digest, digest), ("diffID", expected.diff_id, diff_id)):
            if stated and found and stated != found:
                reason = f"its {what} is {found}, the image says {stated}"
                self._collector.refuse(NotAssessed("layer", reason, "wrong-digest", scope="layer"))
        if expected.size >= 0 and digest and expected.size != self._stored.size:
            reason = f"it has {self._stored.size} bytes, the image says {expected.size}"
            self._collector.refuse(NotAssessed("layer", reason, "wrong-size", scope="layer"))
