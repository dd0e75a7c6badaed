"""Ids, limits, hosts, errors by plane, and what a browser must never do with answers of a data plane."""

import logging
import socket
from collections.abc import Iterator

import httpx2
import pytest
from tests.core.http.serving import Running


@pytest.fixture
def http(plain: Running) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=plain.url, timeout=20) as client:
        yield client


def raw(running: Running, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(request)
        received = b""
        while piece := connection.recv(65536):
            received += piece
        return received


def test_request_id_is_kept_when_it_is_plain_and_made_when_it_is_not(http: httpx2.Client) -> None:
    assert http.get("/healthz", headers={"x-request-id": "abc-12345"}).headers["x-request-id"] == "abc-12345"
    made = http.get("/healthz", headers={"x-request-id": "a b\tc<script>"}).headers["x-request-id"]
    assert len(made) == 16


def test_errors_come_in_the_words_of_the_plane(http: httpx2.Client) -> None:
    problem = http.get("/data/refuse")
    assert problem.status_code == 403
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["title"] == "you may not do this"
    assert problem.json()["remedy"] == "ask for the role AcrPush"
    page = http.get("/refuse")
    assert page.headers["content-type"].startswith("text/html")
    assert "you may not do this" in page.text


def test_unexpected_error_shows_its_id_and_nothing_else(http: httpx2.Client, capfd: pytest.CaptureFixture[str]) -> None:
    failed = http.get("/data/boom")
    assert failed.status_code == 500
    assert "planted-secret" not in failed.text
    assert failed.json()["request_id"] == failed.headers["x-request-id"]


def test_busy_says_when_to_come_back(http: httpx2.Client) -> None:
    assert http.get("/data/busy").headers["retry-after"] == "3"


def test_data_planes_send_no_page(http: httpx2.Client) -> None:
    got = http.get("/data/page")
    assert got.headers["content-type"] == "application/octet-stream"
    assert got.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in got.headers["content-security-policy"]
    assert http.get("/page").headers["content-type"] == "text/html"


def test_no_answer_on_localhost_asks_for_strict_transport(http: httpx2.Client) -> None:
    for path in ("/healthz", "/data/page", "/page"):
        assert "strict-transport-security" not in http.get(path).headers


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:1", 200),
        ("127.0.0.1", 200),
        ("[::1]:8443", 200),
        ("registry.pratique.example", 200),
        ("REGISTRY.pratique.example:443", 200),
        ("pratique.example", 200),
        ("console.pratique.example", 404),
        ("evil.example", 421),
        ("registry.pratique.example.evil.example", 421),
        ("a.registry.pratique.example", 421),
        ("", 421),
    ],
)
def test_hosts_lead_to_their_planes_and_no_other(http: httpx2.Client, host: str, status: int) -> None:
    got = http.get("/small/page", headers={"host": host})
    if status == 404:  # the console takes the path, as the registry is not on this host
        assert got.headers["content-type"].startswith("text/html")
        return
    assert got.status_code == status
    if status == 421:
        assert "server.extra_hosts" in got.text


def test_body_limits_hold_with_and_without_a_length(http: httpx2.Client) -> None:
    assert http.post("/small/echo", content=b"x" * 1024).json()["size"] == 1024
    over = http.post("/small/echo", content=b"x" * 1025)
    assert (over.status_code, over.json()["code"]) == (413, "too-large")
    endless = http.post("/small/echo", content=(b"x" * 512 for _ in range(10)))
    assert endless.status_code == 413


def test_json_that_is_none_is_refused(http: httpx2.Client) -> None:
    assert http.post("/small/json", content=b"{'a'").status_code == 400
    assert http.post("/small/json", content=b"[" * 1000).status_code == 400


@pytest.mark.parametrize(
    "path",
    ["/data/../small/page", "/data/%2e%2e/page", "/data/%2E./page", "/data/a%2fpage", "/data//page", "/data/%00page",
     "/data/%5cpage", "/data/./page", "/data/.."],
)  # fmt: skip
def test_hidden_parts_of_paths_are_refused(plain: Running, path: str) -> None:
    got = raw(plain, f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert got.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Content-Length: +5\r\n",
        "Host: evil.example\r\n",
        "Authorization: Bearer a\r\nAuthorization: Bearer b\r\n",
    ],
)
def test_smuggled_headers_are_refused(plain: Running, lines: str) -> None:
    request = f"POST /data/echo HTTP/1.1\r\nHost: localhost\r\n{lines}Connection: close\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n"
    got = raw(plain, request.encode())
    assert got.startswith(b"HTTP/1.1 400") or got == b""
    assert got.count(b"HTTP/1.1") <= 1


def test_two_lengths_never_make_two_requests(plain: Running) -> None:
    # The server takes Transfer-Encoding and forgets Content-Length (RFC 9112, 6.3); what follows must not be a request.
    request = (
        b"POST /data/echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
        b"Connection: close\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    assert raw(plain, request).count(b"HTTP/1.1 ") == 1


def test_headers_that_are_too_large_are_refused(http: httpx2.Client) -> None:
    got = http.get("/data/page", headers={"x-filler": "y" * 40_000})
    assert got.status_code == 431


def test_long_targets_are_refused(http: httpx2.Client) -> None:
    assert http.get("/data/page?" + "q" * 9000).status_code == 413


def test_flood_on_one_plane_is_shed_and_others_answer(plain: Running) -> None:
    import concurrent.futures

    with httpx2.Client(base_url=plain.url, timeout=20, limits=httpx2.Limits(max_connections=40)) as client:  # noqa: SIM117  the inner one needs the outer one's value
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            flood = [pool.submit(client.get, "/data/block") for _ in range(20)]
            while sum(each.done() for each in flood) < 11:
                pass
            shed = [each.result() for each in flood if each.done()]
            assert {each.status_code for each in shed} == {503}
            assert all(each.headers["retry-after"] == "1" for each in shed)
            assert client.get("/healthz").status_code == 200
            plain.app.blocked.set()
            assert sorted({each.result().status_code for each in flood}) == [200, 503]


def test_log_of_a_failure_names_the_request(http: httpx2.Client, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        http.get("/data/boom")


def test_crumbs_of_a_cookie_are_one_cookie() -> None:
    from pratique.core.http.pipeline import _headers_of

    lines = [(b"cookie", b"a=1"), (b"host", b"localhost"), (b"cookie", b"b=2")]
    assert _headers_of(lines) == {b"cookie": b"a=1; b=2", b"host": b"localhost"}
