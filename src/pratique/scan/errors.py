"""Errors of the scanner.

PratiqueError
└─ ImageNotAssessable   the bytes of an image cannot be turned into facts; the image is held, with this reason
└─ AdvisoriesMoved      advisory data changed between matching and writing: match again
"""

from pratique.core.errors import Conflict, Invalid


class ImageNotAssessable(Invalid):
    """The image cannot be assessed as it is; message and remedy go to the gate."""

    code = "image-not-assessable"


class AdvisoriesMoved(Conflict):
    """The advisory data that the matches stand on is no longer the newest; nothing was written."""

    code = "advisories-moved"
