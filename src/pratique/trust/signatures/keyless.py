"""Signatures by identity: certificates of a Fulcio that lived for minutes, proven by a log or a time stamp.

The library of the sigstore project checks certificate, log entry and time against a root of trust that the installation
keeps itself; nothing is fetched.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any

from cryptography import x509
from cryptography.hazmat import asn1

from pratique.core.clock import SECOND
from pratique.core.errors import Invalid
from pratique.trust.signatures.types import Failing, Rejected

if TYPE_CHECKING:
    from sigstore.models import Bundle
    from sigstore.verify import Verifier

_ISSUER_V1 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.1")
_ISSUER_V2 = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")


@dataclass(frozen=True)
class TrustRoot:
    """A `trusted_root.json`: authorities, logs and time stampers with the spans in which each was valid."""

    document: bytes = field(repr=False)

    @cached_property
    def verifier(self) -> "Verifier":
        """The verifier over this root, built once: building costs more than verifying."""
        from sigstore.models import TrustedRoot
        from sigstore.verify import Verifier

        try:
            return Verifier(trusted_root=TrustedRoot(_inner_root(self.document)))
        except Exception as error:  # the library lets errors of every parser through
            raise Invalid(
                "This is no root of trust of the sigstore project.",
                remedy="Give a trusted_root.json with certificate authorities and transparency logs.",
            ) from error


def _inner_root(document: bytes) -> Any:
    from sigstore_models.trustroot.v1 import TrustedRoot as Inner

    return Inner.from_json(document)


@dataclass(frozen=True, slots=True)
class Identity:
    """Whom a certificate names."""

    issuer: str
    name: str


def identity_of(certificate: x509.Certificate) -> Identity:
    """Return whom a Fulcio certificate names; raises Rejected where it names nobody (Fulcio, OID 1.3.6.1.4.1.57264)."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        plain = [
            str(name.value) for name in names if isinstance(name, x509.RFC822Name | x509.UniformResourceIdentifier)
        ]
        other = [asn1.decode_der(str, name.value) for name in names if isinstance(name, x509.OtherName)]
        found = plain or other
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        raise Rejected(Failing.CERTIFICATE, "the certificate names nobody") from None
    if len(found) != 1:
        raise Rejected(Failing.CERTIFICATE, "the certificate does not name exactly one identity")
    return Identity(_issuer(certificate), found[0])


def _issuer(certificate: x509.Certificate) -> str:
    for oid, plain in ((_ISSUER_V2, False), (_ISSUER_V1, True)):
        try:
            value = certificate.extensions.get_extension_for_oid(oid).value
        except x509.ExtensionNotFound:
            continue
        raw = value.value if isinstance(value, x509.UnrecognizedExtension) else b""
        try:
            return raw.decode() if plain else asn1.decode_der(str, raw)
        except ValueError:
            break
    raise Rejected(Failing.CERTIFICATE, "the certificate does not say who vouched for its identity")


class _Anybody:
    """The policy of the library that asks nothing: whom the certificate names is compared afterwards, by us."""

    def verify(self, cert: x509.Certificate) -> None:
        identity_of(cert)


def certificate_of(content: bytes) -> x509.Certificate:
    """Return the certificate in a bundle, before anything is believed; raises Rejected."""
    return _bundle(content).signing_certificate


def check_bundle(root: TrustRoot, content: bytes, artifact: bytes | None) -> int | None:
    """Verify a bundle against a root and return the microseconds at which the log took it, if it says; raises Rejected.

    `artifact` is what was signed where the bundle holds no envelope of its own.
    """
    from sigstore.errors import Error

    bundle = _bundle(content)
    try:
        if artifact is None:
            root.verifier.verify_dsse(bundle, _Anybody())
        else:
            root.verifier.verify_artifact(artifact, bundle, _Anybody())
    except Rejected:
        raise
    except Error as error:
        raise Rejected(_failing(str(error)), str(error)[:300]) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise Rejected(Failing.MALFORMED, f"the bundle cannot be verified: {type(error).__name__}") from None
    return _time_of(bundle)


def _time_of(bundle: "Bundle") -> int | None:
    """Seconds at which the log took the entry; a time stamp proves the time as well but is not shown."""
    integrated = bundle.log_entry._inner.integrated_time  # noqa: SLF001 - the library shows it nowhere else
    if not integrated:
        return None
    return int(datetime.fromtimestamp(integrated, tz=UTC).timestamp()) * SECOND


def _bundle(content: bytes) -> "Bundle":
    from sigstore.errors import Error
    from sigstore.models import Bundle, InvalidBundle

    try:
        return Bundle.from_json(content)
    except (InvalidBundle, Error) as error:
        raise Rejected(Failing.MALFORMED, f"the bundle cannot be read: {error}"[:300]) from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise Rejected(Failing.MALFORMED, f"the bundle cannot be read: {type(error).__name__}") from None


def _failing(text: str) -> Failing:
    """The word for what the library says in a sentence."""
    lowered = text.lower()
    if "time" in lowered and ("not enough" in lowered or "timestamp" in lowered):
        return Failing.NO_TIME
    if "expired" in lowered or "validity" in lowered:
        return Failing.EXPIRED
    if "log" in lowered or "inclusion" in lowered or "checkpoint" in lowered:
        return Failing.NOT_LOGGED
    if "certificate" in lowered or "sct" in lowered or "usage" in lowered:
        return Failing.CERTIFICATE
    return Failing.BAD_SIGNATURE
