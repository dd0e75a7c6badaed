"""What the key process does with each question: ask the table of grants first, then use the key.

Keys leave as a signature, a keyed hash, a certificate, or the one data key that the caller's role may unwrap.
"""

import hashlib
import hmac
import json
import threading
import uuid
from collections.abc import Callable

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from pratique.core.clock import Clock
from pratique.core.errors import Invalid, NotFound, PratiqueError
from pratique.core.keys.certificates import covers, issue_server, make_authority
from pratique.core.keys.errors import KeyUseRefused
from pratique.core.keys.grants import GRANTS, Operation
from pratique.core.keys.ring import KeyRecord, Ring, SealedFile, jwk_of, new_key
from pratique.core.keys.tokens import MAX_LIFE, OPERATOR_LIFE, compact, issuer_of
from pratique.core.keys.types import Purpose, Role, Signature
from pratique.core.keys.wire import Reply, Request
from pratique.core.permissions import OPERATOR

_ES256 = ec.ECDSA(hashes.SHA256())
_STATEMENT_TYPE = b"application/vnd.in-toto+json"
_BRACKETS = 256
"""Most objects and lists of a statement: its parser recurses, on the small stack of a connection's thread."""


class Operations:
    """Answers requests against one ring; safe to call from any thread, and never raises."""

    def __init__(self, file: SealedFile, clock: Clock) -> None:
        self._file = file
        self._clock = clock
        self._change = threading.Lock()
        self._ring = file.load_or_create(clock.now())
        self._loaded: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._handlers: dict[Operation, Callable[[Request], Reply]] = {
            Operation.AUTHORITY: self._authority,
            Operation.DISCARD: self._discard,
            Operation.HMAC: self._hmac,
            Operation.INSTALLATION: self._installation,
            Operation.ISSUE_CERTIFICATE: self._issue_certificate,
            Operation.OPERATOR_TOKEN: self._operator_token,
            Operation.PUBLIC_KEYS: self._public_keys,
            Operation.RENEW_AUTHORITY: self._renew_authority,
            Operation.ROTATE: self._rotate,
            Operation.SIGN: self._sign,
            Operation.SIGN_APPROVAL: self._sign_approval,
            Operation.UNWRAP: self._unwrap,
        }

    def __repr__(self) -> str:
        return "Operations()"

    def perform(self, role: Role, request: Request) -> Reply:
        """Answer one request of a caller with this role; what goes wrong becomes an error in the reply."""
        try:
            operation = _granted(role, request)
            return self._handlers[operation](request)
        except PratiqueError as error:
            return Reply(error=error.code, message=error.message, remedy=error.remedy)
        except Exception as error:  # noqa: BLE001 - the text of a foreign exception may hold what it worked on
            return Reply(error="internal", message=f"The key process failed at {type(error).__name__}.")

    def _sign(self, request: Request) -> Reply:
        record = self._record(Purpose(request.purpose), request.key_id)
        return _signed(self._sign_with(record, request.data))

    def _sign_approval(self, request: Request) -> Reply:
        _require_evidence(request)
        encoded = _pre_authentication(request.data)
        return _signed(self._sign_with(self._record(Purpose.APPROVAL, request.key_id), encoded))

    def _public_keys(self, request: Request) -> Reply:
        purpose = Purpose(request.purpose)
        return Reply(keys=[self._public(record) for record in self._alive(purpose).of(purpose)])

    def _hmac(self, request: Request) -> Reply:
        key = self._record(Purpose(request.purpose), None).material
        return Reply(data=hmac.digest(key, request.data, "sha256"))

    def _unwrap(self, request: Request) -> Reply:
        purpose = Purpose(request.purpose)
        if request.key_id is None:
            record = self._record(purpose, None)
            return Reply(data=record.material, text=record.key_id)
        older = next((key for key in self._ring.of(purpose) if key.key_id == request.key_id), None)
        if older is None:
            raise NotFound(f"There is no such key for {purpose}.", remedy="Restore the keys of this installation.")
        return Reply(data=older.material, text=older.key_id)

    def _installation(self, _: Request) -> Reply:
        return Reply(text=self._ring.installation)

    def _authority(self, _: Request) -> Reply:
        return Reply(data=_pem(self._authority_record().certificate))

    def _renew_authority(self, request: Request) -> Reply:
        with self._change:
            current = self._ring.active(Purpose.CA)
            if current and covers(x509.load_der_x509_certificate(current.certificate), request.names):
                return Reply(data=_pem(current.certificate))
            now = self._clock.now()
            record = new_key(Purpose.CA, now)
            certificate = make_authority(self._private(record), self._ring.installation, request.names, now)
            fresh = KeyRecord(Purpose.CA, record.key_id, now, "active", record.material, certificate)
            self._replace(self._ring.with_active(fresh))
            return Reply(data=_pem(certificate))

    def _issue_certificate(self, request: Request) -> Reply:
        record = self._authority_record()
        authority = x509.load_der_x509_certificate(record.certificate)
        key, now = self._private(record), self._clock.now()
        return Reply(data=issue_server(authority, key, request.data, request.names, now))

    def _operator_token(self, _: Request) -> Reply:
        record = self._record(Purpose.TOKEN, None)
        now = self._clock.now() // 1_000_000
        claims = {
            "iss": issuer_of(self._ring.installation),
            "sub": OPERATOR.principal_id,
            "aud": "management",
            "iat": now,
            "nbf": now,
            "exp": now + OPERATOR_LIFE,
            "jti": str(uuid.uuid4()),
            "cid": "admin-socket",
        }
        return Reply(text=compact(record.key_id, claims, lambda message: self._sign_with(record, message)))

    def _rotate(self, request: Request) -> Reply:
        with self._change:
            purpose = Purpose(request.purpose)
            record = new_key(purpose, self._clock.now())
            self._replace(self._alive(purpose).with_active(record))
            return Reply(text=record.key_id)

    def _discard(self, request: Request) -> Reply:
        """Forget the keys that were replaced: what they signed verifies nowhere any more."""
        with self._change:
            replaced = {key.key_id for key in self._ring.of(Purpose(request.purpose)) if key.state != "active"}
            if replaced:
                self._replace(self._ring.without(replaced))
            return Reply(text=str(len(replaced)))

    def _alive(self, purpose: Purpose) -> Ring:
        """The ring without keys for tokens whose last token has ended; other signatures are kept for good."""
        if purpose is not Purpose.TOKEN:
            return self._ring
        return self._ring.without_dead(purpose, self._clock.now(), MAX_LIFE)

    def _replace(self, ring: Ring) -> None:
        self._file.store(ring)
        self._ring = ring

    def _record(self, purpose: Purpose, key_id: str | None) -> KeyRecord:
        record = self._ring.active(purpose)
        if key_id is not None and (record is None or record.key_id != key_id):
            raise KeyUseRefused(f"That is not the active key for {purpose}.", remedy="Ask for its public keys again.")
        if record is None:
            raise NotFound(f"There is no key for {purpose}.")
        return record

    def _authority_record(self) -> KeyRecord:
        record = self._ring.active(Purpose.CA)
        if record is None:
            raise NotFound("This installation has no certificate authority yet.", remedy="Start it once: pratique up.")
        return record

    def _private(self, record: KeyRecord) -> ec.EllipticCurvePrivateKey:
        key = self._loaded.get(record.key_id)
        if key is None:
            loaded = serialization.load_der_private_key(record.material, None)
            if not isinstance(loaded, ec.EllipticCurvePrivateKey):
                raise KeyUseRefused("That key does not sign.")
            key = self._loaded[record.key_id] = loaded
        return key

    def _sign_with(self, record: KeyRecord, message: bytes) -> Signature:
        r, s = decode_dss_signature(self._private(record).sign(message, _ES256))
        return Signature(record.key_id, r.to_bytes(32, "big") + s.to_bytes(32, "big"))

    def _public(self, record: KeyRecord) -> dict[str, str]:
        public = self._private(record).public_key()
        return {**jwk_of(public), "kid": record.key_id, "alg": "ES256", "use": "sig"}


def _granted(role: Role, request: Request) -> Operation:
    try:
        operation = Operation(request.operation)
        purpose = Purpose(request.purpose) if request.purpose else None
    except ValueError:
        raise Invalid("The key process knows no such operation or purpose.") from None
    if (operation, purpose) not in GRANTS[role]:
        raise KeyUseRefused(
            f"The role {role} may not {operation} with keys for {purpose or 'anything'}.",
            remedy="docs/reference/keys.md lists what each role may do.",
        )
    return operation


def _require_evidence(request: Request) -> None:
    """Refuse a statement that does not itself name the decision and the digest it is signed for."""
    if request.data.count(b"[") + request.data.count(b"{") > _BRACKETS:
        raise Invalid(f"An approval has at most {_BRACKETS} objects and lists.")
    try:
        statement = json.loads(request.data)
        digests = [f"{kind}:{value}" for s in statement["subject"] for kind, value in s["digest"].items()]
        decision = statement["predicate"]["decision"]["id"]
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Invalid("An approval is an in-toto statement with a subject and a decision.") from None
    if not request.decision_id or decision != request.decision_id or digests != [request.digest]:
        raise KeyUseRefused("The approval does not name the decision and the digest that it is asked for.")


def _pre_authentication(statement: bytes) -> bytes:
    """What DSSE signs (secure-systems-lab/dsse:protocol.md)."""
    return b"DSSEv1 %d %s %d %s" % (len(_STATEMENT_TYPE), _STATEMENT_TYPE, len(statement), statement)


def _signed(signature: Signature) -> Reply:
    return Reply(data=signature.value, text=signature.key_id)


def _pem(certificate: bytes) -> bytes:
    return x509.load_der_x509_certificate(certificate).public_bytes(serialization.Encoding.PEM)


def fingerprint(certificate: bytes) -> str:
    """The SHA-256 fingerprint of a certificate in PEM, as `openssl x509 -fingerprint -sha256` prints it."""
    der = x509.load_pem_x509_certificate(certificate).public_bytes(serialization.Encoding.DER)
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())
