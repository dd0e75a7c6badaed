"""Verifies what is stored beside an image: each signature counts for a named signer, or says why it does not."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pratique.trust.signatures.bundles import first_key, verify_bundle
from pratique.trust.signatures.dsse import read_dsse, read_object
from pratique.trust.signatures.signers import KeySigner, Signer
from pratique.trust.signatures.simple_signing import check_payload
from pratique.trust.signatures.statements import read_statement
from pratique.trust.signatures.types import (
    MAX_ENVELOPE,
    MAX_PER_IMAGE,
    Envelope,
    Failing,
    Form,
    Image,
    Rejected,
    Verified,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one signature."""

    envelope: Envelope
    verified: Verified | None
    failing: Failing | None = None
    why: str = ""


def verify_all(
    envelopes: Sequence[Envelope], image: Image, signers: Sequence[Signer], manifest: bytes, now: int
) -> Iterator[Answer]:
    """Yield an answer for each signature, in order; what is beyond the limits is named and not looked at."""
    for position, envelope in enumerate(envelopes):
        if position >= MAX_PER_IMAGE:
            why = f"more than {MAX_PER_IMAGE} signatures are stored beside the image"
            yield Answer(envelope, None, Failing.TOO_MANY, why)
            continue
        try:
            yield Answer(envelope, verify(envelope, image, signers, manifest, now))
        except Rejected as rejected:
            yield Answer(envelope, None, rejected.failing, rejected.why)


def verify(envelope: Envelope, image: Image, signers: Sequence[Signer], manifest: bytes, now: int) -> Verified:
    """Return who signed; raises Rejected. Pure: `now` (microseconds) is the only time that is asked."""
    if len(envelope.content) > MAX_ENVELOPE:
        raise Rejected(Failing.TOO_LARGE, f"the signature is larger than {MAX_ENVELOPE} bytes")
    if envelope.form is Form.BUNDLE:
        return verify_bundle(envelope.content, image, signers, manifest)
    keys = [signer for signer in signers if isinstance(signer, KeySigner)]
    if envelope.form is Form.SIMPLE_SIGNING:
        return _simple(envelope, image, keys)
    if envelope.form is Form.DSSE:
        return _attested(envelope, image, keys)
    from pratique.trust.signatures.notation.verify import verify_notation

    return verify_notation(envelope, image, signers, manifest, now)


def _simple(envelope: Envelope, image: Image, keys: Sequence[KeySigner]) -> Verified:
    if "dev.sigstore.cosign/certificate" in envelope.annotations:
        raise Rejected(
            Failing.NOT_LOGGED,
            "a signature by identity counts as a sigstore bundle alone, which holds the proof of the log: sign with "
            "cosign 3, or with cosign 2 and --new-bundle-format",
        )
    signer = first_key(keys, (envelope.signature,), envelope.content)
    check_payload(envelope.content, image)
    return Verified(Form.SIMPLE_SIGNING, signer.name, signer.fingerprint)


def _attested(envelope: Envelope, image: Image, keys: Sequence[KeySigner]) -> Verified:
    dsse = read_dsse(read_object(envelope.content, "the envelope"))
    signer = first_key(keys, dsse.signatures, dsse.signed)
    return Verified(Form.DSSE, signer.name, signer.fingerprint, statement=read_statement(dsse, image))
