"""`--fail-on`: which findings make a scan's answer no."""

from collections.abc import Callable, Iterable
from typing import Final

from pratique.advisories.types import Match
from pratique.core.errors import Invalid
from pratique.core.findings.types import Severity

_Condition = Callable[[Match], bool]
_WORDS: Final[dict[str, _Condition]] = {
    "fixable": lambda match: bool(match.fixed_version),
    "exploited": lambda match: match.exploited,
    "unrated": lambda match: match.unrated,
    "any": lambda _: True,
}


def condition(text: str) -> _Condition:
    """The condition that a text states: parts by comma, of which one must hold; joined by `+`, all must.

    `high` is that severity or worse. `critical,exploited` and `high+fixable` are examples. Raises `Invalid`.
    """
    alternatives = [[_part(word.strip()) for word in one.split("+")] for one in text.lower().split(",") if one.strip()]
    if not alternatives:
        raise _unknown(text)
    return lambda match: any(all(part(match) for part in parts) for parts in alternatives)


def _part(word: str) -> _Condition:
    if word in _WORDS:
        return _WORDS[word]
    if word not in {severity.value for severity in Severity} or word == Severity.UNKNOWN:
        raise _unknown(word)
    least = Severity(word).rank
    return lambda match: match.severity.rank >= least


def _unknown(word: str) -> Invalid:
    words = ", ".join([*(one.value for one in Severity if one is not Severity.UNKNOWN), *_WORDS])
    return Invalid(f"--fail-on does not know {word!r}.", remedy=f"Give one of: {words}; join with + (and) or , (or).")


def fails(matches: Iterable[Match], text: str) -> bool:
    """Whether any finding meets the stated condition; an empty one is never met."""
    return bool(text) and any(map(condition(text), matches))
