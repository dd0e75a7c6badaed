"""All keys of one installation as values, and the sealed file that keeps them."""

import base64
import fcntl
import hashlib
import json
import os
import secrets
import stat
import time
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import Literal

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pratique.core.keys.errors import SealBroken
from pratique.core.keys.types import DATA, KEYED_HASH, SIGNING, Purpose
from pratique.core.private_files import write_private
from pratique.core.sealed import seal, unseal

_FORMAT = "pratique-keys"
_VERSION = 1
_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One key with its material: PKCS #8 for key pairs, raw bytes for the others."""

    purpose: Purpose
    key_id: str
    created_at: int
    state: Literal["active", "verifying"]
    material: bytes = field(repr=False)
    certificate: bytes = b""


@dataclass(frozen=True, slots=True)
class Ring:
    """Every key of an installation; changed only by making a new ring of the next generation."""

    installation: str
    generation: int
    keys: tuple[KeyRecord, ...]

    def active(self, purpose: Purpose) -> KeyRecord | None:
        return next((key for key in self.keys if key.purpose is purpose and key.state == "active"), None)

    def of(self, purpose: Purpose) -> tuple[KeyRecord, ...]:
        """Keys of a purpose, the active one first, then the youngest."""
        found = [key for key in self.keys if key.purpose is purpose]
        return tuple(sorted(found, key=lambda key: (key.state != "active", -key.created_at)))

    def without_dead(self, purpose: Purpose, now: int, life: int) -> "Ring":
        """The ring without keys of a purpose that were replaced so long ago that nothing they signed holds any more.

        A key signs until its successor is made, so what it signed last ends `life` after that.
        """
        dead = {
            old.key_id
            for young, old in pairwise(self.of(purpose))
            if old.state != "active" and young.created_at + life < now
        }
        return self.without(dead) if dead else self

    def without(self, key_ids: Collection[str]) -> "Ring":
        """The next generation, without these keys."""
        return replace(
            self, generation=self.generation + 1, keys=tuple(key for key in self.keys if key.key_id not in key_ids)
        )

    def with_active(self, record: KeyRecord) -> "Ring":
        """The next generation, in which `record` is active and the former one goes on verifying."""
        older = tuple(
            replace(key, state="verifying") if key.purpose is record.purpose and key.state == "active" else key
            for key in self.keys
        )
        return replace(self, generation=self.generation + 1, keys=(*older, record))


def new_ring(now: int) -> Ring:
    """A first ring: one fresh key for each purpose but the CA, which is made when its names are known."""
    keys = [new_key(purpose, now) for purpose in sorted(SIGNING | KEYED_HASH | DATA)]
    return Ring(installation=str(uuid.uuid4()), generation=1, keys=tuple(keys))


def completed(ring: Ring, now: int) -> Ring:
    """The ring itself, or its next generation with keys for purposes that were added since it was made."""
    missing = [new_key(purpose, now) for purpose in sorted(SIGNING | KEYED_HASH | DATA) if not ring.active(purpose)]
    return replace(ring, generation=ring.generation + 1, keys=(*ring.keys, *missing)) if missing else ring


def new_key(purpose: Purpose, now: int) -> KeyRecord:
    """A fresh key: P-256 for what signs, 256 random bits for the others."""
    if purpose in SIGNING or purpose is Purpose.CA:
        private = ec.generate_private_key(ec.SECP256R1())
        material = private.private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return KeyRecord(purpose, thumbprint(private.public_key()), now, "active", material)
    return KeyRecord(purpose, secrets.token_urlsafe(12), now, "active", secrets.token_bytes(32))


def jwk_of(key: ec.EllipticCurvePublicKey) -> dict[str, str]:
    """The required members of the key's JWK, in the order in which RFC 7638 hashes them."""
    numbers = key.public_numbers()
    x, y = (base64url(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    return {"crv": "P-256", "kty": "EC", "x": x, "y": y}


def thumbprint(key: ec.EllipticCurvePublicKey) -> str:
    """The key's id: its RFC 7638 thumbprint, which anyone can compute from the key alone."""
    return base64url(hashlib.sha256(json.dumps(jwk_of(key), separators=(",", ":")).encode()).digest())


def base64url(data: bytes) -> str:
    """Base64url without padding, as in JOSE."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class _Document(msgspec.Struct, forbid_unknown_fields=True):
    format: str
    version: int
    installation: str
    generation: int
    root: bytes
    body: bytes


class SealedFile:
    """The ring on disk: an unseal key opens a root key, the root key opens the ring.

    Every change writes a whole new file and renames it over the old one, flushed before and after: after a crash
    there is the old ring or the new one. One process holds the folder at a time.
    """

    def __init__(self, folder: Path, unseal_file: Path | None = None, *, wait: float = 0.0) -> None:
        self._folder = folder
        self._path = folder / "sealed.json"
        self._unseal_file = unseal_file or folder / "unseal.key"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._lock = self._hold(wait)

    def load_or_create(self, now: int) -> Ring:
        """Open the ring, or make the first one where there is none."""
        if not self._path.exists():
            self._make_unseal_key()
            ring = new_ring(now)
            self.store(ring)
            return ring
        ring = self._load()
        whole = completed(ring, now)
        if whole is not ring:
            self.store(whole)
        return whole

    def store(self, ring: Ring) -> None:
        """Replace the file by one that holds this ring; when this returns it is on disk."""
        root = secrets.token_bytes(32)
        body = msgspec.json.encode(ring.keys)
        document = _Document(
            format=_FORMAT,
            version=_VERSION,
            installation=ring.installation,
            generation=ring.generation,
            root=seal(self._unseal_key(), _context("root", ring.installation, ring.generation), root),
            body=seal(root, _context("ring", ring.installation, ring.generation), body),
        )
        write_private(self._path, msgspec.json.format(msgspec.json.encode(document)))

    def close(self) -> None:
        """Let another process hold the folder."""
        os.close(self._lock)

    def _load(self) -> Ring:
        if self._path.stat().st_size > _LIMIT:
            raise SealBroken("The sealed key file is larger than any that was written here.")
        try:
            document = msgspec.json.decode(self._path.read_bytes(), type=_Document)
        except msgspec.DecodeError:
            raise SealBroken("The sealed key file cannot be read.", remedy="Restore it from a snapshot.") from None
        if (document.format, document.version) != (_FORMAT, _VERSION):
            raise SealBroken("The sealed key file is of another version.", remedy="Start the version that wrote it.")
        place = document.installation, document.generation
        root = unseal(self._unseal_key(), _context("root", *place), document.root)
        body = unseal(root, _context("ring", *place), document.body)
        keys = msgspec.json.decode(body, type=tuple[KeyRecord, ...])
        return Ring(document.installation, document.generation, keys)

    def _unseal_key(self) -> bytes:
        try:
            status = self._unseal_file.stat()
        except FileNotFoundError:
            raise SealBroken(
                f"The unseal key {self._unseal_file} is missing.", remedy="Put it back; nothing opens without it."
            ) from None
        if status.st_uid not in (os.geteuid(), 0) or stat.S_IMODE(status.st_mode) & 0o077:
            raise SealBroken(
                f"Others can read the unseal key {self._unseal_file}.", remedy=f"chmod 600 {self._unseal_file}"
            )
        return _decoded(self._unseal_file.read_bytes())

    def _make_unseal_key(self) -> None:
        if not self._unseal_file.exists():
            text = base64.b64encode(secrets.token_bytes(32)) + b"\n"
            write_private(self._unseal_file, text)

    def _hold(self, wait: float) -> int:
        descriptor = os.open(self._folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        deadline = time.monotonic() + wait
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:  # the one before may be about to end
                    time.sleep(0.05)
                    continue
                os.close(descriptor)
                raise SealBroken(
                    f"Another process holds the keys in {self._folder}.", remedy="Stop it first: pratique down."
                ) from None
            return descriptor


def _context(kind: str, installation: str, generation: int) -> Sequence[str]:
    return (_FORMAT, kind, installation, str(generation))


def _decoded(text: bytes) -> bytes:
    try:
        key = base64.b64decode(text.strip(), validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise SealBroken("The unseal key file does not hold an unseal key.")
    return key
