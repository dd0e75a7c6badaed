"""Errors of trust.

PratiqueError
├─ NoSuchImage       there is no such image in this repository
└─ ExemptionUnknown  no exemption has this id
"""

from pratique.core.errors import NotFound


class NoSuchImage(NotFound):
    """There is no such image in this repository, or nobody who asks may see it."""

    code = "no-such-image"


class ExemptionUnknown(NotFound):
    """No exemption has this id."""

    code = "exemption-unknown"
