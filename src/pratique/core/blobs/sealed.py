"""Segments encrypted at rest: framed AES-256-GCM under a key of their own, wrapped by a key of the installation.

A sealed segment is frames of 64 KiB of plaintext, each followed by its tag, so that any range costs the frames it
touches. Frame `i` has the nonce `i | last`: frames that are swapped, repeated, left out or appended do not open, nor
does a segment that ends early. The data key is random for each segment; what wraps it is bound to installation and
storage key, so that neither a segment put in the place of another nor a wrapped key moved to another row opens.
The wrapped key stands in the row that names the segment (`SegmentSpan.seal`): a new installation key re-wraps rows and
touches no segment, and whoever has the storage without the records has noise.
"""

import base64
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pratique.core.blobs.types import BlobStore, SegmentMissing, SegmentSpan, SegmentWriter
from pratique.core.errors import Corrupt
from pratique.core.sealed import associated_data

FRAME: Final = 64 * 1024
VERSION: Final = 1
_TAG: Final = 16
_SEALED: Final = FRAME + _TAG
_NONCE: Final = 12
_BATCH: Final = 16
"""Frames that are handled at once: 1 MiB."""
_PURPOSE: Final = "blobs"


class SegmentBroken(Corrupt):
    """A sealed segment, or the key beside its name, is not what was written."""

    code = "segment-broken"


class BlobKeys(Protocol):
    """What wraps data keys (`keys.types.KeyClient` is one)."""

    def installation(self) -> str: ...

    def data_key(self, name: str, key_id: str = "") -> tuple[str, bytes]:
        """Return id and bytes of a wrapping key: the active one, or the one with this id."""


class Wrapping:
    """Wraps data keys and opens them; asks for each installation key once."""

    def __init__(self, keys: BlobKeys) -> None:
        self._keys = keys
        self._lock = threading.Lock()
        self._known: dict[str, AESGCM] = {}
        self._installation = ""

    def active(self) -> str:
        """Return the id of the key that wraps from now on; asks the key process."""
        return self._learn("")

    def wrap(self, storage_key: str, data_key: bytes, key_id: str = "") -> str:
        """Return the seal of a segment: the id of the wrapping key and the wrapped data key."""
        chosen = key_id or self.active()
        nonce = os.urandom(_NONCE)
        wrapped = nonce + self._key(chosen).encrypt(nonce, data_key, self._bound(storage_key))
        return f"{chosen}.{base64.urlsafe_b64encode(wrapped).decode()}"

    def unwrap(self, storage_key: str, seal: str) -> bytes:
        """Return the data key; raises SegmentBroken when the seal is not this segment's."""
        key_id, _, text = seal.rpartition(".")
        try:
            wrapped = base64.urlsafe_b64decode(text)
            return self._key(key_id).decrypt(wrapped[:_NONCE], wrapped[_NONCE:], self._bound(storage_key))
        except (InvalidTag, ValueError):
            raise _broken(storage_key) from None

    def rewrap(self, span: SegmentSpan, key_id: str) -> SegmentSpan:
        """Return the same segment with its data key wrapped by another installation key."""
        seal = self.wrap(span.key, self.unwrap(span.key, span.seal), key_id)
        return SegmentSpan(span.key, span.size, span.version, seal)

    def _key(self, key_id: str) -> AESGCM:
        known = self._known.get(key_id)
        if known is None:
            self._learn(key_id)
            known = self._known[key_id]
        return known

    def _learn(self, key_id: str) -> str:
        found, material = self._keys.data_key(_PURPOSE, key_id)
        with self._lock:
            self._known.setdefault(found, AESGCM(material))
        return found

    def _bound(self, storage_key: str) -> bytes:
        if not self._installation:
            self._installation = self._keys.installation()
        return associated_data(("pratique segment 1", self._installation, storage_key))


class SealedBlobStore:
    """A store whose new segments are encrypted if `writes` is set; it reads what is encrypted and what is not."""

    def __init__(self, inner: BlobStore, keys: BlobKeys, *, writes: bool) -> None:
        self._inner = inner
        self.wrapping = Wrapping(keys)
        self.writes = writes
        self.segment_limit = inner.segment_limit

    def create(self) -> SegmentWriter:
        return self.create_sealed() if self.writes else self._inner.create()

    def create_sealed(self) -> "SealedWriter":
        """Begin an encrypted segment, whatever `writes` says."""
        return SealedWriter(self._inner.create(), self.wrapping)

    def read(self, key: str, offset: int = 0, length: int | None = None) -> Iterator[bytes]:
        """Yield what is stored, as it is stored."""
        return self._inner.read(key, offset, length)

    def read_span(self, span: SegmentSpan, offset: int, length: int) -> Iterator[bytes]:
        """Yield plain bytes; raises SegmentBroken before a byte of a frame that does not open."""
        if span.version == 0:
            return self._inner.read(span.key, offset, length)
        if span.version != VERSION:
            raise _broken(span.key)
        opener = _Opener(span, AESGCM(self.wrapping.unwrap(span.key, span.seal)))
        return opener.read(self._inner, offset, offset + length)

    def path(self, key: str) -> Path | None:
        return self._inner.path(key)

    def size(self, key: str) -> int:
        return self._inner.size(key)

    def delete(self, key: str) -> None:
        self._inner.delete(key)

    def keys(self, after: str = "", limit: int = 1000) -> list[str]:
        return self._inner.keys(after, limit)

    def __repr__(self) -> str:
        return f"SealedBlobStore({self._inner!r})"


class SealedWriter:
    """Encrypts frame by frame on the way to a segment; the last frame is known, and written, at `commit`."""

    def __init__(self, inner: SegmentWriter, wrapping: Wrapping) -> None:
        self._inner = inner
        data_key = AESGCM.generate_key(256)
        self._cipher = AESGCM(data_key)
        self._seal = wrapping.wrap(inner.key, data_key)
        self._held = bytearray()
        self._frames = 0
        self._size = 0
        self._out = bytearray(_BATCH * _SEALED)

    @property
    def key(self) -> str:
        return self._inner.key

    @property
    def size(self) -> int:
        """Plain bytes written so far."""
        return self._size

    @property
    def span(self) -> SegmentSpan:
        return SegmentSpan(self.key, self._size, VERSION, self._seal)

    def write(self, data: bytes | memoryview) -> None:
        """Encrypt whole frames; up to one frame is held back, as it might be the last."""
        view = memoryview(data)
        self._size += len(view)
        if self._held:
            taken = min(FRAME - len(self._held), len(view))
            self._held += view[:taken]
            view = view[taken:]
            if not view:
                return
            self._encrypt(memoryview(self._held))
            self._held = bytearray()
        whole = (len(view) - 1) // FRAME * FRAME if view else 0
        for start in range(0, whole, _BATCH * FRAME):
            self._encrypt(view[start : min(whole, start + _BATCH * FRAME)])
        self._held += view[whole:]

    def commit(self) -> None:
        sealed = self._cipher.encrypt(_nonce(self._frames, last=True), bytes(self._held), None)
        self._inner.write(sealed)
        self._held = bytearray()
        self._inner.commit()

    def abort(self) -> None:
        self._held = bytearray()
        self._inner.abort()

    def _encrypt(self, plain: memoryview) -> None:
        out, end = memoryview(self._out), 0
        for start in range(0, len(plain), FRAME):
            nonce = _nonce(self._frames, last=False)
            self._cipher.encrypt_into(nonce, plain[start : start + FRAME], None, out[end : end + _SEALED])
            self._frames += 1
            end += _SEALED
        self._inner.write(out[:end])


class _Opener:
    """Opens the frames of one segment."""

    def __init__(self, span: SegmentSpan, cipher: AESGCM) -> None:
        self._span = span
        self._cipher = cipher
        self._last = max(0, (span.size - 1) // FRAME)
        """Number of the last frame, which follows from the size in the row."""

    def read(self, store: BlobStore, start: int, end: int) -> Iterator[bytes]:
        """Yield the plain bytes from `start` to `end`, in pieces of up to 1 MiB."""
        if start >= end:
            return
        if end > self._span.size:
            raise SegmentMissing(f"segment {self._span.key} is shorter", remedy="restore the storage from a backup")
        first, final = start // FRAME, (end - 1) // FRAME
        stored = store.read(self._span.key, first * _SEALED, self._sealed_end(final) - first * _SEALED)
        position = first * FRAME
        for plain in self._open_all(_frames(stored), first):
            lower, upper = max(0, start - position), min(len(plain), end - position)
            yield bytes(plain[lower:upper])
            position += len(plain)

    def _open_all(self, frames: Iterator[memoryview], first: int) -> Iterator[memoryview]:
        """Open frame after frame into one buffer; what is yielded is good until the next is asked for."""
        plain, end = memoryview(bytearray(_BATCH * FRAME)), 0
        for number, sealed in enumerate(frames, first):
            size = len(sealed) - _TAG
            try:
                nonce = _nonce(number, last=number == self._last)
                self._cipher.decrypt_into(nonce, sealed, None, plain[end : end + size])
            except (InvalidTag, ValueError):
                raise _broken(self._span.key) from None
            end += size
            if end + FRAME > len(plain):
                yield plain[:end]
                end = 0
        if end:
            yield plain[:end]

    def _sealed_end(self, frame: int) -> int:
        """Where a frame ends in the stored bytes."""
        return self._span.size + (self._last + 1) * _TAG if frame == self._last else (frame + 1) * _SEALED


def _frames(pieces: Iterator[bytes]) -> Iterator[memoryview]:
    """Cut pieces of any size into sealed frames; only a frame that lies in two pieces is copied."""
    left = memoryview(b"")
    for piece in pieces:
        view = memoryview(piece)
        if left:
            missing = min(_SEALED - len(left), len(view))
            left = memoryview(b"".join((left, view[:missing])))
            view = view[missing:]
            if len(left) < _SEALED:
                continue
            yield left
        whole = len(view) // _SEALED * _SEALED
        for start in range(0, whole, _SEALED):
            yield view[start : start + _SEALED]
        left = view[whole:]
    if left:
        yield left


def _nonce(frame: int, *, last: bool) -> bytes:
    return frame.to_bytes(_NONCE - 1, "big") + (b"\x01" if last else b"\x00")


def _broken(key: str) -> SegmentBroken:
    return SegmentBroken(
        f"segment {key} does not open: it was changed, cut or moved, or is another installation's",
        remedy="restore storage, records and keys from one backup; `pratique doctor` names what is missing",
    )
