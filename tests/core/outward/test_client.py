"""The outward client against servers that lie, drip, redirect and change their address."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.tls_server import Asked, Authority, Reply, WorldServer, world

from pratique.core.outward import Bounds, OutwardClient, OutwardRefused, OutwardRules, OutwardUnavailable


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def reach(authority: Authority, *hosts: str, keep: int = 4) -> OutwardClient:
    return OutwardClient(
        OutwardRules.of(hosts), ca=authority.path, resolver=lambda _host, _port: ["127.0.0.1"], keep=keep
    )


@pytest.fixture
def hook(authority: Authority) -> Iterator[WorldServer]:
    with world(lambda _: Reply(body=b"hello"), authority, "hook.test", "other.test") as server:
        yield server


def test_an_answer_comes_from_the_checked_number_and_the_proved_name(authority: Authority, hook: WorldServer) -> None:
    with reach(authority, "hook.test") as client:
        document = client.fetch(f"https://hook.test:{hook.port}/path?q=1", method="POST", content=b"body")
    assert (document.status, document.body) == (200, b"hello")
    asked = hook.asked[0]
    assert (asked.method, asked.path, asked.body) == ("POST", "/path?q=1", b"body")
    assert asked.headers["host"] == f"hook.test:{hook.port}"


def test_a_certificate_of_another_name_is_refused(authority: Authority, hook: WorldServer) -> None:
    with reach(authority, "third.test") as client, pytest.raises(OutwardUnavailable, match="certificate"):
        client.fetch(f"https://third.test:{hook.port}/")
    assert hook.asked == []


def test_an_authority_that_is_not_trusted_is_refused(hook: WorldServer) -> None:
    client = OutwardClient(OutwardRules.of(["hook.test"]), resolver=lambda *_: ["127.0.0.1"])
    with client, pytest.raises(OutwardUnavailable, match="certificate"):
        client.fetch(f"https://hook.test:{hook.port}/")


def test_a_private_number_is_not_connected_to(authority: Authority, hook: WorldServer) -> None:
    with reach(authority) as client, pytest.raises(OutwardRefused, match=r"outward\.private"):
        client.fetch(f"https://hook.test:{hook.port}/")
    assert hook.asked == []


def test_a_name_that_changes_its_mind_is_checked_at_each_connection(authority: Authority, hook: WorldServer) -> None:
    answers = iter([["127.0.0.1"], ["169.254.169.254"], ["127.0.0.1", "10.0.0.1"]])
    rules = OutwardRules.of(["hook.test"])
    with OutwardClient(rules, ca=authority.path, resolver=lambda *_: next(answers), keep=0) as client:
        assert client.fetch(f"https://hook.test:{hook.port}/").status == 200
        with pytest.raises(OutwardRefused, match="platform"):
            client.fetch(f"https://hook.test:{hook.port}/")
    assert len(hook.asked) == 1


def test_what_was_checked_is_what_is_connected_to(authority: Authority, hook: WorldServer) -> None:
    """A resolver is asked once per connection: a second answer for the same connection has nobody to go to."""
    asked: list[str] = []

    def resolver(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["169.254.169.254"]

    with OutwardClient(OutwardRules.of(["hook.test"]), ca=authority.path, resolver=resolver) as client:
        assert client.fetch(f"https://hook.test:{hook.port}/").status == 200
    assert asked == ["hook.test"]


def redirecting(location: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"location": location})


def test_a_redirect_to_another_origin_carries_no_secret(authority: Authority) -> None:
    def answer(asked: Asked) -> Reply:
        if asked.path == "/here":
            return redirecting(f"https://other.test:{server.port}/there", 307)
        return Reply(body=b"moved")

    with (
        world(answer, authority, "hook.test", "other.test") as server,
        reach(authority, "hook.test", "other.test") as c,
    ):
        document = c.fetch(f"https://hook.test:{server.port}/here", secrets={"authorization": "Bearer planted-secret"})
    assert document.body == b"moved"
    assert server.asked[0].headers["authorization"] == "Bearer planted-secret"
    assert "authorization" not in server.asked[1].headers


def test_a_redirect_on_the_same_origin_keeps_the_secret(authority: Authority) -> None:
    def answer(asked: Asked) -> Reply:
        return redirecting("/there") if asked.path == "/here" else Reply(body=b"moved")

    with world(answer, authority, "hook.test") as server, reach(authority, "hook.test") as client:
        client.fetch(f"https://hook.test:{server.port}/here", secrets={"authorization": "Bearer t"})
    assert server.asked[1].headers["authorization"] == "Bearer t"


@pytest.mark.parametrize(
    "location",
    [
        "http://hook.test/",
        "https://169.254.169.254/latest/meta-data/",
        "https://[::ffff:169.254.169.254]/",
        "https://2852039166/",
        "https://127.0.0.1:8443/",
        "https://user:password@hook.test/",
        "file:///etc/passwd",
        "//169.254.169.254/",
        "",
        "https://",
    ],
)
def test_a_redirect_inside_is_refused(authority: Authority, location: str) -> None:
    with world(lambda _: redirecting(location), authority, "hook.test") as server, reach(authority, "hook.test") as c:
        address = f"https://hook.test:{server.port}/"
        with pytest.raises(OutwardRefused):
            c.fetch(address)


def test_what_was_posted_is_not_sent_along_a_redirect(authority: Authority) -> None:
    with world(lambda _: redirecting("/again", 307), authority, "hook.test") as server:
        with reach(authority, "hook.test") as client:
            assert client.fetch(f"https://hook.test:{server.port}/", method="POST", content=b"x").status == 307
        assert len(server.asked) == 1


def test_redirects_in_a_ring_end(authority: Authority) -> None:
    with world(lambda _: redirecting("/again"), authority, "hook.test") as server:
        with reach(authority, "hook.test") as client, pytest.raises(OutwardRefused, match="more than 5 times"):
            client.fetch(f"https://hook.test:{server.port}/")
        assert len(server.asked) == 6


def test_an_announced_and_an_endless_body_are_cut_off(authority: Authority) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(10_000):
            yield bytes(65536)

    bounds = Bounds(size=1 << 20)
    long = Reply(headers={"content-length": "2000000"})
    with world(lambda _: long, authority, "hook.test") as server, reach(authority, "hook.test") as client:
        address = f"https://hook.test:{server.port}/"
        with pytest.raises(OutwardRefused, match="announces"):
            client.fetch(address, bounds=bounds)
        server.answer = lambda _: Reply(pieces=endless())
        with pytest.raises(OutwardRefused, match="larger than"):
            client.fetch(address, bounds=bounds)


def test_a_body_that_drips_is_cut_off(authority: Authority) -> None:
    def drip() -> Iterator[bytes]:
        for _ in range(100):
            time.sleep(0.05)
            yield b"."

    with world(lambda _: Reply(pieces=drip()), authority, "hook.test") as server, reach(authority, "hook.test") as c:
        begun = time.monotonic()
        with pytest.raises(OutwardUnavailable, match="too slowly"):
            c.fetch(f"https://hook.test:{server.port}/", bounds=Bounds(seconds=0.5))
    assert time.monotonic() - begun < 3


def test_a_head_that_drips_is_cut_off(authority: Authority) -> None:
    import socket
    import ssl
    import threading

    files = authority.issue("hook.test")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with context.wrap_socket(connection, server_side=True) as stream:
                stream.recv(65536)
                while not stop.wait(0.05):
                    try:
                        stream.sendall(b"x")
                    except OSError:
                        return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        begun = time.monotonic()
        with reach(authority, "hook.test") as client, pytest.raises(OutwardUnavailable):
            client.fetch(f"https://hook.test:{listener.getsockname()[1]}/", bounds=Bounds(seconds=0.6))
        stop.set()
        thread.join()
    assert time.monotonic() - begun < 3


def test_a_compressed_answer_is_not_unpacked(authority: Authority) -> None:
    import gzip

    bomb = gzip.compress(bytes(10 << 20))
    reply = Reply(headers={"content-encoding": "gzip"}, body=bomb)
    with world(lambda _: reply, authority, "hook.test") as server, reach(authority, "hook.test") as client:
        address = f"https://hook.test:{server.port}/"
        with pytest.raises(OutwardRefused, match="coding"):
            client.fetch(address)


def test_a_credential_cannot_be_given_as_a_common_header(authority: Authority) -> None:
    with reach(authority, "hook.test") as client, pytest.raises(ValueError, match="secret"):
        client.fetch("https://hook.test/", headers={"Authorization": "Bearer t"})


def test_environment_variables_lead_nobody_elsewhere(
    authority: Authority, hook: WorldServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with reach(authority, "hook.test") as client:
        assert client.fetch(f"https://hook.test:{hook.port}/").status == 200
