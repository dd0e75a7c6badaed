"""Signatures as their tools write them, made here so that one thing at a time can be wrong with them."""

import base64
import datetime as dt
import json
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pratique.trust.signatures.notation.types import EXPIRY, PAYLOAD_TYPE, SCHEME, SIGNING_TIME, Scheme
from pratique.trust.signatures.signers import KeySigner
from pratique.trust.signatures.types import Envelope, Form

NOW = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
MICROS = int(NOW.timestamp()) * 1_000_000


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


def url_encoded(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).decode().rstrip("=")


def new_key(curve: ec.EllipticCurve | None = None) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(curve or ec.SECP256R1())


def signer(key: ec.EllipticCurvePrivateKey, name: str = "release") -> KeySigner:
    return KeySigner(name, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))


def simple(key: ec.EllipticCurvePrivateKey, payload: bytes, **notes: str) -> Envelope:
    return Envelope(Form.SIMPLE_SIGNING, payload, key.sign(payload, ec.ECDSA(hashes.SHA256())), notes)


def statement(digest: str, predicate_type: str = "https://spdx.dev/Document", **more: Any) -> bytes:
    body = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "app", "digest": dict([digest.split(":", 1)])}],
        "predicateType": predicate_type,
        "predicate": {},
        **more,
    }
    return json.dumps(body).encode()


def dsse(key: ec.EllipticCurvePrivateKey, payload: bytes, kind: str = "application/vnd.in-toto+json") -> dict[str, Any]:
    signed = b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)
    signature = key.sign(signed, ec.ECDSA(hashes.SHA256()))
    return {"payload": encoded(payload), "payloadType": kind, "signatures": [{"sig": encoded(signature)}]}


def attestation(value: dict[str, Any]) -> Envelope:
    return Envelope(Form.DSSE, json.dumps(value).encode())


def bundle(content: dict[str, Any], **more: Any) -> Envelope:
    body = {
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {"publicKey": {"hint": ""}},
        **content,
        **more,
    }
    return Envelope(Form.BUNDLE, json.dumps(body).encode())


@dataclass
class Party:
    """A signing certificate with its chain, of which each part can be made wrong."""

    name: str = "acme"
    starts: dt.datetime = NOW - dt.timedelta(days=1)
    ends: dt.datetime = NOW + dt.timedelta(days=30)
    usages: tuple[x509.ObjectIdentifier, ...] = (ExtendedKeyUsageOID.CODE_SIGNING,)
    leaf_ca: bool = False
    root_key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    revocable: bool = False

    def __post_init__(self) -> None:
        self.root = self._certificate(self._subject("root"), self.root_key, ca=True)
        self.leaf = self._certificate(self._subject(self.name), self.key, ca=self.leaf_ca)

    def _subject(self, name: str) -> x509.Name:
        parts = {NameOID.COUNTRY_NAME: "SE", NameOID.STATE_OR_PROVINCE_NAME: "Skane", NameOID.ORGANIZATION_NAME: name}
        return x509.Name([x509.NameAttribute(oid, value) for oid, value in parts.items()])

    def _certificate(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, *, ca: bool) -> x509.Certificate:
        root = subject == self._subject("root")
        usage = x509.KeyUsage(
            digital_signature=not ca, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=ca, crl_sign=False, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._subject("root"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW - dt.timedelta(days=900) if root else self.starts)
            .not_valid_after(NOW + dt.timedelta(days=900) if root else self.ends)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(usage, critical=True)
        )
        if not root:
            made = made.add_extension(x509.ExtendedKeyUsage(self.usages), critical=False)
        if self.revocable and not root:
            where = [x509.UniformResourceIdentifier("http://revoked.invalid/list.crl")]
            made = made.add_extension(
                x509.CRLDistributionPoints([x509.DistributionPoint(where, None, None, None)]), critical=False
            )
        return made.sign(self.root_key, hashes.SHA256())

    @property
    def chain(self) -> list[bytes]:
        return [one.public_bytes(Encoding.DER) for one in (self.leaf, self.root)]


def target(digest: str, size: int) -> bytes:
    kind = "application/vnd.oci.image.manifest.v1+json"
    return json.dumps({"targetArtifact": {"mediaType": kind, "digest": digest, "size": size}}).encode()


def raw_signature(key: ec.EllipticCurvePrivateKey, signed: bytes) -> bytes:
    r, s = decode_dss_signature(key.sign(signed, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32) + s.to_bytes(32)


def jws(
    party: Party, payload: bytes, *, expiry: dt.datetime | None = None, scheme: str = Scheme.X509.value, **changed: Any
) -> Envelope:
    critical = [SCHEME] + ([EXPIRY] if expiry else [])
    protected = {"alg": "ES256", "cty": PAYLOAD_TYPE, "crit": critical, SCHEME: scheme,
                 SIGNING_TIME: NOW.isoformat()}  # fmt: skip
    protected |= ({EXPIRY: expiry.isoformat()} if expiry else {}) | changed
    head, body = url_encoded(json.dumps(protected).encode()), url_encoded(payload)
    signature = raw_signature(party.key, f"{head}.{body}".encode())
    value = {"payload": body, "protected": head, "header": {"x5c": [encoded(one) for one in party.chain]},
             "signature": url_encoded(signature)}  # fmt: skip
    return Envelope(Form.JWS, json.dumps(value).encode())


def cose(party: Party, payload: bytes, **changed: Any) -> Envelope:
    protected: dict[Any, Any] = {1: -7, 2: [SCHEME], 3: PAYLOAD_TYPE, SCHEME: Scheme.X509.value,
                                 SIGNING_TIME: cbor2.CBORTag(1, int(NOW.timestamp()))}  # fmt: skip
    protected |= changed
    head = cbor2.dumps(protected)
    signature = raw_signature(party.key, cbor2.dumps(["Signature1", head, b"", payload]))
    return Envelope(Form.COSE, cbor2.dumps(cbor2.CBORTag(18, [head, {33: party.chain}, payload, signature])))
