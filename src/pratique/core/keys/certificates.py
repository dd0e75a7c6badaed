"""Certificates of the installation's own CA: name-constrained, and nothing but servers below it.

The certificate authority can only vouch for the names it was made for, so trusting it does not put the rest of the
web into its hands. Requests give a public key and nothing else; the certificate that was made is checked, not the
request (RFC 5280, sections 4.2.1.6 and 4.2.1.10).
"""

import datetime as dt
import ipaddress
import re
from collections.abc import Iterable, Sequence

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pratique.core.errors import Invalid
from pratique.core.keys.errors import KeyUseRefused

AUTHORITY_LIFE = dt.timedelta(days=3650)
SERVER_LIFE = dt.timedelta(days=90)
_SKEW = dt.timedelta(hours=1)
_REQUEST_LIMIT = 16 * 1024
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_HOST = re.compile(rf"(?=.{{1,253}}\Z)(?:\*\.)?{_LABEL}(?:\.{_LABEL})*")


def make_authority(key: ec.EllipticCurvePrivateKey, installation: str, names: Sequence[str], now: int) -> bytes:
    """Return the DER of a CA certificate that can vouch for these names, what is below them, and nothing else."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Pratique"),
            x509.NameAttribute(NameOID.COMMON_NAME, f"Pratique CA {installation[:8]}"),
        ]
    )
    start = _time(now)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _SKEW)
        .not_valid_after(start + AUTHORITY_LIFE)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_constraints(names), critical=True)
    )
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def issue_server(
    authority: x509.Certificate, key: ec.EllipticCurvePrivateKey, request_pem: bytes, hosts: Sequence[str], now: int
) -> bytes:
    """Return the PEM of a server certificate for the request's key and these hosts, all inside the CA's constraints."""
    public_key = _public_key_of(request_pem)
    start = _time(now)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Pratique server")]))
        .issuer_name(authority.subject)
        .public_key(public_key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start - _SKEW)
        .not_valid_after(min(start + SERVER_LIFE, authority.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public_key), critical=False)
        .add_extension(_authority_id(authority), critical=False)
        .sign(key, hashes.SHA256())
    )
    _require_inside(certificate, authority)
    return certificate.public_bytes(serialization.Encoding.PEM)


def covers(authority: x509.Certificate, names: Iterable[str]) -> bool:
    """True when the CA's constraints permit every one of the names."""
    permitted = _permitted(authority)
    return all(_inside(_general_name(name), permitted) for name in names)


def host_name(text: str) -> str | None:
    """The canonical form of a host name, or None when it is none that a certificate can hold."""
    lowered = text.lower().rstrip(".") if text.isascii() else ""
    return lowered if _HOST.fullmatch(lowered) and not lowered.replace(".", "").isdigit() else None


def _permitted(authority: x509.Certificate) -> Sequence[x509.GeneralName]:
    constraints = authority.extensions.get_extension_for_class(x509.NameConstraints).value
    return constraints.permitted_subtrees or []


def _constraints(names: Sequence[str]) -> x509.NameConstraints:
    permitted: list[x509.GeneralName] = []
    for name in dict.fromkeys(names):
        general = _general_name(name)
        if isinstance(general, x509.IPAddress):
            permitted.append(x509.IPAddress(ipaddress.ip_network(str(general.value))))
        else:
            permitted.append(general)
    if not any(isinstance(name, x509.DNSName) for name in permitted):
        raise Invalid("A certificate authority needs at least one host name.")
    if not any(isinstance(name, x509.IPAddress) for name in permitted):
        # Without any permitted address, every address would be permitted.
        permitted.append(x509.IPAddress(ipaddress.ip_network("127.0.0.1")))
    return x509.NameConstraints(permitted_subtrees=permitted, excluded_subtrees=None)


def _inside(name: x509.GeneralName, permitted: Iterable[x509.GeneralName]) -> bool:
    if isinstance(name, x509.IPAddress):
        address = ipaddress.ip_network(str(name.value))
        return any(isinstance(p, x509.IPAddress) and p.value == address for p in permitted)
    host = str(name.value).removeprefix("*.")
    roots = [p.value for p in permitted if isinstance(p, x509.DNSName)]
    return any(host == root or host.endswith("." + root) for root in roots)


def _require_inside(certificate: x509.Certificate, authority: x509.Certificate) -> None:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    permitted = _permitted(authority)
    outside = [name for name in names if not _inside(name, permitted)]
    if outside or not len(names):
        raise KeyUseRefused(
            "The certificate authority of this installation may not vouch for "
            + (", ".join(str(name.value) for name in outside[:3]) or "no host at all")
            + ".",
            remedy="Set server.domain or server.extra_hosts, start again, and run pratique trust install.",
        )


def _general_name(host: str) -> x509.DNSName | x509.IPAddress:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        pass
    name = host_name(host)
    if name is None:
        raise Invalid(f"{host[:80]!r} is neither a host name nor an address.")
    return x509.DNSName(name)


def _public_key_of(request_pem: bytes) -> ec.EllipticCurvePublicKey | rsa.RSAPublicKey:
    try:
        request = x509.load_pem_x509_csr(request_pem[:_REQUEST_LIMIT])
        key = request.public_key()
        valid = request.is_signature_valid
    except Exception:  # noqa: BLE001 - whatever is wrong with foreign bytes, the answer is the same
        raise Invalid("This is not a certificate request.") from None
    strong = (isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1")) or (
        isinstance(key, rsa.RSAPublicKey) and 2048 <= key.key_size <= 4096
    )
    if not valid or not strong:
        raise Invalid("The certificate request is not signed by a key of a kind that is accepted here.")
    assert isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey)  # noqa: S101 - `strong` says so
    return key


def _authority_id(authority: x509.Certificate) -> x509.AuthorityKeyIdentifier:
    subject_id = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    return x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(subject_id)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _time(now: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(now // 1_000_000, tz=dt.UTC)
