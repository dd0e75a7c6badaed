"""Identity that listens on a loopback port over TLS, with the planes that the composition root gives it."""

import datetime as dt
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from starlette.responses import JSONResponse
from tests.identity.conftest import World, make_world

from pratique.core.clock import SystemClock
from pratique.core.database import Database
from pratique.core.http.answers import problem_json
from pratique.core.http.api import create_api
from pratique.core.http.hosts import HostRules
from pratique.core.http.management import management_plane
from pratique.core.http.pipeline import Pipeline
from pratique.core.http.plane import HttpScope, Plane, Receive, Send, caller_of
from pratique.core.http.server import Server, TlsFiles
from pratique.core.keys.client import Keys
from pratique.core.outward import OutwardClient
from pratique.core.permissions import OPERATOR
from pratique.identity import routes
from pratique.identity.token_endpoint import PREFIXES, token_app, token_error


@dataclass
class Serving:
    """A running identity and the world behind it."""

    world: World
    port: int
    ca: Path

    @property
    def authority(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def tenant(self) -> str:
        return self.world.identity.tokens.installation


async def _who(scope: HttpScope, receive: Receive, send: Send) -> None:
    caller = caller_of(scope)
    await JSONResponse({"name": caller.name, "kind": caller.kind})(scope, receive, send)


def pipeline_of(world: World) -> Pipeline:
    identity = world.identity
    planes = [
        Plane("token", ("login", "registry"), PREFIXES, token_app(identity.token_service, world.keys), token_error),
        identity.machines.plane,
        Plane("registry", ("registry",), ("/v2/",), _who, problem_json, identity.registry_authenticator),
        management_plane(
            lambda: create_api([routes.router(identity)], version="test"),
            identity.management_authenticator,
            identity.management_error,
        ),
    ]
    return Pipeline(planes, HostRules("localhost", ()), log_requests=False)


@contextmanager
def serving_identity(
    database: Database, keys: Keys, tls: TlsFiles, *, outward: OutwardClient | None = None
) -> Iterator[Serving]:
    world = make_world(database, keys, SystemClock(), outward=outward)
    ready = threading.Event()
    server = Server(pipeline_of(world), port=0, tls=tls, drain=3.0, started=ready.set)
    server.bind()
    thread = threading.Thread(target=server.run, name="identity-server")
    thread.start()
    try:
        assert ready.wait(10)
        yield Serving(world, server.port, tls.certificate)
    finally:
        server.stop()
        thread.join(15)
        world.identity.close()
        assert not thread.is_alive()


@dataclass
class ClientKey:
    """A key with a certificate of its own, as a client keeps it."""

    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def both(self) -> bytes:
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return key + self.pem.encode()


def client_key(name: str = "builder", *, days: int = 30, kind: str = "rsa") -> ClientKey:
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
    key = rsa.generate_private_key(65537, 2048) if kind == "rsa" else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=60))
        .not_valid_after(now + dt.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    return ClientKey(key, certificate)


class Issuer:
    """Somebody else who signs tokens: a cluster, a forge."""

    def __init__(self, url: str = "https://issuer.test", key_id: str = "k1") -> None:
        self.url = url
        self.key = rsa.generate_private_key(65537, 2048)
        self.key_id = key_id

    @property
    def jwks(self) -> dict[str, object]:
        jwk = jwt.algorithms.RSAAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**jwk, "kid": self.key_id, "use": "sig", "alg": "RS256"}]}

    def token(self, subject: str, audience: str = "api://AzureADTokenExchange", **more: object) -> str:
        now = int(dt.datetime.now(dt.UTC).timestamp())
        claims = {"iss": self.url, "sub": subject, "aud": audience, "iat": now, "nbf": now, "exp": now + 600, **more}
        claims = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.key_id})


__all__ = ["OPERATOR", "ClientKey", "Issuer", "Serving", "client_key", "pipeline_of", "serving_identity"]
