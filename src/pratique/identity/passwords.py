"""Passwords of people: argon2id in a small pool of its own, sealed at rest, with equal work for unknown names."""

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from pratique.core.errors import Busy, Invalid

P = ParamSpec("P")
T = TypeVar("T")

MIN_LENGTH = 12
MAX_LENGTH = 256
_THREADS = 2
_WAITING = 16
# RFC 9106, section 4, second choice, with one lane: 64 MiB and three passes, some 150 ms.
_MEMORY_KIB = 64 * 1024
_PASSES = 3


class Passwords:
    """Hashes and checks; at most two at once and a short queue, so guessing cannot take the machine's memory."""

    def __init__(self, *, memory_kib: int = _MEMORY_KIB, passes: int = _PASSES) -> None:
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory_kib, parallelism=1)
        self._pool: ThreadPoolExecutor | None = None
        self._waiting = 0
        self._decoy = ""

    def require_room(self) -> None:
        """Raise Busy when a hash would not be begun soon; asked before anything is written for a stranger."""
        if self._waiting >= _WAITING:
            raise Busy("Too many people sign in at once.", retry_after=2.0)

    async def hash(self, password: str) -> bytes:
        """Return what to seal and store; raises Invalid for a password that is too short, long or simple."""
        return (await self._run(self._hasher.hash, check(password))).encode()

    async def matches(self, stored: bytes | None, password: str) -> bool:
        """True when the password is right; without a stored hash the same work is done, and the answer is no."""
        if not self._decoy:
            self._decoy = await self._run(self._hasher.hash, "a decoy with the same cost")
        known = stored.decode() if stored else self._decoy
        right = await self._run(self._verify, known, normalised(password)[:MAX_LENGTH])
        return right and stored is not None

    def close(self) -> None:
        """End the pool."""
        if self._pool:
            self._pool.shutdown()

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
            return False

    async def _run(self, work: Callable[P, T], *arguments: P.args, **options: P.kwargs) -> T:
        self.require_room()
        if self._pool is None:
            self._pool = ThreadPoolExecutor(_THREADS, "passwords")
        self._waiting += 1
        try:
            call = partial(work, *arguments, **options)
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        finally:
            self._waiting -= 1


def normalised(password: str) -> str:
    """The password in the form that every keyboard and system agrees on (NFC, as RFC 8265 says)."""
    return unicodedata.normalize("NFC", password)


def check(password: str) -> str:
    """Return the normalised password, or raise Invalid saying what is wrong with it."""
    text = normalised(password)
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise Invalid(
            f"The password has {len(text)} characters.",
            remedy=f"Use {MIN_LENGTH} to {MAX_LENGTH}, for instance five words.",
        )
    if len(set(text)) < 5:
        raise Invalid("The password repeats a few characters.", remedy="Use a phrase of several words.")
    return text
