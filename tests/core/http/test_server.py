"""TLS, HTTP/2, early refusals, certificate swap, stop: with curl and sockets against the real server."""

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from pathlib import Path

import httpx2
import pytest
from tests.core.http.serving import Running, serving, until
from tests.registry.tls import make_certificate

from pratique.core.http.server import AddressTaken, Server

CURL = shutil.which("curl")


def curl(running: Running, path: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    trust = ["--cacert", str(running.tls.certificate)] if running.tls else []
    return subprocess.run(
        [CURL, "-sS", "-m", "30", "-w", "\n%{http_code} %{http_version}", *trust, *arguments, f"{running.url}{path}"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
@pytest.mark.parametrize("megabytes", [1, 8, 15])
def test_refusal_is_heard_by_a_client_that_is_still_sending(
    secure: Running, tmp_path: Path, version: str, megabytes: int
) -> None:
    body = tmp_path / "body"
    body.write_bytes(os.urandom(1024) * 1024 * megabytes)
    got = curl(secure, "/data/refuse", version, "-H", "Expect:", "-T", str(body))
    assert got.returncode == 0, got.stderr
    assert "you may not do this" in got.stdout
    assert got.stdout.splitlines()[-1].startswith("403")


def test_client_that_asks_first_is_refused_before_it_sends(secure: Running, tmp_path: Path) -> None:
    body = tmp_path / "body"
    body.write_bytes(b"x" * 2_000_000)
    got = curl(secure, "/data/refuse", "--http1.1", "-H", "Expect: 100-continue", "-T", str(body), "-v")
    assert "you may not do this" in got.stdout
    assert "100 Continue" not in got.stderr


def test_refusal_ends_a_body_that_never_ends(secure: Running) -> None:
    context = ssl.create_default_context(cafile=str(secure.tls.certificate))
    with (
        socket.create_connection(("localhost", secure.port)) as tcp,
        context.wrap_socket(tcp, server_hostname="localhost") as tls,
    ):
        tls.sendall(b"PUT /data/refuse HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n")
        began, sent = time.monotonic(), 0
        tls.settimeout(0.001)
        answer = b""
        while time.monotonic() - began < 10 and not answer:
            try:
                tls.settimeout(5)
                tls.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                sent += 65536
                tls.settimeout(0.0001)
                answer += tls.recv(65536)
            except (TimeoutError, ssl.SSLWantReadError, BlockingIOError):
                continue
            except OSError:  # the server has closed: what it said before may be waiting still
                tls.settimeout(5)
                with contextlib.suppress(OSError):
                    answer += tls.recv(65536)
                break
        assert answer.startswith(b"HTTP/1.1 403")
        assert b"connection: close" in answer.lower()
        assert sent <= 24 * 1024 * 1024


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
def test_uploads_of_many_megabytes_arrive_whole(secure: Running, tmp_path: Path, version: str) -> None:
    body = tmp_path / "body"
    body.write_bytes(bytes(60_000_000))
    got = curl(secure, "/data/echo", version, "-T", str(body))
    assert '"size":60000000' in got.stdout, got.stderr


def test_tls_starts_at_1_2(secure: Running) -> None:
    for version, works in ((ssl.TLSVersion.TLSv1_2, True), (ssl.TLSVersion.TLSv1_1, False)):
        context = ssl.create_default_context(cafile=str(secure.tls.certificate))
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning, match="TLS") if not works else _nothing():
            context.minimum_version = version
            context.maximum_version = version
        try:
            with socket.create_connection(("localhost", secure.port)) as tcp:
                context.wrap_socket(tcp, server_hostname="localhost").close()
            assert works
        except ssl.SSLError:
            assert not works


def test_certificate_is_swapped_without_losing_a_request(secure: Running) -> None:
    first = ssl.get_server_certificate(("localhost", secure.port))
    outcomes: list[int] = []
    done = threading.Event()

    def ask() -> None:
        # A connection that waits to be accepted by the process that leaves is cut, and made again as clients do.
        while not done.is_set():
            with httpx2.Client(transport=httpx2.HTTPTransport(verify=False, retries=1), timeout=10) as client:
                outcomes.append(client.get(f"{secure.url}/healthz").status_code)

    asking = threading.Thread(target=ask)
    asking.start()
    with httpx2.Client(verify=False, timeout=10) as client:
        make_certificate(secure.tls.certificate.parent)
        slow = threading.Thread(target=lambda: outcomes.append(client.get(f"{secure.url}/data/slow").status_code))
        slow.start()
        secure.server.reload()
        deadline = time.monotonic() + 10
        while ssl.get_server_certificate(("localhost", secure.port)) == first and time.monotonic() < deadline:
            time.sleep(0.05)
        slow.join()
    time.sleep(1.0)
    done.set()
    asking.join()
    assert ssl.get_server_certificate(("localhost", secure.port)) != first
    assert set(outcomes) == {200}


def test_broken_certificate_changes_nothing(secure: Running) -> None:
    first = ssl.get_server_certificate(("localhost", secure.port))
    secure.tls.key.write_text("nonsense")
    secure.server.reload()
    time.sleep(0.3)
    assert ssl.get_server_certificate(("localhost", secure.port)) == first


def test_taken_port_is_named(plain: Running) -> None:
    second = Server(plain.pipeline, port=plain.port)
    with pytest.raises(AddressTaken) as refused:
        second.bind()
    assert refused.value.detail == {"address": "127.0.0.1", "port": plain.port}
    assert "server.port" in refused.value.remedy


def test_stop_lets_requests_finish_and_ends_event_streams() -> None:
    outcome: dict[str, object] = {}
    with serving(drain=5.0) as running:

        def slow() -> None:
            outcome["slow"] = httpx2.get(f"{running.url}/data/slow", timeout=10).text

        def events() -> None:
            with httpx2.stream("GET", f"{running.url}/events", timeout=10) as stream:
                outcome["events"] = sum(1 for _ in stream.iter_lines())

        threads = [threading.Thread(target=each) for each in (slow, events)]
        for thread in threads:
            thread.start()
        until(lambda: {"slow", "events"} <= set(running.app.started))
        time.sleep(0.3)
        began = time.monotonic()
        running.server.stop()
        for thread in threads:
            thread.join(10)
    assert outcome["slow"] == "done"
    assert int(str(outcome["events"])) > 3
    assert running.app.stopped == ["events"]
    assert time.monotonic() - began < 4.5


def test_stop_cancels_what_outlives_the_drain() -> None:
    with serving(drain=0.5) as running:
        thread = threading.Thread(target=_ignore_errors, args=(f"{running.url}/data/forever",))
        thread.start()
        until(lambda: running.app.started == ["forever"])
    thread.join(5)
    assert running.app.stopped == ["forever"]


def test_new_connections_are_refused_while_it_stops() -> None:
    with serving(drain=3.0) as running:
        thread = threading.Thread(target=httpx2.get, args=(f"{running.url}/data/slow",))
        thread.start()
        until(lambda: running.app.started == ["slow"])
        running.server.stop()
        time.sleep(0.4)
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.1", running.port), timeout=2).close()
        thread.join()


def _ignore_errors(url: str) -> None:
    try:
        httpx2.get(url, timeout=10)
    except httpx2.HTTPError:
        return


def _nothing() -> None:
    from contextlib import nullcontext

    return nullcontext()
