"""Downloads are conditional, resumable and bounded, and a source that misbehaves is named."""

import random
from pathlib import Path

import pytest

from pratique.advisories.errors import Cancelled, FeedRefused, FeedUnavailable
from pratique.advisories.fetch import FeedClient, FetchLimits, Validators
from tests.advisories.feed_server import Fault, FeedServer

URL = "https://feeds.example/data.json"
CONTENT = bytes(range(256)) * 4_000


def limited(server: FeedServer, **limits: float) -> FeedClient:
    return FeedClient(mirror=server.url, limits=FetchLimits(**limits), sleep=lambda _seconds: None)  # type: ignore[arg-type]


def test_a_mirror_has_each_host_as_a_folder() -> None:
    client = FeedClient(mirror="http://mirror.example/feeds/")
    assert client.address("https://host.example/a/b?c=d") == "http://mirror.example/feeds/host.example/a/b?c=d"
    assert FeedClient().address("https://host.example/a") == "https://host.example/a"


def test_content_arrives_with_its_validators(server: FeedServer, client: FeedClient, tmp_path: Path) -> None:
    server.put(URL, CONTENT)
    download = client.fetch(URL, tmp_path)
    assert download is not None
    assert download.path.read_bytes() == CONTENT
    assert download.validators.etag.startswith('"')
    assert download.transferred == len(CONTENT)


def test_transfer_coding_is_removed(server: FeedServer, client: FeedClient, tmp_path: Path) -> None:
    server.put(URL, CONTENT, packed=True)
    download = client.fetch(URL, tmp_path)
    assert download is not None
    assert download.path.read_bytes() == CONTENT
    assert download.transferred < len(CONTENT)


def test_what_is_known_is_not_sent_again(server: FeedServer, client: FeedClient, tmp_path: Path) -> None:
    server.put(URL, CONTENT)
    first = client.fetch(URL, tmp_path)
    assert first is not None
    assert client.fetch(URL, tmp_path, known=first.validators) is None


def test_not_modified_without_a_question_is_a_fault(server: FeedServer, client: FeedClient, tmp_path: Path) -> None:
    server.put(URL, CONTENT)
    server.fail(URL, Fault(always_304=True, times=99))
    with pytest.raises(FeedUnavailable, match="304"):
        client.fetch(URL, tmp_path)


def test_a_busy_source_is_asked_again(server: FeedServer, client: FeedClient, tmp_path: Path) -> None:
    server.put(URL, CONTENT)
    server.fail(URL, Fault(status=503, times=2))
    assert client.fetch(URL, tmp_path) is not None
    assert len(server.asked) == 3


def test_a_source_that_stays_busy_is_named(server: FeedServer, client: FeedClient, tmp_path: Path) -> None:
    server.put(URL, CONTENT)
    server.fail(URL, Fault(status=503, times=99))
    with pytest.raises(FeedUnavailable, match="status 503"):
        client.fetch(URL, tmp_path)
    assert len(server.asked) == client.limits.attempts


@pytest.mark.parametrize("status", [403, 404, 500 + 1])
def test_other_refusals_are_final(server: FeedServer, client: FeedClient, tmp_path: Path, status: int) -> None:
    server.put(URL, CONTENT)
    server.fail(URL, Fault(status=status, times=99))
    with pytest.raises(FeedUnavailable) as caught:
        client.fetch(URL, tmp_path)
    assert caught.value.detail["http_status"] == status
    assert len(server.asked) == 1


@pytest.mark.parametrize("packed", [False, True])
def test_an_interrupted_download_goes_on_where_it_stopped(
    server: FeedServer, client: FeedClient, tmp_path: Path, packed: bool
) -> None:
    content = random.Random(1).randbytes(1_000_000)
    server.put(URL, content, packed=packed)
    server.fail(URL, Fault(truncate=500_000, times=1))
    download = client.fetch(URL, tmp_path)
    assert download is not None
    assert download.path.read_bytes() == content
    assert [bool(headers.get("range")) for _, headers in server.asked] == [False, True]


def test_a_resumed_download_of_changed_content_starts_anew(
    server: FeedServer, client: FeedClient, tmp_path: Path
) -> None:
    server.put(URL, CONTENT)
    with pytest.raises(Cancelled):
        client.fetch(URL, tmp_path, cancelled=lambda: any(path.stat().st_size for path in tmp_path.glob("*.part")))
    server.put(URL, CONTENT[::-1])
    download = client.fetch(URL, tmp_path)
    assert download is not None
    assert download.path.read_bytes() == CONTENT[::-1]


def test_nothing_is_resumed_on_a_weak_etag(server: FeedServer, client: FeedClient, tmp_path: Path) -> None:
    server.put(URL, CONTENT)
    server.fail(URL, Fault(truncate=500_000, weak=True))
    download = client.fetch(URL, tmp_path)
    assert download is not None
    assert download.path.read_bytes() == CONTENT
    assert not any("range" in headers for _, headers in server.asked)


def test_a_silent_source_is_given_up(server: FeedServer, tmp_path: Path) -> None:
    server.put(URL, CONTENT)
    server.fail(URL, Fault(delay=1.0, times=9))
    with limited(server, read_seconds=0.1, attempts=2) as client, pytest.raises(FeedUnavailable, match="ReadTimeout"):
        client.fetch(URL, tmp_path)


def test_too_much_is_refused_and_leaves_nothing(server: FeedServer, tmp_path: Path) -> None:
    server.put(URL, CONTENT)
    with limited(server, max_bytes=100_000) as client, pytest.raises(FeedRefused, match="more than"):
        client.fetch(URL, tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] in ([], [".json"])


def test_a_gzip_bomb_is_refused(server: FeedServer, tmp_path: Path) -> None:
    server.put(URL, bytes(64 << 20), packed=True)
    with limited(server, unpacked_bytes=1 << 20) as client, pytest.raises(FeedRefused, match="unpacks to more than"):
        client.fetch(URL, tmp_path)


def test_a_cancelled_download_is_resumed_later(server: FeedServer, client: FeedClient, tmp_path: Path) -> None:
    server.put(URL, CONTENT)
    seen = 0

    def progress(amount: int, _total: int | None) -> None:
        nonlocal seen
        seen += amount

    with pytest.raises(Cancelled):
        client.fetch(URL, tmp_path, progress=progress, cancelled=lambda: seen > 300_000)
    download = client.fetch(URL, tmp_path)
    assert download is not None
    assert download.path.read_bytes() == CONTENT
    assert download.transferred < len(CONTENT)


def test_a_dead_source_is_named(tmp_path: Path) -> None:
    with (
        FeedClient(mirror="http://127.0.0.1:9", sleep=lambda _s: None) as client,
        pytest.raises(FeedUnavailable, match="ConnectError"),
    ):
        client.fetch(URL, tmp_path, known=Validators())
