"""What counts, and each thing that can be wrong with a signature: it then says what."""

import datetime as dt
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

from pratique.core.errors import Invalid
from pratique.trust.signatures.notation.policy import TrustStore, read_policy, statement_for
from pratique.trust.signatures.public_keys import load_public_key
from pratique.trust.signatures.signers import KeylessSigner, NotarySigner, check_signer
from pratique.trust.signatures.simple_signing import payload_for
from pratique.trust.signatures.types import MAX_ENVELOPE, MAX_PER_IMAGE, Envelope, Failing, Form, Image, Rejected
from pratique.trust.signatures.verify import verify, verify_all
from tests.trust.signatures.making import (
    MICROS,
    NOW,
    Party,
    attestation,
    bundle,
    cose,
    dsse,
    encoded,
    jws,
    new_key,
    signer,
    simple,
    statement,
    target,
)

MANIFEST = b'{"schemaVersion":2}'
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
OTHER = "sha256:" + "0" * 64
IMAGE = Image(DIGEST, "registry.example/team/app")
KEY = new_key()
PAYLOAD = payload_for(DIGEST, "registry.example/team/app")
PARTY = Party()
TARGET = target(DIGEST, len(MANIFEST))


def notary(
    party: Party = PARTY, identities: tuple[str, ...] = ("*",), level: str = "strict", **more: Any
) -> NotarySigner:
    value = {
        "name": "ours",
        "registryScopes": ["*"],
        "signatureVerification": {"level": level, **more},
        "trustStores": ["ca:ours"],
        "trustedIdentities": list(identities),
    }
    store = TrustStore({"ca:ours": (party.root,)})
    (one,) = read_policy({"version": "1.0", "trustPolicies": [value]}, store)
    return NotarySigner("ours", one)


def failing(envelope: Envelope, *signers: Any, image: Image = IMAGE) -> Failing:
    with pytest.raises(Rejected) as caught:
        verify(envelope, image, signers, MANIFEST, MICROS)
    assert caught.value.why
    return caught.value.failing


@pytest.mark.parametrize("curve", [ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()])
@pytest.mark.parametrize("own", [True, False])
def test_a_plain_signature_counts_for_its_key(curve: ec.EllipticCurve, own: bool) -> None:
    key = new_key(curve)
    strength = (
        {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}[curve.key_size] if own else hashes.SHA256()
    )
    made = Envelope(Form.SIMPLE_SIGNING, PAYLOAD, key.sign(PAYLOAD, ec.ECDSA(strength)))
    assert verify(made, IMAGE, [signer(new_key(), "other"), signer(key)], MANIFEST, MICROS).signer == "release"


def test_an_attestation_says_what_it_is_about() -> None:
    found = verify(attestation(dsse(KEY, statement(DIGEST))), IMAGE, [signer(KEY)], MANIFEST, MICROS)
    assert found.statement is not None
    assert found.statement.predicate_type == "https://spdx.dev/Document"
    assert found.statement.subjects == (DIGEST,)


def test_a_bundle_counts_by_envelope_and_over_the_manifest_itself() -> None:
    plain = {"messageSignature": {"signature": encoded(KEY.sign(MANIFEST, ec.ECDSA(hashes.SHA256())))}}
    enveloped = {"dsseEnvelope": dsse(KEY, statement(DIGEST, "https://sigstore.dev/cosign/sign/v1"))}
    for content in (plain, enveloped):
        assert verify(bundle(content), IMAGE, [signer(KEY)], MANIFEST, MICROS).statement is None


WRONG: dict[str, tuple[Callable[[], Envelope], Failing]] = {
    "another key": (lambda: simple(new_key(), PAYLOAD), Failing.UNKNOWN_SIGNER),
    "another digest": (lambda: simple(KEY, payload_for(OTHER, "registry.example/team/app")), Failing.WRONG_DIGEST),
    "another repository": (
        lambda: simple(KEY, payload_for(DIGEST, "registry.example/evil/app:1")), Failing.WRONG_REPOSITORY,
    ),
    "a repository that begins alike": (
        lambda: simple(KEY, payload_for(DIGEST, "registry.example/team/app2")), Failing.WRONG_REPOSITORY,
    ),
    "a digest that stands twice": (
        lambda: simple(KEY, PAYLOAD.replace(b'"type"', b'"image":{"docker-manifest-digest":"x"},"type"')),
        Failing.MALFORMED,
    ),
    "another type of payload": (
        lambda: simple(KEY, PAYLOAD.replace(b"cosign container", b"atomic container")), Failing.MALFORMED,
    ),
    "no payload at all": (lambda: simple(KEY, b"[]"), Failing.MALFORMED),
    "a certificate without a log": (
        lambda: Envelope(Form.SIMPLE_SIGNING, PAYLOAD, b"", {"dev.sigstore.cosign/certificate": "x"}), Failing.NOT_LOGGED,
    ),
    "an envelope that is too large": (
        lambda: Envelope(Form.DSSE, b"{" + b" " * MAX_ENVELOPE + b"}"), Failing.TOO_LARGE,
    ),
    "an attestation about something else": (lambda: attestation(dsse(KEY, statement(OTHER))), Failing.WRONG_DIGEST),
    "an attestation of another type": (
        lambda: attestation(dsse(KEY, statement(DIGEST), "application/json")), Failing.MALFORMED,
    ),
    "a payload changed after signing": (
        lambda: attestation(dsse(KEY, statement(OTHER)) | {"payload": encoded(statement(DIGEST))}),
        Failing.UNKNOWN_SIGNER,
    ),
    "a payload type moved into the payload": (
        lambda: attestation(dsse(KEY, statement(DIGEST)) | {"payloadType": "application/vnd.in-toto+jso"}),
        Failing.UNKNOWN_SIGNER,
    ),
    "endless signatures in one envelope": (
        lambda: attestation(dsse(KEY, statement(DIGEST)) | {"signatures": [{"sig": "AA=="}] * 17}), Failing.MALFORMED,
    ),
    "subjects without digests": (
        lambda: attestation(dsse(KEY, statement(DIGEST, subject=[{"name": "app"}]))), Failing.MALFORMED,
    ),
    "a bundle of both kinds": (
        lambda: bundle({"messageSignature": {}, "dsseEnvelope": {}}), Failing.MALFORMED,
    ),
    "a bundle of an unknown version": (
        lambda: bundle({"messageSignature": {}}, mediaType="application/vnd.dev.sigstore.bundle.v9+json"),
        Failing.MALFORMED,
    ),
    "a bundle with no material": (
        lambda: bundle({"messageSignature": {}}, verificationMaterial=None), Failing.MALFORMED,
    ),
    "a certificate that is none": (
        lambda: bundle(
            {"dsseEnvelope": dsse(KEY, statement(DIGEST))}, verificationMaterial={"certificate": {"rawBytes": "AAAA"}}
        ),
        Failing.MALFORMED,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_and_does_not_count(case: str) -> None:
    make, expected = WRONG[case]
    assert failing(make(), signer(KEY)) is expected


def test_hostile_bytes_of_every_form_are_refused_and_nothing_else() -> None:
    hostile = [b"", b"\xff\xfe", b"null", b"{}", b"[" * 100_000, b'{"a":' * 50_000, b"\xd2\x84\x9f", b"\xbf" * 3000]
    hostile += [json.dumps({"payload": "e30", "protected": "e30", "header": {"x5c": ["AA"]}, "signature": ""}).encode()]
    for form in Form:
        for content in hostile:
            with pytest.raises(Rejected):
                verify(Envelope(form, content), IMAGE, [signer(KEY), notary()], MANIFEST, MICROS)


def test_beyond_the_limit_signatures_are_named_and_not_looked_at() -> None:
    made = [simple(new_key(), PAYLOAD)] * MAX_PER_IMAGE + [simple(KEY, PAYLOAD)]
    answers = list(verify_all(made, IMAGE, [signer(KEY)], MANIFEST, MICROS))
    assert [one.failing for one in answers] == [Failing.UNKNOWN_SIGNER] * MAX_PER_IMAGE + [Failing.TOO_MANY]


def test_keys_of_weak_or_foreign_kinds_are_refused() -> None:
    weak = ec.generate_private_key(ec.SECP256K1())
    for pem in (b"no key", signer(weak).pem):
        with pytest.raises(Invalid) as caught:
            load_public_key(pem)
        assert caught.value.remedy


@pytest.mark.parametrize("make", [jws, cose])
def test_a_notary_signature_counts_under_its_policy(make: Callable[..., Envelope]) -> None:
    found = verify(
        make(PARTY, TARGET), IMAGE, [notary(identities=("x509.subject: C=SE, ST=Skane, O=acme",))], MANIFEST, MICROS
    )
    assert (found.signer, found.identity) == ("ours", "O=acme,ST=Skane,C=SE")


NOTARY_WRONG: dict[str, tuple[Callable[[], Envelope], Failing]] = {
    "another digest": (lambda: jws(PARTY, target(OTHER, len(MANIFEST))), Failing.WRONG_DIGEST),
    "another size": (lambda: cose(PARTY, target(DIGEST, 1)), Failing.WRONG_DIGEST),
    "a root that is not trusted": (lambda: jws(Party(), TARGET), Failing.UNKNOWN_SIGNER),
    "an algorithm that the key does not use": (lambda: jws(PARTY, TARGET, alg="ES384"), Failing.WRONG_ALGORITHM),
    "the algorithm none": (lambda: jws(PARTY, TARGET, alg="none"), Failing.WRONG_ALGORITHM),
    "an unknown critical header": (lambda: jws(PARTY, TARGET, crit=["x", "io.cncf.notary.signingScheme"]), Failing.MALFORMED),
    "no critical header": (lambda: jws(PARTY, TARGET, crit=[]), Failing.MALFORMED),
    "another type of payload": (lambda: jws(PARTY, TARGET, cty="application/json"), Failing.MALFORMED),
    "an unknown scheme": (lambda: jws(PARTY, TARGET, scheme="me"), Failing.MALFORMED),
    "an expired signature": (lambda: jws(PARTY, TARGET, expiry=NOW - dt.timedelta(hours=1)), Failing.EXPIRED),
    "a certificate for servers": (
        lambda: jws(Party(usages=(ExtendedKeyUsageOID.SERVER_AUTH,), root_key=PARTY.root_key), TARGET),
        Failing.CERTIFICATE,
    ),
    "an authority that signs itself": (
        lambda: jws(Party(leaf_ca=True, root_key=PARTY.root_key), TARGET), Failing.CERTIFICATE,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", NOTARY_WRONG)
def test_what_is_wrong_with_a_notary_signature_is_named(case: str) -> None:
    make, expected = NOTARY_WRONG[case]
    assert failing(make(), notary()) is expected


@pytest.mark.parametrize(("starts", "ends"), [(-9, -1), (1, 9)], ids=["ended", "not begun"])
def test_a_certificate_must_be_valid_where_nobody_vouches_for_the_time(starts: int, ends: int) -> None:
    party = Party(starts=NOW + dt.timedelta(days=starts), ends=NOW + dt.timedelta(days=ends))
    assert failing(jws(party, TARGET), notary(party)) is Failing.EXPIRED
    assert verify(jws(party, TARGET), IMAGE, [notary(party, level="permissive")], MANIFEST, MICROS).signer == "ours"


def test_revocation_that_cannot_be_asked_is_said_and_not_passed_over() -> None:
    party = Party(revocable=True)
    assert failing(cose(party, TARGET), notary(party)) is Failing.REVOCATION_UNKNOWN
    relaxed = notary(party, override={"revocation": "log"})
    assert verify(cose(party, TARGET), IMAGE, [relaxed], MANIFEST, MICROS).signer == "ours"


def test_another_identity_than_the_policy_names_does_not_count() -> None:
    assert (
        failing(jws(PARTY, TARGET), notary(identities=("x509.subject: C=SE, ST=Skane, O=acme2",)))
        is Failing.UNKNOWN_SIGNER
    )


POLICIES: dict[str, dict[str, Any]] = {
    "no version": {"version": "2.0"},
    "two statements of one name": {"trustPolicies": "twice"},
    "a wildcard inside a scope": {"registryScopes": ["registry.example/*"]},
    "a star beside a scope": {"registryScopes": ["*", "registry.example/a"]},
    "no trust store": {"trustStores": []},
    "an unknown store": {"trustStores": ["root:ours"]},
    "a subject without its state": {"trustedIdentities": ["x509.subject: C=SE, O=acme"]},
    "a star beside an identity": {"trustedIdentities": ["*", "x509.subject: C=SE, ST=S, O=a"]},
    "integrity switched off": {"signatureVerification": {"level": "strict", "override": {"integrity": "skip"}}},
    "an unknown level": {"signatureVerification": {"level": "lenient"}},
}


@pytest.mark.parametrize("case", POLICIES)
def test_a_trust_policy_that_the_specification_forbids_is_refused(case: str) -> None:
    change = POLICIES[case]
    value = {
        "name": "ours", "registryScopes": ["*"], "signatureVerification": {"level": "strict"},
        "trustStores": ["ca:ours"], "trustedIdentities": ["*"],
    }  # fmt: skip
    statements = [value, value] if change.get("trustPolicies") else [value | change]
    with pytest.raises(Invalid):
        read_policy({"version": change.get("version", "1.0"), "trustPolicies": statements}, TrustStore())


def test_the_exact_scope_comes_before_the_one_for_all() -> None:
    base = {"signatureVerification": {"level": "strict"}, "trustStores": ["ca:a"], "trustedIdentities": ["*"]}
    statements = read_policy(
        {
            "version": "1.0",
            "trustPolicies": [
                {"name": "all", "registryScopes": ["*"], **base},
                {"name": "one", "registryScopes": ["registry.example/team/app"], **base},
            ],
        },
        TrustStore(),
    )
    chosen = [statement_for(statements, name) for name in ("registry.example/team/app", "registry.example/b")]
    assert [one.name for one in chosen if one] == ["one", "all"]


def test_an_identity_matches_as_far_as_its_stars_go_and_no_further() -> None:
    one = KeylessSigner("ci", "https://issuer.example", "https://git.example/team/*/build@*", None)  # type: ignore[arg-type]
    assert one.matches("https://issuer.example", "https://git.example/team/app/build@main")
    for name in ("https://git.example/team/a/b/build@main", "https://git.example/team/app/build@x/y", "x"):
        assert not one.matches("https://issuer.example", name)
    assert not one.matches("https://issuer.example/", "https://git.example/team/app/build@main")


@pytest.mark.parametrize("identity", ["*", "**", "**/**", "*" * 9 + "a", "a" * 600])
def test_a_pattern_that_trusts_everybody_is_refused(identity: str) -> None:
    with pytest.raises(Invalid):
        check_signer("ci", identity, "https://issuer.example")
