"""Verification of the audit log from the outside: the records, the second file, and the public keys."""

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from pratique.core.audit import Verification
from pratique.core.audit.verification import verify
from pratique.core.database import open_database
from pratique.core.keys.client import connect_keys, local_keys
from pratique.core.keys.errors import KeysUnavailable
from pratique.core.keys.types import PublicKey, Purpose, Role
from pratique.core.settings import Settings


def verify_audit(settings: Settings) -> Verification:
    """Verify the log of this installation, whether or not its server runs."""
    keys = {key.key_id: _loaded(key) for key in _public_keys(settings)}
    database = open_database(settings.database_url)
    try:
        sink = settings.data.directory / "audit" / "audit.jsonl"
        return verify(database, keys, sink if sink.exists() else None)
    finally:
        database.close()


def _public_keys(settings: Settings) -> list[PublicKey]:
    folder = settings.data.directory / "keys"
    running = connect_keys(folder, Role.ADMIN, patience=0.5)
    try:
        return list(running.public_keys(Purpose.AUDIT))
    except KeysUnavailable:
        stopped = local_keys(folder, Role.ADMIN, unseal_file=settings.keys.unseal_file)
        try:
            return list(stopped.public_keys(Purpose.AUDIT))
        finally:
            stopped.close()
    finally:
        running.close()


def _loaded(key: PublicKey) -> ec.EllipticCurvePublicKey:
    loaded = jwt.PyJWK(key.jwk, algorithm="ES256").key
    assert isinstance(loaded, ec.EllipticCurvePublicKey)  # noqa: S101 - the key process makes no others
    return loaded
