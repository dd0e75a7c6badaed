"""Resumable hashing against hashlib: MiB per CPU second, and their ratio."""

import hashlib
import time
from collections.abc import Callable
from typing import Any

from pratique.core.digests import Algorithm, Hasher

PIECE = bytes(1 << 20)
PIECES = 128
ALGORITHMS: tuple[Algorithm, ...] = ("sha256", "sha512")


def speed(make: Callable[[], Any]) -> float:
    """Return the best of five runs in MiB per CPU second."""
    best = 0.0
    for _ in range(5):
        hasher, begun = make(), time.process_time()
        for _ in range(PIECES):
            hasher.update(PIECE)
        best = max(best, PIECES / (time.process_time() - begun))
    return best


def main() -> None:
    for algorithm in ALGORITHMS:
        own = speed(lambda name=algorithm: Hasher(name))
        peer = speed(lambda name=algorithm: hashlib.new(name))
        hasher = Hasher(algorithm)
        hasher.update(b"x" * 100)
        begun = time.process_time()
        for _ in range(10_000):
            Hasher.restore(hasher.save())
        pause = (time.process_time() - begun) * 100
        print(
            f"{algorithm}: {own:.0f} MiB per CPU s, hashlib {peer:.0f}, ratio {own / peer:.2f};",
            f"save and restore {pause:.0f} µs of CPU",
        )


if __name__ == "__main__":
    main()
