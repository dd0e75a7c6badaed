"""Client secrets: 256 random bits in words that no shell changes, kept only as a keyed hash.

A generated secret cannot be guessed, so it needs no slow hash; and the key of the hash is not in the database, so a
copy of the database does not even allow to check a guess.
"""

import asyncio
import hmac
import secrets
import time
from collections.abc import Iterable

from pratique.core.errors import Invalid
from pratique.core.keys.types import KeyClient, Purpose
from pratique.core.permissions import Caller
from pratique.core.sealed import associated_data
from pratique.identity.errors import LockedOut, SignInRefused
from pratique.identity.failures import Failures
from pratique.identity.ground import Ground
from pratique.identity.holdings import Rights
from pratique.identity.types import PrincipalName

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


class SecretProofs:
    """Proves service principals by name and secret, with the same work and the same answer for every wrong pair.

    A right secret is never locked out: it cannot be guessed, so wrong ones only make their sender wait.
    """

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._failures = Failures(ground.clock)

    def prove(self, name: str, secret: str, address: str) -> Caller:
        """Return the caller, or raise SignInRefused or LockedOut."""
        canonical = canonical_name(name)
        rights = self._ground.memory.named(canonical)
        credential_id = matching(
            self._ground.keys, rights.principal_id if rights else None, secret, rights.proofs if rights else ()
        )
        if rights is None or credential_id is None or not self._holds(rights, credential_id):
            raise self.refused(canonical, address)
        return Caller(rights.principal_id, rights.name, rights.kind, credential_id)

    def _holds(self, rights: Rights, credential_id: str) -> bool:
        return rights.active and rights.holds_credential(credential_id, self._ground.clock.now())

    def refused(self, name: str, address: str) -> SignInRefused | LockedOut:
        """Count a wrong try, and return what to raise for it."""
        wait = self._failures.note(name, address)
        if wait:
            return LockedOut("Too many wrong tries.", retry_after=wait, remedy="Check the name and the secret.")
        return SignInRefused(
            "Name and secret do not fit together, or the secret has ended.",
            remedy="An administrator makes a new one with: pratique principal rotate NAME",
        )


class EvenRefusals:
    """Lets every refusal come after the same time, so that its time tells nothing of why.

    What a refusal costs differs by reads that memory spares for names in use; it is far below this time.
    """

    def __init__(self, seconds: float = 0.02) -> None:
        self._seconds = seconds

    async def wait(self, began: float) -> None:
        """Return when the time has passed since `began`, a reading of `time.monotonic`; uses no CPU meanwhile."""
        await asyncio.sleep(max(0.0, self._seconds - (time.monotonic() - began)))


def canonical_name(name: str) -> str:
    """The canonical name; what is no name at all is answered like an unknown one."""
    try:
        return PrincipalName.parse(name).text
    except Invalid:
        return "?"
