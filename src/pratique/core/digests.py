"""Digests, and hashing whose state can be saved and taken up again, also by another process."""

import hashlib
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, cast

from pratique.core import libcrypto
from pratique.core.errors import Corrupt, Invalid

Algorithm = Literal["sha256", "sha512"]
_TEXT = re.compile(r"(sha256):([0-9a-f]{64})|(sha512):([0-9a-f]{128})")


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """A content digest of a registered algorithm (OCI image specification, descriptor, Digests)."""

    algorithm: Algorithm
    hex: str

    @classmethod
    def parse(cls, text: str) -> "Digest":
        """Return the digest that `text` spells exactly, or raise Invalid."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise Invalid(
                f"{text[:160]!r} is not a digest.",
                remedy="Use sha256: and 64, or sha512: and 128 lower-case hexadecimal digits.",
            )
        algorithm, _, digits = text.partition(":")
        return cls(cast("Algorithm", algorithm), digits)

    @classmethod
    def of(cls, data: bytes, algorithm: Algorithm = "sha256") -> "Digest":
        return cls(algorithm, hashlib.new(algorithm, data, usedforsecurity=False).hexdigest())

    def __str__(self) -> str:
        return f"{self.algorithm}:{self.hex}"


class Hasher:
    """Hashes a stream in pieces; between any two pieces it can be saved, and taken up again by another process.

    A saved state is the same on every machine and with every library. Where no usable libcrypto exists (`resumable` is
    False) a state holds only the count of bytes, and `restore` needs `reread` to hash them again.
    """

    def __init__(self, algorithm: Algorithm = "sha256") -> None:
        self.algorithm: Algorithm = algorithm
        self.count = 0
        self._engine = _engine(algorithm)

    @property
    def resumable(self) -> bool:
        return isinstance(self._engine, _Resumable)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Hash `data`, without a copy if it is bytes or memory that can be written; other threads run meanwhile."""
        self._engine.update(data)
        self.count += data.nbytes if isinstance(data, memoryview) else len(data)

    def digest(self) -> Digest:
        """Return the digest of everything so far; hashing can go on."""
        return Digest(self.algorithm, self._engine.digest().hex())

    def save(self) -> bytes:
        """Return the state, at most 210 bytes."""
        words, tail = self._engine.save()
        head = _MAGIC + bytes([_CODES[self.algorithm], len(words), len(tail)]) + self.count.to_bytes(8, "big")
        width = _WIDTHS[self.algorithm]
        return head + b"".join(word.to_bytes(width, "big") for word in words) + tail

    @classmethod
    def restore(cls, state: bytes, reread: Callable[[], Iterable[bytes]] | None = None) -> "Hasher":
        """Return a hasher that goes on where `state` was saved; raises Corrupt if the state is damaged.

        `reread` yields all bytes hashed before, and is called only if the state, or this machine, cannot do without.
        """
        algorithm, count, words, tail = _parse_state(state)
        hasher = cls(algorithm)
        if words and isinstance(hasher._engine, _Resumable):
            hasher._engine.resume(libcrypto.State(words, tail, count))
            hasher.count = count
        else:
            _hash_again(hasher, count, reread)
        return hasher


_MAGIC = b"H1"
_CODES: dict[Algorithm, int] = {"sha256": 1, "sha512": 2}
_WIDTHS: dict[Algorithm, int] = {"sha256": 4, "sha512": 8}
_HEAD = len(_MAGIC) + 3 + 8


class _Engine(Protocol):
    def update(self, data: bytes | bytearray | memoryview) -> None: ...

    def digest(self) -> bytes: ...

    def save(self) -> tuple[tuple[int, ...], bytes]: ...


class _Resumable:
    def __init__(self, function: libcrypto.Function) -> None:
        self._function = function
        self._context = function.new()

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self._function.update(self._context, data)

    def digest(self) -> bytes:
        return self._function.digest(self._context)

    def save(self) -> tuple[tuple[int, ...], bytes]:
        state = self._function.save(self._context)
        return state.words, state.tail

    def resume(self, state: libcrypto.State) -> None:
        self._context = self._function.restore(state)


class _Opaque:
    def __init__(self, algorithm: Algorithm) -> None:
        self._hash = hashlib.new(algorithm, usedforsecurity=False)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        self._hash.update(data)

    def digest(self) -> bytes:
        return self._hash.digest()

    def save(self) -> tuple[tuple[int, ...], bytes]:
        return (), b""


def _engine(algorithm: Algorithm) -> _Engine:
    function = libcrypto.load(algorithm)
    return _Resumable(function) if function else _Opaque(algorithm)


def _parse_state(state: bytes) -> tuple[Algorithm, int, tuple[int, ...], bytes]:
    algorithm = next((name for name, code in _CODES.items() if state[2:3] == bytes([code])), None)
    if len(state) < _HEAD or not state.startswith(_MAGIC) or algorithm is None:
        raise Corrupt("A saved hash state is damaged.", remedy="Start the upload again.")
    width, count = _WIDTHS[algorithm], int.from_bytes(state[5:_HEAD], "big")
    end = _HEAD + state[3] * width
    tail = state[end:]
    whole = state[3] == 8 and len(tail) == count % (width * 16)
    if len(tail) != state[4] or not (whole or (state[3] == 0 and not tail)):
        raise Corrupt("A saved hash state is damaged.", remedy="Start the upload again.")
    words = tuple(int.from_bytes(state[at : at + width], "big") for at in range(_HEAD, end, width))
    return algorithm, count, words, tail


def _hash_again(hasher: Hasher, count: int, reread: Callable[[], Iterable[bytes]] | None) -> None:
    if reread is None and count:
        raise Corrupt(
            "This machine cannot take up a saved hash, and what was stored cannot be read again.",
            remedy="Start the upload again, or install libcrypto (OpenSSL).",
        )
    for piece in reread() if reread else ():
        hasher.update(piece)
    if hasher.count != count:
        raise Corrupt("What was stored is not as long as what was hashed.", remedy="Start the upload again.")
