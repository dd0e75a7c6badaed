"""A provider that says whatever a test wants: its own configuration, keys and tokens, honest until it is told not to be."""

import base64
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from tests.tls_server import Asked, Reply

from pratique.core.clock import SECOND, FakeClock


@dataclass
class FakeProvider:
    """Signs people in whom the test names."""

    clock: FakeClock
    host: str = "idp.test"
    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    userinfo: dict[str, Any] | None = None
    forge: Callable[["FakeProvider", dict[str, Any]], str] | None = None
    configuration: dict[str, Any] = field(default_factory=dict)
    answers: int = 0
    exchanged: list[dict[str, str]] = field(default_factory=list)
    key: Any = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    def asked(self, asked: Asked) -> Reply:
        """Answer as a provider does."""
        self.answers += 1
        path = urlsplit(asked.path).path
        if path == "/.well-known/openid-configuration":
            return self._json(self._configuration())
        if path == "/keys":
            return self._json({"keys": [self.jwk]})
        if path == "/token":
            form = dict(parse_qsl(asked.body.decode(), keep_blank_values=True))
            self.exchanged.append(form | {"authorization": asked.headers.get("authorization", "")})
            return self._json({"access_token": "at", "token_type": "Bearer", "id_token": self._token()})
        if path == "/userinfo" and self.userinfo is not None:
            return self._json(self.userinfo)
        return Reply(404)

    @property
    def jwk(self) -> dict[str, Any]:
        told: dict[str, Any] = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return told | {"kid": "one", "use": "sig", "alg": "ES256"}

    def base(self, **more: Any) -> dict[str, Any]:
        now = self.clock.now() // SECOND
        return {"iss": self.issuer, "aud": "pratique", "iat": now, "exp": now + 300, **self.claims, **more}

    def sign(self, claims: Mapping[str, Any], *, key: Any = None, kid: str = "one") -> str:
        return jwt.encode(dict(claims), key or self.key, algorithm="ES256", headers={"kid": kid})

    def _token(self) -> str:
        return self.forge(self, self.base()) if self.forge else self.sign(self.base())

    def _configuration(self) -> dict[str, Any]:
        return {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?tenant=x",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "userinfo_endpoint": f"{self.issuer}/userinfo",
            "end_session_endpoint": f"{self.issuer}/leave",
            "authorization_response_iss_parameter_supported": True,
        } | self.configuration

    def _json(self, value: Any) -> Reply:
        return Reply(200, {"content-type": "application/json"}, json.dumps(value).encode())


def unsigned(provider: FakeProvider, claims: dict[str, Any]) -> str:
    """A token whose algorithm is `none`."""
    return _joined({"alg": "none", "kid": "one"}, claims, b"")


def by_public_key(provider: FakeProvider, claims: dict[str, Any]) -> str:
    """A token signed with the public key as if it were a shared secret."""
    import hashlib
    import hmac

    secret = json.dumps(provider.jwk).encode()
    signed = _joined({"alg": "HS256", "kid": "one"}, claims, b"").rpartition(".")[0]
    return f"{signed}.{_text(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def by_key_in_header(provider: FakeProvider, claims: dict[str, Any]) -> str:
    """A token that brings the key it was signed with."""
    other = ec.generate_private_key(ec.SECP256R1())
    public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(other.public_key()))
    return jwt.encode(claims, other, algorithm="ES256", headers={"kid": "one", "jwk": public})


def _joined(header: Mapping[str, Any], claims: Mapping[str, Any], signature: bytes) -> str:
    parts = (json.dumps(header).encode(), json.dumps(claims).encode(), signature)
    return ".".join(map(_text, parts))


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
