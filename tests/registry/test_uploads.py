"""Uploads: whole, in pieces, resumed, in parallel, interrupted; and what other principals see of them (nothing)."""

import concurrent.futures
import hashlib
import os
import signal
import socket
import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from tests.registry.clients import Client, error_of
from tests.registry.conftest import Judge
from tests.registry.images import image
from tests.registry.serving import Running, process, start

from pratique.core.blobs.local import LocalBlobStore
from pratique.core.database import Database
from pratique.core.digests import Digest
from pratique.registry.jobs import remove_expired
from pratique.registry.tables import blobs, uploads

NAME = "team/app"
CONTENT = os.urandom(3_000_000)
DIGEST = str(Digest.of(CONTENT))


def begin(client: Client, name: str = NAME, **query: str) -> str:
    answer = client.http.post(f"/v2/{name}/blobs/uploads/", params=query)
    assert answer.status_code == 202, answer.text
    return answer.headers["location"]


def segments(folder: Path) -> set[str]:
    return set(LocalBlobStore(folder / "blobs").keys())


def temporary(folder: Path) -> list[Path]:
    return list((folder / "blobs" / "incoming").iterdir())


def test_locations_are_relative(pusher: Client) -> None:
    assert begin(pusher).startswith(f"/v2/{NAME}/blobs/uploads/")
    answer = pusher.push_blob(NAME, b"x")
    assert answer.headers["location"] == f"/v2/{NAME}/blobs/{Digest.of(b'x')}"


def test_upload_in_one_request(pusher: Client) -> None:
    answer = pusher.http.post(f"/v2/{NAME}/blobs/uploads/", params={"digest": DIGEST}, content=CONTENT)
    assert answer.status_code == 201
    assert answer.headers["docker-content-digest"] == DIGEST
    assert pusher.blob(NAME, DIGEST).content == CONTENT


def test_empty_blob_is_a_blob(pusher: Client) -> None:
    assert pusher.push_blob(NAME, b"").status_code == 201
    got = pusher.blob(NAME, str(Digest.of(b"")))
    assert (got.status_code, got.content, got.headers["content-length"]) == (200, b"", "0")


def test_upload_in_pieces_goes_on_where_it_stands(pusher: Client) -> None:
    where = begin(pusher)
    first = pusher.http.patch(where, content=CONTENT[:1_000_000], headers={"content-range": "0-999999"})
    assert (first.status_code, first.headers["range"]) == (202, "0-999999")
    wrong = pusher.http.patch(where, content=CONTENT[:10], headers={"content-range": "0-9"})
    assert error_of(wrong)[:2] == (416, "BLOB_UPLOAD_INVALID")
    status = pusher.http.get(where)
    assert (status.status_code, status.headers["range"]) == (204, "0-999999")
    second = pusher.http.patch(
        where, content=CONTENT[1_000_000:2_000_000], headers={"content-range": "1000000-1999999"}
    )
    assert second.status_code == 202
    done = pusher.http.put(where, params={"digest": DIGEST}, content=CONTENT[2_000_000:])
    assert done.status_code == 201
    assert pusher.blob(NAME, DIGEST).content == CONTENT
    assert pusher.http.get(where).status_code == 404


@pytest.mark.parametrize("value", ["abc", "5", "9-5", "-5", "0-"])
def test_content_range_that_cannot_be_read_is_refused(pusher: Client, value: str) -> None:
    answer = pusher.http.patch(begin(pusher), content=b"x", headers={"content-range": value})
    assert error_of(answer)[:2] == (400, "BLOB_UPLOAD_INVALID")


def test_ranges_of_a_blob_of_several_segments(pusher: Client) -> None:
    where = begin(pusher)
    for start_at in range(0, len(CONTENT), 700_000):
        assert pusher.http.patch(where, content=CONTENT[start_at : start_at + 700_000]).status_code == 202
    assert pusher.http.put(where, params={"digest": DIGEST}).status_code == 201
    for header, part in [
        ("bytes=0-0", CONTENT[:1]),
        ("bytes=699999-700000", CONTENT[699_999:700_001]),
        ("bytes=100-", CONTENT[100:]),
        ("bytes=-5", CONTENT[-5:]),
        ("bytes=2999999-99999999", CONTENT[-1:]),
        ("bytes=-99999999", CONTENT),
    ]:
        got = pusher.blob(NAME, DIGEST, range=header)
        assert (got.status_code, got.content == part) == (206, True), header
        first = len(CONTENT) - len(part) if header.startswith("bytes=-") else int(header[6:].split("-")[0])
        assert got.headers["content-range"] == f"bytes {first}-{first + len(part) - 1}/{len(CONTENT)}"
    assert pusher.blob(NAME, DIGEST, range="bytes=3000000-").status_code == 416
    assert pusher.blob(NAME, DIGEST, range="bytes=-0").status_code == 416
    assert pusher.blob(NAME, DIGEST, range="bytes=5-1").status_code == 416
    for odd in ("bytes=0-1,5-9", "lines=0-1", "bytes=a-b"):
        assert pusher.blob(NAME, DIGEST, range=odd).status_code == 200


def test_wrong_digest_changes_nothing_and_the_upload_can_go_on(pusher: Client, state_dir: Path) -> None:
    where = begin(pusher)
    wrong = str(Digest.of(b"something else"))
    answer = pusher.http.put(where, params={"digest": wrong}, content=CONTENT)
    assert error_of(answer)[:2] == (400, "DIGEST_INVALID")
    assert DIGEST in error_of(answer)[2]
    assert pusher.blob(NAME, wrong).status_code == 404
    assert segments(state_dir) == set()
    assert pusher.http.put(where, params={"digest": DIGEST}, content=CONTENT).status_code == 201


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "sha256:ABC", "md5:" + "0" * 32, "sha256:" + "g" * 64, "../../etc/passwd"]
)
def test_digest_that_is_none_is_refused(pusher: Client, digest: str) -> None:
    answer = pusher.http.put(begin(pusher), params={"digest": digest}, content=b"x")
    assert error_of(answer)[:2] == (400, "DIGEST_INVALID")


def test_sha512_works_whether_said_first_or_last(pusher: Client) -> None:
    digest = f"sha512:{hashlib.sha512(CONTENT).hexdigest()}"
    where = begin(pusher, "team/one", **{"digest-algorithm": "sha512"})
    assert pusher.http.patch(where, content=CONTENT[:5]).status_code == 202
    assert pusher.http.put(where, params={"digest": digest}, content=CONTENT[5:]).status_code == 201
    late = begin(pusher, "team/two")
    assert pusher.http.patch(late, content=CONTENT[:5]).status_code == 202
    assert pusher.http.put(late, params={"digest": digest}, content=CONTENT[5:]).status_code == 201
    assert pusher.blob("team/two", digest).content == CONTENT


def test_cancelled_upload_is_gone_with_its_bytes(pusher: Client, state_dir: Path) -> None:
    where = begin(pusher)
    assert pusher.http.patch(where, content=CONTENT).status_code == 202
    assert len(segments(state_dir)) == 1
    assert pusher.http.delete(where).status_code == 204
    assert segments(state_dir) == set()
    assert pusher.http.patch(where, content=b"x").status_code == 404


def test_uploads_of_others_do_not_exist(pusher: Client, registry: Running) -> None:
    where = begin(pusher)
    with Client(registry.url, "other-pusher") as other:
        for answer in (
            other.http.get(where),
            other.http.patch(where, content=b"x"),
            other.http.put(where, params={"digest": DIGEST}, content=CONTENT),
            other.http.delete(where),
        ):
            assert error_of(answer)[:2] == (404, "BLOB_UPLOAD_UNKNOWN")
    elsewhere = where.replace(NAME, "team/other")
    assert error_of(pusher.http.patch(elsewhere, content=b"x"))[:2] == (404, "BLOB_UPLOAD_UNKNOWN")
    assert pusher.http.get(where).status_code == 204


def test_twenty_uploads_of_one_blob_store_it_once(
    pusher: Client, registry: Running, state_dir: Path, live_database: Database
) -> None:
    def push(number: int) -> int:
        with Client(registry.url, "pusher") as client:
            return client.push_blob(f"team/app-{number % 4}", CONTENT).status_code

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert set(pool.map(push, range(20))) == {201}
    assert len(segments(state_dir)) == 1
    assert temporary(state_dir) == []
    assert live_database.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(blobs)).scalar_one()) == 1
    assert live_database.read(lambda tx: tx.execute(sa.select(sa.func.count()).select_from(uploads)).scalar_one()) == 0
    for number in range(4):
        assert pusher.blob(f"team/app-{number}", DIGEST).content == CONTENT


def test_two_requests_on_one_upload_leave_one_winner(pusher: Client, registry: Running, state_dir: Path) -> None:
    where = begin(pusher)

    def patch(_: int) -> int:
        with Client(registry.url, "pusher") as client:
            return client.http.patch(where, content=CONTENT).status_code

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = sorted(pool.map(patch, range(8)))
    assert set(codes) <= {202, 416}
    size = int(pusher.http.get(where).headers["range"].partition("-")[2]) + 1
    assert size == codes.count(202) * len(CONTENT)
    assert len(segments(state_dir)) == codes.count(202)


def test_mount_needs_the_right_to_pull_there(pusher: Client, registry: Running) -> None:
    pusher.push_blob("secret/app", CONTENT)
    with Client(registry.url, "team-pusher") as team:
        for query in ({"mount": DIGEST, "from": "secret/app"}, {"mount": DIGEST}):
            answer = team.http.post(f"/v2/{NAME}/blobs/uploads/", params=query)
            assert answer.status_code == 202
            assert team.blob(NAME, DIGEST).status_code == 404
        assert error_of(team.blob("secret/app", DIGEST))[:2] == (403, "DENIED")


@pytest.mark.parametrize("source", ["secret/app", ""])
def test_mount_leads_around_no_gate(pusher: Client, registry: Running, judge: Judge, source: str) -> None:
    closed = image(b"held there")
    pusher.push("secret/app", closed, "v1")
    blob = list(closed.blobs)[1]
    query = {"mount": blob} | ({"from": source} if source else {})
    with Client(registry.url, "team-pusher-reader") as client:
        assert client.blob("secret/app", blob).status_code == 403
        assert client.http.post(f"/v2/{NAME}/blobs/uploads/", params=query).status_code == 202
        assert client.blob(NAME, blob).status_code == 404
        judge.open("secret/app", closed.digest)
        assert client.http.post(f"/v2/{NAME}/blobs/uploads/", params=query).status_code == 201
        assert client.blob(NAME, blob).content == closed.blobs[blob]


@pytest.mark.parametrize("source", ["other/app", ""])
def test_mount_shares_bytes_and_depends_on_rights_only(pusher: Client, source: str, state_dir: Path) -> None:
    pusher.push_blob("other/app", CONTENT)
    answer = pusher.http.post(
        f"/v2/{NAME}/blobs/uploads/", params={"mount": DIGEST} | ({"from": source} if source else {})
    )
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/v2/{NAME}/blobs/{DIGEST}"
    assert pusher.blob(NAME, DIGEST).content == CONTENT
    assert len(segments(state_dir)) == 1


def test_upload_beyond_the_limit_is_refused_and_removed(live_database: Database, state_dir: Path) -> None:
    from tests.registry.serving import fast_settings, serving

    with serving(live_database, state_dir, settings=fast_settings(blob_limit=2_000_000)) as running:  # noqa: SIM117  the inner one needs the outer one's value
        with Client(running.url, "pusher") as pusher:
            where = begin(pusher)
            answer = pusher.http.put(where, params={"digest": DIGEST}, content=CONTENT)
            assert error_of(answer)[:2] == (413, "SIZE_INVALID")
            assert pusher.http.patch(where, content=CONTENT[:1_500_000]).status_code == 202
            assert pusher.http.patch(where, content=CONTENT[:1_500_000]).status_code == 413
            assert pusher.http.get(where).headers["range"] == "0-1499999"
    assert temporary(state_dir) == []


def test_bytes_before_a_lost_connection_are_kept(pusher: Client, registry: Running, state_dir: Path) -> None:
    where = begin(pusher)
    with socket.create_connection(("127.0.0.1", registry.port)) as connection:
        head = f"PATCH {where} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer pusher\r\nContent-Length: {len(CONTENT)}\r\n\r\n"
        connection.sendall(head.encode() + CONTENT[:2_000_000])
        time.sleep(0.3)
    deadline = time.monotonic() + 5
    while (stands := pusher.http.get(where).headers["range"]) == "0-0" and time.monotonic() < deadline:
        time.sleep(0.05)
    kept = int(stands.partition("-")[2]) + 1
    assert kept == 2_000_000
    done = pusher.http.put(where, params={"digest": DIGEST}, content=CONTENT[kept:])
    assert done.status_code == 201
    assert pusher.blob(NAME, DIGEST).content == CONTENT
    assert temporary(state_dir) == []


def test_truncated_put_is_no_blob(pusher: Client, registry: Running, state_dir: Path) -> None:
    where = begin(pusher)
    with socket.create_connection(("127.0.0.1", registry.port)) as connection:
        head = (
            f"PUT {where}?digest={DIGEST} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer pusher\r\n"
            f"Content-Length: {len(CONTENT)}\r\n\r\n"
        )
        connection.sendall(head.encode() + CONTENT[:2_000_000])
        time.sleep(0.2)
    time.sleep(0.5)
    assert pusher.blob(NAME, DIGEST).status_code == 404
    assert segments(state_dir) == set()
    assert temporary(state_dir) == []


def test_expired_uploads_are_removed_with_their_bytes(pusher: Client, live_database: Database, state_dir: Path) -> None:
    where = begin(pusher)
    pusher.http.patch(where, content=CONTENT)
    store = LocalBlobStore(state_dir / "blobs")
    assert remove_expired(live_database, store) == 0
    live_database.write(lambda tx: tx.execute(sa.update(uploads).values(expires_at=tx.now - 1)))
    assert remove_expired(live_database, store) == 1
    assert segments(state_dir) == set()
    assert error_of(pusher.http.patch(where, content=b"x"))[:2] == (404, "BLOB_UPLOAD_UNKNOWN")


def test_upload_survives_the_death_of_its_process_between_any_two_steps(tmp_path: Path) -> None:
    port = 0
    where = ""
    steps = [(0, 1_000_000), (1_000_000, 2_000_000)]
    running = start(tmp_path, port=port)
    try:
        with Client(running.url, "pusher") as client:
            where = begin(client)
        for first, last in steps:
            _kill(running)
            running = start(tmp_path)
            with Client(running.url, "pusher") as client:
                part = CONTENT[first:last]
                answer = client.http.patch(where, content=part, headers={"content-range": f"{first}-{last - 1}"})
                assert answer.status_code == 202, answer.text
        _kill(running)
        running = start(tmp_path)
        with Client(running.url, "pusher") as client:
            assert client.http.get(where).headers["range"] == "0-1999999"
            assert client.http.put(where, params={"digest": DIGEST}, content=CONTENT[2_000_000:]).status_code == 201
        _kill(running)
        running = start(tmp_path)
        with Client(running.url, "pusher") as client:
            assert client.blob(NAME, DIGEST).content == CONTENT
    finally:
        _kill(running)


def test_killed_while_receiving_loses_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    running = start(tmp_path)
    try:
        with Client(running.url, "pusher") as client:
            where = begin(client)
            assert client.http.patch(where, content=CONTENT[:1_000_000]).status_code == 202
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            head = f"PATCH {where} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer pusher\r\nContent-Length: 2000000\r\n\r\n"
            connection.sendall(head.encode() + CONTENT[1_000_000:2_500_000])
            time.sleep(0.3)
            _kill(running)
        running = start(tmp_path)
        with Client(running.url, "pusher") as client:
            assert client.http.get(where).headers["range"] == "0-999999"
            assert client.http.put(where, params={"digest": DIGEST}, content=CONTENT[1_000_000:]).status_code == 201
            assert client.blob(NAME, DIGEST).content == CONTENT
    finally:
        _kill(running)


def test_stop_keeps_what_an_upload_had_sent(tmp_path: Path) -> None:
    running = start(tmp_path)
    try:
        with Client(running.url, "pusher") as client:
            where = begin(client)
        with socket.create_connection(("127.0.0.1", running.port)) as connection:
            head = f"PATCH {where} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer pusher\r\nContent-Length: 3000000\r\n\r\n"
            connection.sendall(head.encode() + CONTENT[:2_000_000])
            time.sleep(0.3)
            running.process.send_signal(signal.SIGTERM)
            assert running.process.wait(15) == 0
            running.process.stdout.close()
        running = start(tmp_path)
        with Client(running.url, "pusher") as client:
            kept = int(client.http.get(where).headers["range"].partition("-")[2]) + 1
            assert kept == 2_000_000
            assert client.http.put(where, params={"digest": DIGEST}, content=CONTENT[kept:]).status_code == 201
    finally:
        _kill(running)


def test_memory_stays_flat_while_a_large_blob_goes_in_and_out(tmp_path: Path) -> None:
    piece = os.urandom(1024 * 1024)
    size = 400
    hasher = hashlib.sha256()
    for _ in range(size):
        hasher.update(piece)
    with process(tmp_path) as running, Client(running.url, "pusher") as client:
        client.push_blob(NAME, CONTENT)
        before = _peak(running)
        where = begin(client)
        digest = f"sha256:{hasher.hexdigest()}"
        answer = client.http.put(where, params={"digest": digest}, content=(piece for _ in range(size)))
        assert answer.status_code == 201
        with client.http.stream("GET", f"/v2/{NAME}/blobs/{digest}") as stream:
            assert sum(len(part) for part in stream.iter_raw()) == size * 1024 * 1024
        assert _peak(running) - before < 40_000


def _kill(running: Running) -> None:
    if running.process.poll() is None:
        running.process.send_signal(signal.SIGKILL)
        running.process.wait()
    running.process.stdout.close()


def _peak(running: Running) -> int:
    status = Path(f"/proc/{running.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0])
