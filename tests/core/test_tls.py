"""The installation's own TLS, judged by other people's clients: openssl, Python, curl."""

import datetime as dt
import http.server
import shutil
import socket
import ssl
import stat
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from pratique.core.clock import DAY, FakeClock
from pratique.core.errors import Invalid
from pratique.core.keys.client import Keys
from pratique.core.keys.errors import KeyUseRefused
from pratique.core.keys.operations import Operations
from pratique.core.keys.ring import SealedFile
from pratique.core.keys.types import Purpose, Role
from pratique.core.tls import TlsState, certified_hosts, ensure_certificate, fingerprint

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


class Authority:
    """The admin's client and, for forging, the CA's own key."""

    def __init__(self, folder: Path, clock: FakeClock) -> None:
        self.file = SealedFile(folder)
        self.operations = Operations(self.file, clock)
        self.keys = Keys(lambda request: self.operations.perform(Role.ADMIN, request))

    def forge(self, host: str) -> bytes:
        """A certificate signed with the CA's real key for a name outside its constraints."""
        record = self.operations._ring.active(Purpose.CA)
        assert record is not None
        authority = x509.load_der_x509_certificate(record.certificate)
        key = ec.generate_private_key(ec.SECP256R1())
        now = dt.datetime.now(tz=dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "forged")]))
            .issuer_name(authority.subject)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=1))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
            .sign(self.operations._private(record), hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )


@pytest.fixture
def now_clock() -> FakeClock:
    """A fake clock at the real present, as other people's clients ask the machine's."""
    return FakeClock(round(dt.datetime.now(tz=dt.UTC).timestamp() * 1_000_000))


@pytest.fixture
def authority(state_dir: Path, now_clock: FakeClock) -> Iterator[Authority]:
    made = Authority(state_dir / "keys", now_clock)
    yield made
    made.file.close()


def ensure(
    authority: Authority, state_dir: Path, clock: FakeClock, domain: str = "example.test", **more: object
) -> TlsState:
    return ensure_certificate(authority.keys, state_dir / "tls", domain=domain, now=clock.now(), machine="vm-1", **more)  # type: ignore[arg-type]


def openssl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *arguments], capture_output=True, text=True, check=False, timeout=30)


@needs_openssl
def test_openssl_verifies_every_name(authority: Authority, state_dir: Path, now_clock: FakeClock) -> None:
    state = ensure(authority, state_dir, now_clock)
    for host in ("localhost", "registry.localhost", "registry.example.test", "prod.vault.example.test", "vm-1"):
        done = openssl("verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", host,
                       "-CAfile", str(state.authority), str(state.certificate))  # fmt: skip
        assert done.returncode == 0, (host, done.stderr)
    for address in ("127.0.0.1", "::1"):
        done = openssl("verify", "-verify_ip", address, "-CAfile", str(state.authority), str(state.certificate))
        assert done.returncode == 0, (address, done.stderr)


@needs_openssl
@pytest.mark.parametrize("host", ["example.com", "notexample.test", "bank.example"])
def test_openssl_refuses_what_the_authority_may_not_vouch_for(
    authority: Authority, state_dir: Path, now_clock: FakeClock, host: str
) -> None:
    state = ensure(authority, state_dir, now_clock)
    forged = state_dir / "forged.pem"
    forged.write_bytes(authority.forge(host))
    done = openssl("verify", "-CAfile", str(state.authority), str(forged))
    assert done.returncode != 0
    assert "permitted subtree violation" in done.stderr


@needs_openssl
def test_the_fingerprint_is_the_one_that_openssl_prints(
    authority: Authority, state_dir: Path, now_clock: FakeClock
) -> None:
    state = ensure(authority, state_dir, now_clock)
    done = openssl("x509", "-noout", "-fingerprint", "-sha256", "-in", str(state.authority))
    assert done.stdout.strip().partition("=")[2] == state.fingerprint == fingerprint(state.authority.read_bytes())


@pytest.fixture
def server(authority: Authority, state_dir: Path, now_clock: FakeClock) -> Iterator[tuple[TlsState, int]]:
    state = ensure(authority, state_dir, now_clock, "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(state.certificate, state.key)

    class Hello(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, *_: object) -> None: ...

    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    listening.socket = context.wrap_socket(listening.socket, server_side=True)
    thread = threading.Thread(target=listening.serve_forever)
    thread.start()
    yield state, listening.server_address[1]
    listening.shutdown()
    thread.join()
    listening.server_close()


def test_python_shakes_hands_by_name_and_by_address(server: tuple[TlsState, int]) -> None:
    state, port = server
    context = ssl.create_default_context(cafile=str(state.authority))
    for host in ("localhost", "127.0.0.1"):
        with urllib.request.urlopen(f"https://{host}:{port}/", context=context, timeout=10) as answer:
            assert answer.read() == b"ok"
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as raw,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(raw, server_hostname="elsewhere.localhost")


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_curl_shakes_hands_by_name_and_by_address(server: tuple[TlsState, int]) -> None:
    state, port = server
    for host in ("localhost", "127.0.0.1", "registry.localhost"):
        command = ["curl", "-sS", "--noproxy", "*", "--cacert", str(state.authority), f"https://{host}:{port}/"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        assert (done.returncode, done.stdout) == (0, "ok"), done.stderr


def test_nothing_changes_while_the_certificate_is_good(
    authority: Authority, state_dir: Path, now_clock: FakeClock
) -> None:
    first = ensure(authority, state_dir, now_clock)
    before = first.certificate.read_bytes()
    assert first.renewed
    now_clock.advance(59 * 86400)
    assert not ensure(authority, state_dir, now_clock).renewed
    assert first.certificate.read_bytes() == before
    assert stat.S_IMODE(first.key.stat().st_mode) == 0o600
    assert stat.S_IMODE(first.authority.stat().st_mode) == 0o644


def test_it_is_renewed_a_month_ahead_by_the_same_authority(
    authority: Authority, state_dir: Path, now_clock: FakeClock
) -> None:
    first = ensure(authority, state_dir, now_clock)
    trusted = first.authority.read_bytes()
    now_clock.advance(61 * DAY / 1_000_000)
    assert ensure(authority, state_dir, now_clock).renewed
    assert first.authority.read_bytes() == trusted


def test_an_extra_host_below_the_domain_keeps_the_authority(
    authority: Authority, state_dir: Path, now_clock: FakeClock
) -> None:
    trusted = ensure(authority, state_dir, now_clock).authority.read_bytes()
    state = ensure(authority, state_dir, now_clock, extra_hosts=("images.example.test",))
    assert state.renewed
    assert state.authority.read_bytes() == trusted


def test_a_new_domain_needs_a_new_authority(authority: Authority, state_dir: Path, now_clock: FakeClock) -> None:
    trusted = ensure(authority, state_dir, now_clock).authority.read_bytes()
    state = ensure(authority, state_dir, now_clock, domain="other.test", extra_hosts=("10.1.2.3",))
    assert state.authority.read_bytes() != trusted
    assert "10.1.2.3" in certified_hosts(state.authority.read_bytes(), "other.test", ["10.1.2.3"], "vm-1")


def test_a_new_machine_name_keeps_the_authority(authority: Authority, state_dir: Path, now_clock: FakeClock) -> None:
    trusted = ensure(authority, state_dir, now_clock).authority.read_bytes()
    again = ensure_certificate(
        authority.keys, state_dir / "tls", domain="example.test", now=now_clock.now(), machine="renamed"
    )
    assert again.authority.read_bytes() == trusted


@pytest.mark.parametrize("damage", ["missing", "garbage", "other-key"])
def test_damaged_files_are_made_anew(authority: Authority, state_dir: Path, now_clock: FakeClock, damage: str) -> None:
    state = ensure(authority, state_dir, now_clock)
    if damage == "missing":
        state.key.unlink()
    elif damage == "garbage":
        state.certificate.write_bytes(b"garbage")
    else:
        key = ec.generate_private_key(ec.SECP256R1())
        state.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
    assert ensure(authority, state_dir, now_clock).renewed


def request_for(name: str = "anything") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("bank.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )


@pytest.mark.parametrize(
    "hosts", [["bank.example"], ["localhost", "bank.example"], ["10.0.0.1"], ["*.example"], ["xlocalhost"], []]
)
def test_no_certificate_for_names_outside(
    authority: Authority, state_dir: Path, now_clock: FakeClock, hosts: list[str]
) -> None:
    ensure(authority, state_dir, now_clock)
    with pytest.raises(KeyUseRefused):
        authority.keys.issue_certificate(request_for(), hosts)


def test_what_a_request_asks_for_itself_is_not_given(
    authority: Authority, state_dir: Path, now_clock: FakeClock
) -> None:
    ensure(authority, state_dir, now_clock)
    made = x509.load_pem_x509_certificate(authority.keys.issue_certificate(request_for(), ["localhost"]))
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [name.value for name in names] == ["localhost"]
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    assert "anything" not in made.subject.rfc4514_string()


@pytest.mark.parametrize("request_pem", [b"", b"garbage", b"-----BEGIN CERTIFICATE REQUEST-----\n" + b"A" * 40_000])
def test_what_is_no_request_is_refused(
    authority: Authority, state_dir: Path, now_clock: FakeClock, request_pem: bytes
) -> None:
    ensure(authority, state_dir, now_clock)
    with pytest.raises(Invalid):
        authority.keys.issue_certificate(request_pem, ["localhost"])


@pytest.mark.parametrize("host", ["", "a b", "-x", "x" * 300, "exämple.test", "a..b", "http://x", "x/y"])
def test_what_is_no_host_is_refused(authority: Authority, state_dir: Path, now_clock: FakeClock, host: str) -> None:
    ensure(authority, state_dir, now_clock)
    with pytest.raises(Invalid):
        authority.keys.issue_certificate(request_for(), [host])
