"""CVSS 3.0 and 3.1, base equation (specification 3.1, section 7.1; rounding of 3.1 in appendix A)."""

import math
from collections.abc import Mapping

_VECTOR = {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2}
_COMPLEXITY = {"L": 0.77, "H": 0.44}
_PRIVILEGES = {"U": {"N": 0.85, "L": 0.62, "H": 0.27}, "C": {"N": 0.85, "L": 0.68, "H": 0.5}}
_INTERACTION = {"N": 0.85, "R": 0.62}
_IMPACT = {"N": 0.0, "L": 0.22, "H": 0.56}


def base_score(metrics: Mapping[str, str], *, exact: bool) -> float:
    """`exact` rounds as 3.1 does, without the float errors that 3.0 allowed."""
    scope = metrics["S"]
    kept = 1.0
    for name in ("C", "I", "A"):
        kept *= 1 - _IMPACT[metrics[name]]
    base = 1 - kept
    changed = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15
    impact = changed if scope == "C" else 6.42 * base
    exploitability = (
        8.22
        * _VECTOR[metrics["AV"]]
        * _COMPLEXITY[metrics["AC"]]
        * _PRIVILEGES[scope][metrics["PR"]]
        * _INTERACTION[metrics["UI"]]
    )
    if impact <= 0:
        return 0.0
    total = min((1.08 if scope == "C" else 1.0) * (impact + exploitability), 10.0)
    return _round_up(total) if exact else math.ceil(round(total * 10, 9)) / 10


def _round_up(value: float) -> float:
    scaled = round(value * 100_000)
    return scaled / 100_000 if scaled % 10_000 == 0 else (scaled // 10_000 + 1) / 10
