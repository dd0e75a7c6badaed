"""Client secrets: 256 random bits in words that no shell changes, kept only as a keyed hash.

A generated secret cannot be guessed, so it needs no slow hash; and the key of the hash is not in the database, so a
copy of the database does not even allow to check a guess.
"""

import hmac
import secrets
from collections.abc import Iterable

from pratique.core.keys.types import KeyClient, Purpose
from pratique.core.sealed import associated_data

PREFIX = "pqs_"
MAX_LENGTH = 256
_NOBODY = "00000000-0000-7000-8000-00000000ffff"
_NO_PROOF = bytes(32)


def new_secret() -> str:
    """A fresh secret of 256 bits: `pqs_` and 43 of A-Z a-z 0-9 _ -; secret scanners can find it."""
    return PREFIX + secrets.token_urlsafe(32)


def proof_of(keys: KeyClient, principal_id: str, secret: str) -> bytes:
    """The keyed hash that is stored; it holds for one principal only."""
    return keys.hmac(Purpose.CREDENTIAL, associated_data([principal_id, secret[:MAX_LENGTH]]))


def matching(keys: KeyClient, principal_id: str | None, secret: str, proofs: Iterable[tuple[str, bytes]]) -> str | None:
    """The id of the credential that the secret proves, or None; the same work whether or not the principal exists."""
    proof = proof_of(keys, principal_id or _NOBODY, secret)
    found = None
    for credential_id, stored in [*proofs, ("", _NO_PROOF)]:
        if hmac.compare_digest(stored, proof) and credential_id:
            found = credential_id
    return found if principal_id is not None and secret else None
