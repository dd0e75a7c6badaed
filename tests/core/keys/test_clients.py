"""What every client of the keys promises, over the process and without it."""

import base64
import json

import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from pratique.core.errors import Invalid, NotFound
from pratique.core.keys.client import Keys
from pratique.core.keys.errors import KeyUseRefused
from pratique.core.keys.grants import GRANTS, Operation
from pratique.core.keys.types import DecisionEvidence, Purpose, Role
from pratique.core.keys.wire import Request
from pratique.core.permissions import OPERATOR

Clients = dict[Role, Keys]


def verify(jwk: dict[str, str], signature: bytes, message: bytes) -> None:
    key = jwt.PyJWK(jwk, algorithm="ES256").key
    assert isinstance(key, ec.EllipticCurvePublicKey)
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    key.verify(encode_dss_signature(r, s), message, ec.ECDSA(hashes.SHA256()))


def test_a_signature_verifies_with_the_published_key(keys_of: Clients) -> None:
    signature = keys_of[Role.API].sign("token", b"message")
    key = keys_of[Role.WORKER].public_keys("token")[0]
    assert (signature.key_id, len(signature.value)) == (key.key_id, 64)
    verify(key.jwk, signature.value, b"message")


def test_a_keyed_hash_is_stable_and_of_its_purpose(keys_of: Clients) -> None:
    api, worker = keys_of[Role.API], keys_of[Role.WORKER]
    assert api.hmac("fingerprint", b"x") == worker.hmac("fingerprint", b"x")
    assert api.hmac("fingerprint", b"x") != api.hmac("cursor", b"x")


def test_the_data_key_is_the_same_for_api_and_worker(keys_of: Clients) -> None:
    assert keys_of[Role.API].unwrap("records") == keys_of[Role.WORKER].unwrap("records")
    assert keys_of[Role.API].installation() == keys_of[Role.ADMIN].installation()


def test_only_what_the_table_grants_is_done(keys_of: Clients) -> None:
    for role, client in keys_of.items():
        for operation in Operation:
            for purpose in [None, *Purpose]:
                if (operation, purpose) not in GRANTS[role]:
                    with pytest.raises(KeyUseRefused):
                        client._ask(Request(operation, purpose or ""))


def test_an_approval_is_signed_for_a_decision_that_it_names(keys_of: Clients) -> None:
    digest = "sha256:" + "a" * 64
    statement = json.dumps(
        {"subject": [{"name": "app", "digest": {"sha256": "a" * 64}}], "predicate": {"decision": {"id": "d-1"}}}
    ).encode()
    signature = keys_of[Role.WORKER].sign_approval(statement, DecisionEvidence("d-1", digest))
    key = keys_of[Role.WORKER].public_keys("approval")[0]
    kind = b"application/vnd.in-toto+json"
    verify(key.jwk, signature.value, b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(statement), statement))


@pytest.mark.parametrize(
    ("decision", "digest", "fault"),
    [("d-2", "a", KeyUseRefused), ("d-1", "b", KeyUseRefused), ("", "a", KeyUseRefused)],
)
def test_an_approval_without_its_evidence_is_refused(
    keys_of: Clients, decision: str, digest: str, fault: type[Exception]
) -> None:
    statement = b'{"subject":[{"digest":{"sha256":"%s"}}],"predicate":{"decision":{"id":"d-1"}}}' % (b"a" * 64)
    with pytest.raises(fault):
        keys_of[Role.WORKER].sign_approval(statement, DecisionEvidence(decision, "sha256:" + digest * 64))
    with pytest.raises(Invalid):
        keys_of[Role.WORKER].sign_approval(b"[" * 5000, DecisionEvidence("d-1", "sha256:" + "a" * 64))
    with pytest.raises(KeyUseRefused):
        keys_of[Role.API].sign("approval", statement)


def test_a_rotated_key_still_verifies_and_no_longer_signs(keys_of: Clients) -> None:
    api, admin = keys_of[Role.API], keys_of[Role.ADMIN]
    old = api.sign("token", b"m")
    new = admin.rotate("token")
    assert [key.key_id for key in api.public_keys("token")] == [new, old.key_id]
    assert api.sign("token", b"m").key_id == new
    with pytest.raises(KeyUseRefused):
        api.sign("token", b"m", key_id=old.key_id)


def test_the_operator_token_is_short_and_for_management_only(keys_of: Clients) -> None:
    token = keys_of[Role.ADMIN].operator_token()
    payload = token.split(".")[1]
    claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    assert (claims["sub"], claims["aud"]) == (OPERATOR.principal_id, "management")
    assert claims["exp"] - claims["iat"] == 300


def test_there_is_no_authority_before_it_is_asked_for(keys_of: Clients) -> None:
    with pytest.raises(NotFound):
        keys_of[Role.API].authority()


def test_nothing_that_is_printed_holds_a_key(keys_of: Clients) -> None:
    records = keys_of[Role.API].unwrap("records")
    request = Request("sign", "token", records)
    assert str(records) not in repr(request)
    assert records.hex() not in repr(request)
