"""Values of the key process and the interface that everyone else sees of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol


class Role(StrEnum):
    """Who calls, told apart by the socket that the caller can open."""

    ADMIN = "admin"
    API = "api"
    WORKER = "worker"


class Purpose(StrEnum):
    """What a key is for; no key serves two purposes."""

    APPROVAL = "approval"
    AUDIT = "audit"
    BLOBS = "blobs"
    BUNDLE = "bundle"
    CA = "ca"
    CREDENTIAL = "credential"
    CSRF = "csrf"
    CURSOR = "cursor"
    FINGERPRINT = "fingerprint"
    RECORDS = "records"
    TOKEN = "token"  # noqa: S105 - the name of a purpose
    WEBHOOK = "webhook"


SIGNING = frozenset({Purpose.APPROVAL, Purpose.AUDIT, Purpose.BUNDLE, Purpose.TOKEN, Purpose.WEBHOOK})
KEYED_HASH = frozenset({Purpose.CREDENTIAL, Purpose.CSRF, Purpose.CURSOR, Purpose.FINGERPRINT})
DATA = frozenset({Purpose.BLOBS, Purpose.RECORDS})


@dataclass(frozen=True, slots=True)
class Signature:
    """An ES256 signature as r||s, 64 bytes, and the id of the key that made it."""

    key_id: str
    value: bytes


@dataclass(frozen=True, slots=True)
class PublicKey:
    """One verification key; `key_id` is its RFC 7638 thumbprint, so it means the same everywhere."""

    key_id: str
    jwk: dict[str, Any]
    """`kty`, `crv`, `x`, `y`, `kid`, `alg`, `use`."""


@dataclass(frozen=True, slots=True)
class DecisionEvidence:
    """What an approval signature is bound to; both must appear in the statement that is signed."""

    decision_id: str
    digest: str


class KeyClient(Protocol):
    """Operations on keys that never leave their process; synchronous, thread-safe, some 50 µs each.

    Raises `KeysUnavailable` when the key process does not answer, `KeyUseRefused` for what the caller's role
    may not do.
    """

    def installation(self) -> str:
        """The constant id of this installation, bound into tokens, sealed columns and audit."""

    def sign(self, purpose: str, message: bytes, *, key_id: str | None = None) -> Signature:
        """ES256 over the message; never for `approval`, which has an operation of its own."""

    def sign_approval(self, statement: bytes, evidence: DecisionEvidence) -> Signature:
        """Sign an in-toto statement (as DSSE) that names the decision and the digest of the evidence."""

    def public_keys(self, purpose: str) -> Sequence[PublicKey]:
        """Keys that verify signatures of a purpose: the active one first, then those still in their overlap."""

    def hmac(self, purpose: str, data: bytes) -> bytes:
        """HMAC-SHA-256 under the key of a purpose: `credential`, `csrf`, `cursor` or `fingerprint`."""

    def unwrap(self, name: str) -> bytes:
        """The 32-byte data key for sealed columns; `records` is the only name today."""

    def data_key(self, name: str, key_id: str = "") -> tuple[str, bytes]:
        """Id and bytes of a data key: the active one, or an older one that still opens what it wrapped."""

    def authority(self, names: Sequence[str] = ()) -> bytes:
        """The certificate of the installation's own CA (PEM); made anew when it may not certify the names."""

    def issue_certificate(self, csr_pem: bytes, hosts: Sequence[str]) -> bytes:
        """A server certificate (PEM) for the request's public key and these hosts alone, inside the constraints."""

    def operator_token(self) -> str:
        """A token of five minutes for the built-in principal `local-operator`, for the management API only."""

    def rotate(self, purpose: str) -> str:
        """Make a new active key for a signing purpose and return its id; the old one goes on verifying."""

    def discard(self, purpose: str) -> int:
        """Forget the replaced keys of a purpose and return how many: what they signed verifies nowhere any more."""

    def close(self) -> None: ...
