"""Frozen values of verification: what was found on an image, and whether and why each thing counts."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

MAX_ENVELOPE = 1 << 20
"""Bytes of one signature or attestation that are read: beyond, it is named and does not count."""
MAX_PER_IMAGE = 64
"""Signatures and attestations that are looked at per image: beyond, the rest is named and does not count."""


class Form(StrEnum):
    """In which form a signature is stored."""

    SIMPLE_SIGNING = "cosign"
    BUNDLE = "sigstore-bundle"
    DSSE = "dsse"
    JWS = "notation-jws"
    COSE = "notation-cose"


class Failing(StrEnum):
    """Why a signature does not count, in one word that pages and scripts can group by."""

    MALFORMED = "malformed"
    TOO_LARGE = "too-large"
    TOO_MANY = "too-many"
    WRONG_DIGEST = "wrong-digest"
    WRONG_REPOSITORY = "wrong-repository"
    WRONG_ALGORITHM = "wrong-algorithm"
    UNKNOWN_SIGNER = "unknown-signer"
    BAD_SIGNATURE = "bad-signature"
    CERTIFICATE = "certificate"
    EXPIRED = "expired"
    NO_TIME = "no-trusted-time"
    NOT_LOGGED = "not-logged"
    REVOCATION_UNKNOWN = "revocation-unknown"


class Rejected(Exception):  # noqa: N818 - an answer, which the caller records
    """A signature that does not count, and why."""

    def __init__(self, failing: Failing, why: str) -> None:
        super().__init__(why)
        self.failing = failing
        self.why = why


@dataclass(frozen=True, slots=True)
class Image:
    """What a signature must be about."""

    digest: str
    repository: str
    """Host and path as clients write them, or '' where the place does not matter."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """One signature or attestation as it is stored, not yet believed."""

    form: Form
    content: bytes
    """The bundle, the DSSE or notation envelope; of simple signing the signed payload."""
    signature: bytes = b""
    """Of simple signing, where it stands beside the payload."""
    annotations: Mapping[str, str] = field(default_factory=dict)
    artifact: str = ""
    """Digest of the manifest that carries it."""


@dataclass(frozen=True, slots=True)
class Statement:
    """An in-toto statement whose signature counts (in-toto attestation framework, Statement v1)."""

    predicate_type: str
    subjects: tuple[str, ...]
    """Digests, as `sha256:…`."""
    predicate: Any


@dataclass(frozen=True, slots=True)
class Verified:
    """A signature that counts: who made it and what it says."""

    form: Form
    signer: str
    """Name of the trusted signer that it matched."""
    identity: str
    """The key's fingerprint, or the name in the certificate."""
    issuer: str = ""
    signed_at: int | None = None
    """Microseconds, from a source that is trusted for time; None where there is none."""
    expires_at: int | None = None
    statement: Statement | None = None
    """None for a plain signature."""
