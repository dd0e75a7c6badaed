"""CVSS 2.0, base equation (specification, section 3.2.1)."""

from collections.abc import Mapping
from decimal import ROUND_HALF_UP, Decimal

_VECTOR = {"L": 0.395, "A": 0.646, "N": 1.0}
_COMPLEXITY = {"H": 0.35, "M": 0.61, "L": 0.71}
_AUTHENTICATION = {"M": 0.45, "S": 0.56, "N": 0.704}
_IMPACT = {"N": 0.0, "P": 0.275, "C": 0.66}


def base_score(metrics: Mapping[str, str]) -> float:
    kept = 1.0
    for name in ("C", "I", "A"):
        kept *= 1 - _IMPACT[metrics[name]]
    impact = 10.41 * (1 - kept)
    exploitability = 20 * _VECTOR[metrics["AV"]] * _COMPLEXITY[metrics["AC"]] * _AUTHENTICATION[metrics["Au"]]
    factor = 1.176 if impact else 0.0
    return _rounded(((0.6 * impact) + (0.4 * exploitability) - 1.5) * factor)


def _rounded(score: float) -> float:
    return float(Decimal(f"{score:.6f}").quantize(Decimal("0.1"), ROUND_HALF_UP))
