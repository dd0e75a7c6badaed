"""Reads a trust store of the Notary Project from a folder (trust store specification, directory structure)."""

from pathlib import Path

from cryptography import x509

from pratique.core.errors import Invalid
from pratique.trust.signatures.notation.policy import TrustStore

_KINDS = ("ca", "signingAuthority", "tsa")
MAX_FILE = 1 << 20


def read_store(folder: Path) -> TrustStore:
    """Return the certificates of `folder`/x509/KIND/NAME; raises Invalid for links, and for what is no root.

    Folders below a store are ignored, as the specification asks.
    """
    stores: dict[str, tuple[x509.Certificate, ...]] = {}
    for kind in _KINDS:
        base = folder / "x509" / kind
        for store in sorted(base.iterdir()) if base.is_dir() else []:
            if store.is_symlink():
                raise _wrong(store, "is a link, which could lead anywhere")
            if store.is_dir():
                stores[f"{kind}:{store.name}"] = tuple(
                    one for file in sorted(store.iterdir()) if not file.is_dir() for one in _certificates(file)
                )
    return TrustStore(stores)


def _certificates(file: Path) -> list[x509.Certificate]:
    if file.is_symlink():
        raise _wrong(file, "is a link, which could lead anywhere")
    if file.stat().st_size > MAX_FILE:
        raise _wrong(file, "is too large")
    content = file.read_bytes()
    try:
        if b"-----BEGIN" in content:
            found = x509.load_pem_x509_certificates(content)
        else:
            found = [x509.load_der_x509_certificate(content)]
    except ValueError:
        raise _wrong(file, "holds no certificate") from None
    for one in found:
        if one.subject != one.issuer and not _authority(one):
            raise _wrong(file, "holds a certificate that is neither an authority nor its own root")
    return found


def _authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _wrong(path: Path, what: str) -> Invalid:
    return Invalid(f"The trust store cannot be used: {path} {what}.", remedy="Put plain certificate files there.")
