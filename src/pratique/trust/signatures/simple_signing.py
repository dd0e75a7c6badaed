"""The payload of cosign's simple signing: which image in which repository was meant. Pure."""

import json
from collections.abc import Mapping
from typing import Any

from pratique.trust.signatures.dsse import read_object
from pratique.trust.signatures.types import Failing, Image, Rejected

MEDIA_TYPE = "application/vnd.dev.cosign.simplesigning.v1+json"
TYPE = "cosign container image signature"


def check_payload(payload: bytes, image: Image) -> None:
    """Return if the payload is about the image; raises Rejected otherwise (cosign, signature specification)."""
    critical = _part(read_object(payload, "the signed payload"), "critical")
    if critical.get("type") != TYPE:
        raise Rejected(Failing.MALFORMED, "the payload is of another type than a container image signature")
    if _part(critical, "image").get("docker-manifest-digest") != image.digest:
        raise Rejected(Failing.WRONG_DIGEST, "the signature is about another digest than this image")
    reference = _part(critical, "identity").get("docker-reference")
    if image.repository and reference and repository_of(str(reference)) != image.repository:
        raise Rejected(
            Failing.WRONG_REPOSITORY, f"the signature is for {str(reference)[:100]!r}, not for {image.repository}"
        )


def payload_for(digest: str, reference: str) -> bytes:
    """Return what is to be signed for an image in a repository; keys in the order in which cosign writes them."""
    critical = {
        "identity": {"docker-reference": reference},
        "image": {"docker-manifest-digest": digest},
        "type": TYPE,
    }
    return json.dumps({"critical": critical, "optional": None}, separators=(",", ":")).encode()


def repository_of(reference: str) -> str:
    """Return the reference without tag and digest."""
    plain = reference.split("@", 1)[0]
    head, slash, last = plain.rpartition("/")
    return f"{head}{slash}{last.split(':', 1)[0]}"


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = value.get(name)
    if not isinstance(part, dict):
        raise Rejected(Failing.MALFORMED, f"the payload has no {name!r}")
    return part
