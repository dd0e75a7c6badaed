"""In-toto statements: what an attestation is about and what it says. Pure."""

from collections.abc import Iterator, Mapping
from typing import Any

from pratique.trust.signatures.dsse import IN_TOTO, Dsse, read_object
from pratique.trust.signatures.types import Failing, Image, Rejected, Statement

_TYPES = frozenset({"https://in-toto.io/Statement/v1", "https://in-toto.io/Statement/v0.1"})
_ALGORITHMS = ("sha256", "sha512")
MAX_SUBJECTS = 1000

COSIGN_SIGN = "https://sigstore.dev/cosign/sign/v1"
"""Predicate of a plain signature of cosign 3: it says nothing beyond its subject."""

KNOWN = {
    COSIGN_SIGN: "signature",
    "https://slsa.dev/provenance/v0.2": "provenance",
    "https://slsa.dev/provenance/v1": "provenance",
    "https://spdx.dev/Document": "sbom",
    "https://cyclonedx.org/bom": "sbom",
    "https://cosign.sigstore.dev/attestation/vuln/v1": "vulnerability-report",
    "https://in-toto.io/attestation/vulns/v0.1": "vulnerability-report",
    "https://openvex.dev/ns": "vex",
    "https://openvex.dev/ns/v0.2.0": "vex",
    "https://slsa.dev/verification_summary/v1": "verification-summary",
}
"""What each predicate type is, in the words of policies; others are `other`."""


def read_statement(envelope: Dsse, image: Image) -> Statement:
    """Return the statement of a verified envelope if it is about the image; raises Rejected otherwise."""
    if envelope.payload_type != IN_TOTO:
        raise Rejected(Failing.MALFORMED, f"the payload is no in-toto statement but {envelope.payload_type[:80]!r}")
    body = read_object(envelope.payload, "the statement")
    if body.get("_type") not in _TYPES:
        raise Rejected(Failing.MALFORMED, "the statement is of no version that is known")
    kind = body.get("predicateType")
    if not isinstance(kind, str) or not kind:
        raise Rejected(Failing.MALFORMED, "the statement does not name its predicate")
    subjects = tuple(_subjects(body.get("subject")))
    if image.digest not in subjects:
        raise Rejected(Failing.WRONG_DIGEST, "the statement is about something else than this image")
    return Statement(kind, subjects, body.get("predicate"))


def _subjects(value: Any) -> Iterator[str]:
    if not isinstance(value, list) or not 1 <= len(value) <= MAX_SUBJECTS:
        raise Rejected(Failing.MALFORMED, f"the statement does not have between 1 and {MAX_SUBJECTS} subjects")
    for one in value:
        digests = one.get("digest") if isinstance(one, dict) else None
        if not isinstance(digests, Mapping):
            raise Rejected(Failing.MALFORMED, "a subject of the statement has no digest")
        for algorithm in _ALGORITHMS:
            if isinstance(digests.get(algorithm), str):
                yield f"{algorithm}:{digests[algorithm]}"
