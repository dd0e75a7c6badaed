"""A repository as cosign 3.1.3 and notation 1.3.2 left it: each form is found once and counts for whom it should.

`stored_by_tools.json` holds what the registry stored: an image, signed twice and attested twice with cosign (as tags and
as bundles) and signed twice with notation (JWS and COSE). `make test-interop` signs anew with the tools themselves.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from pratique.core.errors import NotFound, Unavailable
from pratique.trust.signatures.collecting import collect
from pratique.trust.signatures.notation.policy import TrustStore, read_policy
from pratique.trust.signatures.signers import KeySigner, NotarySigner, Signer
from pratique.trust.signatures.types import MAX_PER_IMAGE, Image
from pratique.trust.signatures.verify import Answer, verify_all

STORED = json.loads((Path(__file__).parent / "stored_by_tools.json").read_text())
DIGEST = STORED["digest"]
CERTIFICATE = x509.load_pem_x509_certificate(STORED["notation.crt"].encode())
NOW = int(CERTIFICATE.not_valid_before_utc.timestamp() + 3600) * 1_000_000
FORMS = ["cosign", "dsse", "notation-cose", "notation-jws", "sigstore-bundle", "sigstore-bundle"]


class Stored:
    """The repository; places can be made to fail or to lie."""

    def __init__(self, failing: str = "", lies: dict[str, bytes] | None = None) -> None:
        self.documents = dict(self._all()) | (lies or {})
        self.failing = failing

    @staticmethod
    def _all() -> Iterator[tuple[str, bytes]]:
        for name, value in STORED["documents"].items():
            yield name, value.encode() if isinstance(value, str) else base64.b64decode(value["base64"])

    def _get(self, name: str) -> bytes:
        if self.failing and name.startswith(self.failing):
            raise Unavailable("the registry answered 500")
        if name not in self.documents:
            raise NotFound("it is not there")
        return self.documents[name]

    def manifest(self, reference: str) -> bytes:
        return self._get(f"manifests/{reference}")

    def referrers(self, digest: str) -> bytes:
        return self._get(f"referrers/{digest}")

    def blob(self, digest: str) -> bytes:
        return self._get(f"blobs/{digest}")


def key(name: str) -> KeySigner:
    return KeySigner(name, STORED[name].encode())


def notary(repository: str = "*") -> NotarySigner:
    statement = {
        "name": "ours",
        "registryScopes": [repository],
        "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:test"],
        "trustedIdentities": ["x509.subject: C=US, ST=WA, L=Seattle, O=Notary, CN=pratique.test"],
    }
    store = TrustStore({"ca:test": (CERTIFICATE,)})
    (one,) = read_policy({"version": "1.0", "trustPolicies": [statement]}, store)
    return NotarySigner("ours", one)


def answers(*signers: Signer, source: Stored | None = None, repository: str = STORED["repository"]) -> list[Answer]:
    source = source or Stored()
    found = collect(source, DIGEST)
    return list(verify_all(found.envelopes, Image(DIGEST, repository), signers, source.manifest(DIGEST), NOW))


def counting(found: list[Answer]) -> list[str]:
    return sorted(one.envelope.form.value for one in found if one.verified)


def test_every_form_is_found_once_and_counts_for_its_signer() -> None:
    found = answers(key("cosign.pub"), notary())
    assert counting(found) == FORMS
    says = sorted(one.verified.statement.predicate_type for one in found if one.verified and one.verified.statement)
    assert says == ["https://example.com/x", "https://spdx.dev/Document"]


def test_a_key_counts_for_what_it_signed_and_another_for_nothing() -> None:
    assert counting(answers(key("cosign.pub"))) == ["cosign", "dsse", "sigstore-bundle", "sigstore-bundle"]
    assert counting(answers(key("other.pub"))) == []
    assert counting(answers(notary())) == ["notation-cose", "notation-jws"]


def test_a_trust_policy_for_another_repository_does_not_count() -> None:
    assert counting(answers(notary("registry.example/other/app"))) == []


def test_a_plain_signature_is_for_its_repository_alone() -> None:
    assert "cosign" not in counting(answers(key("cosign.pub"), repository="registry.example/copy/app"))


def test_what_the_referrers_interface_lists_is_found_too() -> None:
    fallback = f"manifests/{DIGEST.replace(':', '-')}"
    index = Stored().documents[fallback]
    source = Stored(lies={f"referrers/{DIGEST}": index})
    del source.documents[fallback]
    assert counting(answers(key("cosign.pub"), notary(), source=source)) == FORMS


@pytest.mark.parametrize("place", ["referrers/", f"manifests/{DIGEST.replace(':', '-')}.sig", "blobs/"])
def test_what_could_not_be_looked_at_is_named(place: str) -> None:
    found = collect(Stored(failing=place), DIGEST)
    assert found.unread
    assert "500" in found.unread[0]


def test_an_image_beside_which_nothing_lies_is_unsigned_and_everywhere_was_looked() -> None:
    found = collect(Stored(), "sha256:" + "0" * 64)
    assert (found.envelopes, found.unread, found.more) == ((), (), False)


def test_a_registry_that_gives_other_bytes_than_the_digest_says_adds_nothing() -> None:
    lies = {name: b"{}" for name in Stored().documents if name.startswith(("blobs/", "manifests/sha256:"))}
    assert collect(Stored(lies=lies), DIGEST).envelopes == ()


@pytest.mark.parametrize("size", [MAX_PER_IMAGE + 1, 100_000])
def test_endless_signatures_end_at_the_limit(size: int) -> None:
    tag = f"manifests/{DIGEST.replace(':', '-')}.sig"
    body: dict[str, Any] = json.loads(Stored().documents[tag])
    body["layers"] *= size
    found = collect(Stored(lies={tag: json.dumps(body).encode()}), DIGEST)
    assert found.more
    assert len(found.envelopes) == MAX_PER_IMAGE
