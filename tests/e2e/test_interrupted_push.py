"""Pushes that are cut off, and processes that die under them: what was acknowledged stays, and the push goes on."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pratique.core.digests import Digest
from tests.corpus.layers.build import tiny_files
from tests.e2e.conftest import Installation, start
from tests.e2e.test_failures import processes
from tests.e2e.wire import Heard, Wire, children_of, image_of, packed, segments
from tests.registry.images import Artifact

NAME = "team/app"
ZSTD = "application/vnd.oci.image.layer.v1.tar+zstd"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = start(tmp_path_factory.mktemp("faults"), PRATIQUE_SCAN__LAYER_TIME="3")
    yield made
    made.run("down")


@pytest.fixture(scope="module")
def account(server: Installation) -> str:
    return server.account("pusher", "AcrPush", "/registry/team/")


@pytest.fixture
def wire(server: Installation, account: str) -> Wire:
    return Wire(server, account)


def fresh(size: int = 3_000_000) -> Artifact:
    return image_of(random.randbytes(size))


def largest(image: Artifact) -> tuple[str, bytes]:
    return max(image.blobs.items(), key=lambda item: len(item[1]))


def offset(heard: Heard) -> int:
    return int(heard.headers["range"].partition("-")[2]) + 1


def test_a_connection_that_is_cut_at_any_step_costs_nothing_but_the_step(server: Installation, wire: Wire) -> None:
    image = fresh()
    digest, content = largest(image)
    half = len(content) // 2
    wire.begin(NAME)  # and nothing more
    place = wire.begin(NAME)
    wire.cut("PATCH", place, content, half)
    stands = _settled_offset(wire, place)
    assert 0 < stands <= half
    more = {"Content-Range": f"{stands}-{half - 1}"}
    if stands < half:
        assert wire.request("PATCH", place, content[stands:half], **more).status == 202
    assert offset(wire.request("GET", place)) == half
    wire.cut("PUT", f"{place}?digest={digest}", content[half:], 1000)
    assert wire.request("HEAD", f"/v2/{NAME}/blobs/{digest}").status == 404
    stands = _settled_offset(wire, place)
    assert wire.request("PUT", f"{place}?digest={digest}", content[stands:]).status == 201
    wire.cut("PUT", f"/v2/{NAME}/manifests/cut", image.manifest, 100, **{"Content-Type": image.media_type})
    assert wire.request("GET", f"/v2/{NAME}/manifests/cut").status == 404
    wire.push(NAME, image, "cut")
    _whole(server, wire, image, "cut")


def test_the_api_is_killed_between_any_two_steps(server: Installation, wire: Wire) -> None:
    image = fresh()
    digest, content = largest(image)
    half = len(content) // 2

    place = wire.begin(NAME)
    _kill(server, "api")
    assert wire.insist("PATCH", place, content[:half]).status == 202
    _kill(server, "api")
    assert offset(wire.insist("GET", place)) == half
    assert wire.insist("PUT", f"{place}?digest={digest}", content[half:]).status == 201
    _kill(server, "api")
    assert wire.insist("HEAD", f"/v2/{NAME}/blobs/{digest}").status == 200
    wire.push(NAME, image, "api")
    _kill(server, "api")
    _whole(server, wire, image, "api")


def test_the_api_is_killed_in_the_middle_of_requests(server: Installation, wire: Wire) -> None:
    for pause in (0.0, 0.03):
        image = fresh(12_000_000)
        _, content = largest(image)
        place = wire.begin(NAME)
        connection = wire.connect()
        connection.putrequest("PATCH", place)
        for name, value in (wire.headers(place) | {"Content-Length": str(len(content))}).items():
            connection.putheader(name, value)
        connection.endheaders()
        connection.send(content)
        time.sleep(pause)
        _kill(server, "api")
        connection.close()
        assert offset(wire.insist("GET", place)) in {0, 1, len(content)}
        wire.push(NAME, image, "middle")
        _whole(server, wire, image, "middle", orphans=2)


@pytest.mark.parametrize("victims", [("keys",), ("worker",), ("keys", "api", "worker")])
def test_any_process_is_killed_in_the_middle_of_a_push(
    server: Installation, wire: Wire, victims: tuple[str, ...]
) -> None:
    image = fresh()
    digest, content = largest(image)
    place = wire.begin(NAME)
    assert wire.insist("PATCH", place, content[:1000]).status == 202
    found = processes(server)
    for name in victims:
        os.kill(found[name], signal.SIGKILL)
    assert wire.insist("PUT", f"{place}?digest={digest}", content[1000:]).status == 201
    wire.push(NAME, image, "victims")
    _whole(server, Wire(server, wire.account), image, "victims")


@pytest.mark.parametrize("times", [1, 2])
def test_a_reader_that_is_killed_is_replaced_and_the_layer_read_again(
    server: Installation, wire: Wire, tmp_path: Path, times: int
) -> None:
    image = _slow(tmp_path)
    wire.push(NAME, image, "killed")
    for _ in range(times):
        os.kill(_reader(server), signal.SIGKILL)
    assert server.status(f"{NAME}:killed")["class"] != "reading"
    _whole(server, wire, image, "killed")


def test_a_worker_that_is_killed_while_it_reads_is_replaced_and_takes_its_reader_along(
    server: Installation, wire: Wire, tmp_path: Path
) -> None:
    image = _slow(tmp_path)
    wire.push(NAME, image, "worker")
    reader = _reader(server)
    os.kill(processes(server)["worker"], signal.SIGKILL)
    _whole(server, wire, image, "worker")
    _until(lambda: not Path(f"/proc/{reader}").exists(), 20)


def test_a_reader_that_stops_answering_is_given_up_and_the_image_can_be_read_again(
    server: Installation, wire: Wire, tmp_path: Path
) -> None:
    image = _slow(tmp_path)
    wire.push(NAME, image, "stopped")
    os.kill(_reader(server), signal.SIGSTOP)
    found = server.status(f"{NAME}:stopped")
    assert (found["state"], found["class"]) == ("held", "not-assessable")
    assert "too long" in found["summary"]
    assert "rescan" in found["remedy"]
    server.ok("registry", "rescan", f"{NAME}:stopped")
    _until(lambda: "too long" not in server.status(f"{NAME}:stopped")["summary"], 60)


def test_the_doctor_finds_nothing_wrong_afterwards(server: Installation) -> None:
    found = server.run("doctor")
    assert found.returncode == 0, found.stdout
    assert server.run("audit", "verify").returncode == 0


def _settled_offset(wire: Wire, place: str) -> int:
    """Where an upload stands once the server has noticed that its client is gone."""
    seen = -1
    for _ in range(50):
        now = offset(wire.request("GET", place))
        if now == seen and now > 1:
            return now
        seen = now
        time.sleep(0.2)
    return seen


def _whole(server: Installation, wire: Wire, image: Artifact, tag: str, *, orphans: int = 0) -> None:
    """The image is there byte for byte, was decided, and nothing lies about that no row names."""
    assert wire.insist("HEAD", f"/v2/{NAME}/manifests/{tag}").status == 200  # the API is back
    found = server.status(f"{NAME}:{tag}")
    assert found["settled"], found
    assert found["digest"] == image.digest
    for digest, content in image.blobs.items():
        heard = wire.insist("GET", f"/v2/{NAME}/blobs/{digest}")
        assert (heard.status, str(Digest.of(heard.body))) == (200, digest)
        assert len(heard.body) == len(content)
    assert len(_orphans(server)) <= orphans
    files, named = segments(server.state)
    assert named <= files


def _orphans(server: Installation) -> set[str]:
    files, named = segments(server.state)
    return files - named


def _kill(server: Installation, name: str) -> None:
    os.kill(processes(server)[name], signal.SIGKILL)


def _slow(folder: Path) -> Artifact:
    """An image that takes a second or two to read, and is no other test's."""
    path = folder / "tiny"
    tiny_files(path, 400_000 + random.randrange(1000))
    return packed(path.read_bytes(), media_type=ZSTD)


def _reader(server: Installation) -> int:
    worker = processes(server)["worker"]
    end = time.monotonic() + 30
    while time.monotonic() < end:
        for pid in children_of(worker, "pratique.inventory.reader"):
            before = _ticks(pid)
            time.sleep(0.05)
            if _ticks(pid) > before + 1:
                return pid
        time.sleep(0.01)
    raise AssertionError("no reader is at work")


def _ticks(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11])
    except OSError:
        return 0


def _until(done: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.2)
