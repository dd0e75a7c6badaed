import http.server
import os
import shutil
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from typer.testing import CliRunner

from pratique.cli.exits import Exit
from pratique.cli.trust import app
from pratique.cli.trusting import TARGETS, Trust
from pratique.cli.trusting.hashes import subject_hash
from pratique.cli.trusting.plan import Plan
from pratique.core.keys.certificates import issue_server, make_authority

NOW = int(time.time() * 1_000_000)


@dataclass(frozen=True)
class Server:
    port: int
    authority: bytes


class Registry(http.server.BaseHTTPRequestHandler):
    """As much of a registry as it takes for a client to get past TLS."""

    def do_GET(self) -> None:
        body = b"{}" if self.path in {"/", "/v2/"} else b'{"errors": [{"code": "NAME_UNKNOWN", "message": "past TLS"}]}'
        self.send_response(200 if self.path in {"/", "/v2/"} else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_HEAD = do_GET  # noqa: N815  the name that the server looks for

    def log_message(self, *_: object) -> None:
        return


class Listener(http.server.ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """A client that refuses our certificate is what some tests are about."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("tls")
    authority_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    authority = x509.load_der_x509_certificate(make_authority(authority_key, "0123456789", ["localhost"], NOW))
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    issued = issue_server(authority, authority_key, request.public_bytes(pem), ["localhost"], NOW)
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / "server.pem").write_bytes(private + issued)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    listener = Listener(("127.0.0.1", 0), Registry)
    listener.socket = context.wrap_socket(listener.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=listener.serve_forever, daemon=True).start()
    yield Server(listener.server_address[1], authority.public_bytes(pem))
    listener.shutdown()
    listener.server_close()


@pytest.fixture
def trust(server: Server, tmp_path: Path) -> Trust:
    return Trust(server.authority, (f"localhost:{server.port}",), tmp_path / "home", tmp_path / "root")


def run(trust: Trust, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    for program in command[:1]:
        if not shutil.which(program):
            pytest.skip(f"{program} is not installed")
    trust.home.mkdir(exist_ok=True)
    environment = {"PATH": os.environ["PATH"], "HOME": str(trust.home), **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


def url(trust: Trust) -> str:
    return f"https://{trust.hosts[0]}/"


def test_the_name_in_a_hashed_folder_is_the_one_that_openssl_computes(trust: Trust, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    file.write_bytes(trust.authority)
    found = run(trust, "openssl", "x509", "-hash", "-noout", "-in", str(file)).stdout.strip()
    assert subject_hash(trust.certificate) == found


def test_curl_trusts_after_install_and_not_before_nor_after_removal(trust: Trust) -> None:
    plan = TARGETS["curl"].plan(trust)
    assert run(trust, "curl", "-sS", url(trust)).returncode == 60
    (trust.home / ".curlrc").write_text("silent\n")
    plan.do()
    assert run(trust, "curl", "-sS", url(trust)).stdout == "{}"
    plan.undo()
    assert run(trust, "curl", "-sS", url(trust)).returncode == 60
    assert (trust.home / ".curlrc").read_text() == "silent\n"


def test_curl_still_trusts_what_the_system_trusts(trust: Trust) -> None:
    TARGETS["curl"].plan(trust).do()
    assert "CAfile: " in run(trust, "curl", "-v", url(trust)).stderr
    assert "CAfile: none" not in run(trust, "curl", "-v", url(trust)).stderr


def test_python_trusts_with_the_variables_of_the_written_file(trust: Trust) -> None:
    program = f"import urllib.request as u; print(u.urlopen('{url(trust)}').read().decode())"
    assert "CERTIFICATE_VERIFY_FAILED" in run(trust, sys.executable, "-c", program).stderr
    TARGETS["python"].plan(trust).do()
    variables = trust.folder / "environment.sh"
    done = run(trust, "sh", "-c", f'. "{variables}"; exec "{sys.executable}" -c "{program}"')
    assert done.stdout == "{}\n"


@pytest.mark.parametrize("client", ["skopeo", "podman"])
def test_container_clients_trust_a_registry_by_a_folder_of_their_user(trust: Trust, client: str) -> None:
    image = f"docker://{trust.hosts[0]}/none:1"
    commands = {"skopeo": ("skopeo", "inspect", image), "podman": ("podman", "pull", "--quiet", image)}
    runtime = trust.home / "run"
    runtime.mkdir(parents=True)
    command = commands[client]
    assert "certificate" in run(trust, *command, XDG_RUNTIME_DIR=str(runtime)).stderr
    TARGETS[client].plan(trust).do()
    after = run(trust, *command, XDG_RUNTIME_DIR=str(runtime)).stderr
    assert "x509" not in after
    assert "past TLS" in after or "unknown" in after


def test_a_browser_database_takes_the_certificate_and_gives_it_back(trust: Trust) -> None:
    if not shutil.which("certutil"):
        pytest.skip("certutil is not installed")
    plan = TARGETS["browser"].plan(trust)
    plan.do()
    place = f"sql:{trust.home}/.pki/nssdb"
    assert trust.name in run(trust, "certutil", "-d", place, "-L").stdout
    TARGETS["browser"].plan(trust).undo()
    assert trust.name not in run(trust, "certutil", "-d", place, "-L").stdout


def test_docker_gets_a_folder_per_host_that_needs_root(trust: Trust, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    plan = TARGETS["docker"].plan(trust)
    assert [step.root for step in plan.steps] == [True]
    assert f"etc/docker/certs.d/{trust.hosts[0]}/ca.crt" in plan.steps[0].describe(undo=False)


def test_what_was_not_done_is_seen_in_the_exit_code(
    trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tls").mkdir()
    (tmp_path / "tls/ca.pem").write_bytes(trust.authority)
    monkeypatch.setenv("PRATIQUE_DATA__DIRECTORY", str(tmp_path))
    monkeypatch.setattr(Plan, "needs_sudo", True)
    monkeypatch.setattr(Plan, "do", lambda _plan: pytest.fail("root was used unasked"))
    done = CliRunner().invoke(app, ["install", "docker"])
    assert "not done: this needs root" in done.stdout
    assert done.exit_code == Exit.NO
    assert CliRunner().invoke(app, ["install", "docker", "--dry-run"]).exit_code == Exit.DONE


def test_rootless_docker_needs_no_root(trust: Trust, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    (tmp_path / "docker.sock").touch()
    plan = TARGETS["docker"].plan(trust)
    plan.do()
    assert (trust.home / ".config/docker/certs.d" / trust.hosts[0] / "ca.crt").read_bytes() == trust.authority


def test_the_system_store_is_the_one_of_the_distribution(trust: Trust) -> None:
    assert TARGETS["system"].plan(trust).missing
    (trust.root / "etc/pki/ca-trust/source/anchors").mkdir(parents=True)
    lines = [step.describe(undo=False) for step in TARGETS["system"].plan(trust).steps]
    assert lines[1].endswith("etc/pki/ca-trust/source/anchors/pratique-ca.crt")
    assert lines[2] == "run update-ca-trust"


def test_a_marked_block_is_replaced_and_never_doubled(trust: Trust) -> None:
    plan = TARGETS["curl"].plan(trust)
    trust.home.mkdir()
    (trust.home / ".curlrc").write_text("# mine, without a line end")
    plan.do()
    plan.do()
    text = (trust.home / ".curlrc").read_text()
    assert text.count("capath") == 1
    assert text.startswith("# mine, without a line end\n")
