"""Errors of trust.

PratiqueError
└─ NoDecision        nothing has been decided about this image here
└─ ExemptionUnknown  no exemption has this id
"""

from pratique.core.errors import NotFound


class NoDecision(NotFound):
    """Nothing has been decided about this image in this repository."""

    code = "no-decision"


class ExemptionUnknown(NotFound):
    """No exemption has this id."""

    code = "exemption-unknown"
