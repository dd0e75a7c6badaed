"""Pairs of versions that mostly differ in one place, for comparison with the tool that defines the order."""

import random
from collections.abc import Callable

from pratique.advisories.versions import UnparsableVersionError, version_key


def order(scheme: str, left: str, right: str) -> int | None:
    """Which of the two comes first by our keys; None where one of them is no version."""
    try:
        a, b = version_key(scheme, left), version_key(scheme, right)
    except UnparsableVersionError:
        return None
    return (a > b) - (a < b)


def neighbours(seed: int, make: Callable[[random.Random], str], alphabet: str, count: int) -> list[tuple[str, str]]:
    """`count` pairs: a made version, and that version with one or two places changed; one in five unrelated."""
    rand = random.Random(seed)
    pairs = []
    for _ in range(count):
        left = right = make(rand)
        for _ in range(rand.randint(1, 2)):
            at = rand.randrange(len(right) + 1)
            right = right[:at] + rand.choice(("", *alphabet)) + right[at + rand.choice((0, 0, 1, 2)) :]
        pairs.append((left, make(rand) if rand.random() < 0.2 else right))
    return pairs


def composed(rand: random.Random, words: tuple[str, ...], most: int) -> str:
    """A few words joined, starting with a small number."""
    return str(rand.randint(0, 12)) + "".join(rand.choice(words) for _ in range(rand.randint(0, most)))
