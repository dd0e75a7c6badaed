"""SHA-2 through libcrypto's low-level functions, whose context is plain memory and can be saved (ADR 0101).

Python's own hash objects hide their state. The functions SHA256_Init, SHA256_Update and SHA256_Final are exported by
every OpenSSL from 0.9.8 to 3.x, by LibreSSL, BoringSSL and AWS-LC; a library is used only after it has passed a test of
known answers with a state saved and restored in the middle.
"""

import ctypes
import ctypes.util
import functools
import hashlib
import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class State:
    """A hash after whole blocks: the chaining words, what is left of the last block, and the number of bytes so far."""

    words: tuple[int, ...]
    tail: bytes
    count: int


class _Context256(ctypes.Structure):
    _fields_ = (
        ("h", ctypes.c_uint32 * 8),
        ("low", ctypes.c_uint32),
        ("high", ctypes.c_uint32),
        ("data", ctypes.c_uint8 * 64),
        ("num", ctypes.c_uint),
        ("md_len", ctypes.c_uint),
        ("spare", ctypes.c_uint8 * 128),  # room for a fork that keeps more behind the documented fields
    )


class _Context512(ctypes.Structure):
    _fields_ = (
        ("h", ctypes.c_uint64 * 8),
        ("low", ctypes.c_uint64),
        ("high", ctypes.c_uint64),
        ("data", ctypes.c_uint8 * 128),
        ("num", ctypes.c_uint),
        ("md_len", ctypes.c_uint),
        ("spare", ctypes.c_uint8 * 128),
    )


class Function:
    """One hash function of one loaded library."""

    def __init__(self, library: ctypes.CDLL, algorithm: str) -> None:
        prefix = algorithm.upper()
        self.algorithm = algorithm
        self.block, self.size, self.word_bits = (64, 32, 32) if algorithm == "sha256" else (128, 64, 64)
        self._context: type[Any] = _Context256 if algorithm == "sha256" else _Context512
        self._init = library[f"{prefix}_Init"]
        self._update = library[f"{prefix}_Update"]
        self._final = library[f"{prefix}_Final"]
        self._init.argtypes = [ctypes.c_void_p]
        self._update.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
        self._final.argtypes = [ctypes.c_char_p, ctypes.c_void_p]

    def new(self) -> Any:
        context = self._context()
        self._init(ctypes.byref(context))
        return context

    def update(self, context: Any, data: bytes | bytearray | memoryview) -> None:
        """Hash `data` without a copy if it is bytes or memory that can be written; other threads run meanwhile."""
        if isinstance(data, memoryview):
            data = data.cast("B") if data.contiguous else bytes(data)
        if isinstance(data, bytes):
            self._update(ctypes.byref(context), data, len(data))
        elif isinstance(data, memoryview) and data.readonly:
            self._update(ctypes.byref(context), bytes(data), len(data))
        elif len(data):
            self._update(ctypes.byref(context), (ctypes.c_char * len(data)).from_buffer(data), len(data))

    def digest(self, context: Any) -> bytes:
        """Return the digest of what was hashed so far; the context can go on."""
        copy = type(context).from_buffer_copy(context)
        out = ctypes.create_string_buffer(self.size)
        self._final(out, ctypes.byref(copy))
        return out.raw

    def save(self, context: Any) -> State:
        count = (context.high << self.word_bits | context.low) // 8
        return State(tuple(context.h), bytes(context.data)[: context.num], count)

    def restore(self, state: State) -> Any:
        context = self.new()
        context.h[:] = state.words
        context.low = state.count * 8 & (1 << self.word_bits) - 1
        context.high = state.count * 8 >> self.word_bits
        context.data[: len(state.tail)] = state.tail
        context.num = len(state.tail)
        return context

    def works(self) -> bool:
        """Whether the library computes known answers, with its state saved and restored in between."""
        sample = bytes(range(256)) * 3
        for split in (0, 1, self.block - 1, self.block, self.block + 9, 200):
            first = self.new()
            self.update(first, sample[:split])
            state = self.save(first)
            if state.count != split or len(state.tail) != split % self.block:
                return False
            second = self.restore(state)
            self.update(second, sample[split:])
            if self.digest(second) != hashlib.new(self.algorithm, sample, usedforsecurity=False).digest():
                return False
        return True


def _libraries() -> Iterator[ctypes.CDLL]:
    """Yield the places where libcrypto can be, nearest first, each only if it loads."""
    for path in _places():
        try:
            yield ctypes.CDLL(path)
        except OSError:
            continue


def _places() -> Iterator[str | None]:
    # The library that Python's own hashlib is linked with: looking a name up in the extension module also searches
    # what it depends on. Where the interpreter has OpenSSL built in, the module has no file and the program itself is
    # asked (None).
    for module in ("_hashlib", "_ssl"):
        try:
            yield getattr(importlib.import_module(module), "__file__", None)
        except ImportError:
            continue
    yield from ("libcrypto.so.3", "libcrypto.so.4", "libcrypto.so.1.1", "libcrypto.so")
    found = ctypes.util.find_library("crypto")
    if found:
        yield found


@functools.cache
def load(algorithm: str) -> Function | None:
    """Return a tested function of the first library that has it, or None where no library can be used."""
    for library in _libraries():
        try:
            function = Function(library, algorithm)
        except AttributeError:
            continue
        if function.works():
            return function
    return None
