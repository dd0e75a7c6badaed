"""Time stamps of RFC 3161 over Notary Project signatures: the instant that somebody trusted vouches for."""

from collections.abc import Sequence

from cryptography import x509
from rfc3161_client import VerificationError, VerifierBuilder, decode_timestamp_response

from pratique.core.clock import SECOND
from pratique.trust.signatures.types import Failing, Rejected

_GRANTED = bytes.fromhex("3003020100")
"""PKIStatusInfo with the status granted (RFC 3161, 2.4.2)."""


def timestamped_at(token: bytes, signature: bytes, authorities: Sequence[x509.Certificate]) -> int:
    """Return the microseconds at which a trusted authority saw the signature; raises Rejected."""
    try:
        response = decode_timestamp_response(_sequence(_GRANTED + token))
    except ValueError:
        raise Rejected(Failing.NO_TIME, "the time stamp cannot be read") from None
    for authority in authorities:
        verifier = VerifierBuilder().add_root_certificate(authority).build()
        try:
            verifier.verify_message(response, signature)
        except (VerificationError, ValueError):
            continue
        return int(response.tst_info.gen_time.timestamp()) * SECOND
    raise Rejected(Failing.NO_TIME, "the time stamp is of no authority in the trust store, or of another signature")


def _sequence(content: bytes) -> bytes:
    """Wrap DER in a SEQUENCE: a stored token lacks the status that a response begins with."""
    length = len(content)
    if length < 0x80:
        return b"\x30" + bytes([length]) + content
    size = length.to_bytes((length.bit_length() + 7) // 8)
    return b"\x30" + bytes([0x80 | len(size)]) + size + content
