"""Errors of the demo.

PratiqueError
├─ NoMirror       no address of a Debian package mirror is known on this machine
├─ FetchFailed    a download did not work, and nothing was cached
├─ Unverified     what was downloaded is not what its signed index says
├─ ToolMissing    pip or npm is not on this machine
├─ BadArchive     a package is not built as its format asks
└─ StepFailed     the registry answered a step of the story otherwise than the story goes
"""

# ruff: noqa: N818  named for what happened, as in core.errors

from pratique.core.errors import Corrupt, Invalid, NotFound, PratiqueError, Unavailable


class NoMirror(NotFound):
    """No Debian package mirror is known here."""

    code = "demo-no-mirror"


class FetchFailed(Unavailable):
    """The network gave nothing, and the cache has no earlier copy."""

    code = "demo-fetch-failed"


class Unverified(Corrupt):
    """A signature or digest does not fit; the file was thrown away."""

    code = "demo-unverified"


class ToolMissing(NotFound):
    """A client that the demo uses is not installed."""

    code = "demo-tool-missing"


class BadArchive(Invalid):
    """A package archive is not built as its format asks."""

    code = "demo-bad-archive"


class StepFailed(PratiqueError):
    """A step of the story ended otherwise than it should have."""

    code = "demo-step-failed"
    status = 500
