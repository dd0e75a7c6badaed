"""Who is trusted to sign: a key, or an identity that an issuer vouched for. Pure."""

import fnmatch
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from pratique.core.errors import Invalid
from pratique.trust.signatures.public_keys import PublicKey, fingerprint, load_public_key

if TYPE_CHECKING:
    from pratique.trust.signatures.keyless import TrustRoot
    from pratique.trust.signatures.notation.policy import TrustPolicy

MAX_PATTERN = 512
_SIGNER = re.compile(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?")


@dataclass(frozen=True)
class KeySigner:
    """Whoever holds the private half of a key."""

    name: str
    pem: bytes

    @cached_property
    def key(self) -> PublicKey:
        return load_public_key(self.pem)

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the key, which names it wherever a name could lie."""
        return fingerprint(self.key)


@dataclass(frozen=True)
class KeylessSigner:
    """Whoever an issuer of identities vouched for when the signature was made (Fulcio certificates)."""

    name: str
    issuer: str
    """The OpenID Connect issuer, exactly."""
    identity: str
    """The subject alternative name; `*` stands for any text without a slash, `**` for any text."""
    root: "TrustRoot" = field(repr=False)

    def matches(self, issuer: str, identity: str) -> bool:
        """True if issuer and identity of a certificate are this signer's."""
        return issuer == self.issuer and self._pattern.fullmatch(identity) is not None

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        parts = re.split(r"(\*\*|\*)", self.identity)
        wild = {"**": ".*", "*": "[^/]*"}
        return re.compile("".join(wild.get(part, re.escape(part)) for part in parts), re.DOTALL)


@dataclass(frozen=True)
class NotarySigner:
    """Whoever a trust policy of the Notary Project names."""

    name: str
    policy: "TrustPolicy" = field(repr=False)


Signer = KeySigner | KeylessSigner | NotarySigner


def check_signer(name: str, identity: str = "", issuer: str = "") -> None:
    """Raise Invalid for a name or a pattern that would trust more than its author can have meant."""
    if not _SIGNER.fullmatch(name):
        raise Invalid(
            "A signer is named with small letters, digits, dots and dashes.",
            remedy="Choose a name such as release-key.",
        )
    if len(identity) > MAX_PATTERN or len(issuer) > MAX_PATTERN:
        raise Invalid(f"Issuer and identity have at most {MAX_PATTERN} characters.")
    if identity and not identity.replace("*", "").strip("/"):
        raise Invalid(
            "This identity would trust everybody whom the issuer knows.",
            remedy="Name the person, the repository or the workflow: *@example.com, https://github.com/you/*/**.",
        )
    if identity.count("*") > 8:
        raise Invalid("An identity has at most eight stars.")


def matching(patterns: Iterable[str], repository: str) -> bool:
    """True if a repository is named by one of the patterns (`team/*`)."""
    return any(fnmatch.fnmatchcase(repository, pattern) for pattern in patterns)
