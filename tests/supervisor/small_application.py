"""A composition root in small, in place of `pratique.app`: an HTTPS server and a worker that count their starts."""

import datetime as dt
import http.server
import ipaddress
import os
import signal
import ssl
import time
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pratique.core.errors import Conflict
from pratique.core.settings import Settings


def prepare(settings: Settings) -> None:
    directory = settings.data.directory
    note(directory, "prepare")
    if (directory / "refuse").exists():
        raise Conflict("the database is of a newer version", remedy="install that version")
    file = directory / "tls/server.pem"
    if not file.exists() or (directory / "renew").exists():
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(certificate())
        (directory / "renew").unlink(missing_ok=True)


def serve(settings: Settings) -> None:
    directory = settings.data.directory
    note(directory, "serve")
    server = http.server.ThreadingHTTPServer((settings.server.host, settings.server.port), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(directory / "tls/server.pem")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    signal.signal(signal.SIGHUP, lambda *_: note(directory, "reload"))
    server.serve_forever()


def work(settings: Settings) -> None:
    directory = settings.data.directory
    note(directory, "work")
    if (directory / "faulty").exists():
        raise ZeroDivisionError("one by nought")
    stubborn = (directory / "stubborn").exists()
    signal.signal(signal.SIGTERM, signal.SIG_IGN if stubborn else lambda *_: os._exit(0))
    while True:
        time.sleep(60)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        here = Path(os.environ["PRATIQUE_DATA__DIRECTORY"])
        self.send_response(503 if (here / "faulty").exists() else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")


def note(directory: Path, what: str) -> None:
    with (directory / "notes").open("a") as file:
        file.write(f"{what} {os.getpid()}\n")


def certificate() -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return private + made.public_bytes(serialization.Encoding.PEM)
