"""CVSS 4.0, base score (specification, section 8).

A vector falls into a macro vector of six equivalence classes, whose score is a published figure. The score is lowered
by the mean, over the classes, of how far the vector lies below the highest one of its class. With base metrics alone
the threat class is always its highest level and safety never occurs, so a part of the published figures is enough.
"""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

# Published figures by (EQ1, EQ2): for EQ4 = 1, then EQ4 = 2, those of (EQ3, EQ6) = 00, 01, 10, 11, 21.
_FIGURES = {
    (0, 0): (10, 9.6, 9.3, 9.2, 7.9, 9.3, 9, 8.8, 8, 6.9),
    (0, 1): (9.5, 9.1, 9.2, 8.2, 7.1, 9.2, 8.1, 8.4, 7, 6.3),
    (1, 0): (9.4, 8.9, 8.6, 7.6, 6.5, 8.7, 7.5, 7.2, 5.7, 5.3),
    (1, 1): (9, 7.7, 7.4, 5.9, 5.8, 7.7, 6.6, 6.1, 5.2, 2.3),
    (2, 0): (8.6, 7.4, 7.2, 5.7, 4.7, 7, 5.4, 5.3, 3.6, 2.4),
    (2, 1): (7.3, 5.5, 6.1, 5.1, 2.4, 5.4, 4.3, 4.6, 1.8, 1),
}
_IMPACTS = ((0, 0), (0, 1), (1, 0), (1, 1), (2, 1))
_LEVELS = {
    "AV": "NALP", "PR": "NLH", "UI": "NPA", "AC": "LH", "AT": "NP",
    "VC": "HLN", "VI": "HLN", "VA": "HLN", "SC": "HLN", "SI": "HLN", "SA": "HLN",
}  # fmt: skip
# The highest vectors of each class, as levels in the order of the class's metrics, and the depth of the class.
_EQ1 = ("AV", "PR", "UI")
_EQ2 = ("AC", "AT")
_EQ3 = ("VC", "VI", "VA")
_EQ4 = ("SC", "SI", "SA")
_HIGHEST_1 = {0: ((0, 0, 0),), 1: ((1, 0, 0), (0, 1, 0), (0, 0, 1)), 2: ((3, 0, 0), (1, 1, 1))}
_HIGHEST_2 = {0: ((0, 0),), 1: ((1, 0), (0, 1))}
_HIGHEST_3 = {0: ((0, 0, 0),), 1: ((1, 0, 0), (0, 1, 0)), 2: ((1, 1, 1),)}
_HIGHEST_4 = {1: ((0, 0, 0),), 2: ((1, 1, 1),)}
_DEPTH_1 = {0: 1, 1: 4, 2: 5}
_DEPTH_2 = {0: 1, 1: 2}
_DEPTH_3 = {(0, 0): 7, (1, 0): 8, (2, 1): 10}
_DEPTH_4 = {1: 5, 2: 4}


def base_score(metrics: Mapping[str, str]) -> float:
    levels = {name: _level(name, metrics[name]) for name in _LEVELS}
    if all(levels[name] == 2 for name in (*_EQ3, *_EQ4)):
        return 0.0
    first, second, third, fourth = _classes(levels)
    sixth = int(third == 2)
    score = _figure(first, second, (third, sixth), fourth)
    lower = (
        _figure(first + 1, second, (third, sixth), fourth) if first < 2 else None,
        _figure(first, 1, (third, sixth), fourth) if second == 0 else None,
        _lower_impact(first, second, third, fourth),
        _figure(first, second, (third, sixth), 2) if fourth == 1 else None,
    )
    shares = (
        _below(levels, _EQ1, _HIGHEST_1[first]) / _DEPTH_1[first],
        _below(levels, _EQ2, _HIGHEST_2[second]) / _DEPTH_2[second],
        _below(levels, _EQ3, _HIGHEST_3[third]) / _DEPTH_3[third, sixth],
        _below(levels, _EQ4, _HIGHEST_4[fourth]) / _DEPTH_4[fourth],
    )
    steps = [(score - other) * share for other, share in zip(lower, shares, strict=True) if other is not None]
    lowered = score - sum(steps) / (len(steps) + 1)  # + 1: the threat class, which always has a lower one
    return float(Decimal(f"{max(lowered, 0.0):.9f}").quantize(Decimal("0.1"), ROUND_HALF_UP))


def _level(name: str, value: str) -> int:
    if len(value) != 1:
        raise ValueError(f"{name}:{value} is no metric")
    return _LEVELS[name].index(value)


def _classes(levels: Mapping[str, int]) -> tuple[int, int, int, int]:
    zeros = [levels[name] == 0 for name in _EQ1]
    first = 0 if all(zeros) else 1 if any(zeros) and levels["AV"] != 3 else 2
    second = int(any(levels[name] for name in _EQ2))
    third = 0 if levels["VC"] == levels["VI"] == 0 else 1 if any(levels[name] == 0 for name in _EQ3) else 2
    fourth = 1 if any(levels[name] == 0 for name in _EQ4) else 2
    return first, second, third, fourth


def _figure(first: int, second: int, impact: tuple[int, int], fourth: int) -> float:
    return _FIGURES[first, second][_IMPACTS.index(impact) + 5 * (fourth - 1)]


def _lower_impact(first: int, second: int, third: int, fourth: int) -> float | None:
    if third == 2:
        return None
    if third == 1:
        return _figure(first, second, (1, 1), fourth)
    return max(_figure(first, second, (0, 1), fourth), _figure(first, second, (1, 0), fourth))


def _below(levels: Mapping[str, int], names: tuple[str, ...], highest: tuple[tuple[int, ...], ...]) -> int:
    """How many levels the vector lies below the first of the highest vectors that is nowhere lower than it."""
    for vector in highest:
        distances = [levels[name] - top for name, top in zip(names, vector, strict=True)]
        if min(distances) >= 0:
            return sum(distances)
    return 0
