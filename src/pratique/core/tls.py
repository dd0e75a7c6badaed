"""TLS of the installation: its own CA with name constraints, one server certificate, renewed ahead of time.

The CA's private key stays in the key process. What lies in the folder `tls` is the CA's certificate (for clients to
trust), and the server's certificate and key (mode 0600).
"""

import datetime as dt
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from pratique.core.errors import Invalid, NotFound
from pratique.core.keys.certificates import covers, host_name
from pratique.core.keys.operations import fingerprint
from pratique.core.keys.types import KeyClient
from pratique.core.private_files import write_private

__all__ = ["TlsState", "certified_hosts", "constrained_names", "ensure_certificate", "fingerprint", "renewal_due"]

_RENEW_AHEAD = dt.timedelta(days=30)
_ROLES = ("console", "registry", "login", "admission", "*.vault")
_LOOPBACK = ("127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class TlsState:
    """Files to serve with and to trust."""

    authority: Path
    certificate: Path
    key: Path
    fingerprint: str
    """Of the CA, in the form that openssl prints."""
    renewed: bool
    """The server certificate is new: tell the server to read it again."""


def ensure_certificate(
    keys: KeyClient, folder: Path, *, domain: str, extra_hosts: Sequence[str] = (), now: int, machine: str | None = None
) -> TlsState:
    """Make or renew what is missing, ends within thirty days, or lacks a name; otherwise change nothing.

    The CA is kept as long as it may vouch for every configured name, also when the machine's own name changes, so
    that clients need not trust a new one.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    machine = socket.gethostname() if machine is None else machine
    authority = _authority(keys, domain, extra_hosts, machine)
    state = TlsState(
        folder / "ca.pem", folder / "server.pem", folder / "server.key", fingerprint(authority), renewed=False
    )
    if not state.authority.exists() or state.authority.read_bytes() != authority:
        write_private(state.authority, authority)
        state.authority.chmod(0o644)
    hosts = certified_hosts(authority, domain, extra_hosts, machine)
    if not renewal_due(state, authority, hosts, now):
        return state
    _renew(keys, state, hosts)
    return TlsState(state.authority, state.certificate, state.key, state.fingerprint, renewed=True)


def constrained_names(domain: str, extra_hosts: Iterable[str]) -> list[str]:
    """The names that the CA must be able to vouch for; those below each of them are included."""
    return list(dict.fromkeys(["localhost", *_LOOPBACK, domain.lower(), *(host.lower() for host in extra_hosts)]))


def certified_hosts(authority: bytes, domain: str, extra_hosts: Iterable[str], machine: str) -> list[str]:
    """The names of the server certificate: this machine, the domain and its roles, and what settings add."""
    names = constrained_names(domain, extra_hosts)
    for base in dict.fromkeys(["localhost", domain.lower()]):
        names += [f"{role}.{base}" for role in _ROLES]
    own = host_name(machine)
    if own is not None and covers(x509.load_pem_x509_certificate(authority), [own]):
        names.append(own)
    return list(dict.fromkeys(names))


def renewal_due(state: TlsState, authority: bytes, hosts: Sequence[str], now: int) -> bool:
    """True when the certificate is missing, unusable, close to its end, from another CA or for other names."""
    try:
        certificate = x509.load_pem_x509_certificate(state.certificate.read_bytes())
        key = serialization.load_pem_private_key(state.key.read_bytes(), None)
        certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
    except Exception:  # noqa: BLE001 - whatever is wrong with the files, new ones are the remedy
        return True
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    held = {str(name.value) for name in names}
    present = dt.datetime.fromtimestamp(now // 1_000_000, tz=dt.UTC)
    return (
        held != set(hosts)
        or key.public_key() != certificate.public_key()
        or certificate.not_valid_after_utc - present < _RENEW_AHEAD
        or certificate.not_valid_before_utc > present
    )


def _authority(keys: KeyClient, domain: str, extra_hosts: Sequence[str], machine: str) -> bytes:
    required = constrained_names(domain, extra_hosts)
    try:
        authority = keys.authority()
        if covers(x509.load_pem_x509_certificate(authority), required):
            return authority
    except NotFound:
        pass
    own = host_name(machine)
    return keys.authority([*required, *([own] if own else [])])


def _renew(keys: KeyClient, state: TlsState, hosts: Sequence[str]) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    certificate = keys.issue_certificate(request.public_bytes(serialization.Encoding.PEM), hosts)
    if not certificate:
        raise Invalid("The key process issued no certificate.")
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # The key first: a certificate without its key is found and renewed at the next start.
    write_private(state.key, private)
    write_private(state.certificate, certificate)
