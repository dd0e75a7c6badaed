"""Hostile layers behind real manifests: each is held with its fault named, cheaply, while other images are judged."""

import contextlib
import gzip
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from pratique.core.digests import Digest, Hasher
from tests.corpus.layers.build import ATTACKS, tiny_files
from tests.e2e.conftest import Installation, start
from tests.e2e.test_failures import processes
from tests.e2e.wire import CONFIG, Wire, children_of, image_of, peak
from tests.registry.images import LAYER, Artifact, artifact

ZSTD = LAYER.replace("gzip", "zstd")
SAID = {
    "traversal": "a path leads upwards",
    "traversal-in-the-middle": "a path leads upwards",
    "hard-link-outwards": "a path leads upwards",
    "ratio-bomb": "times its stored size",
    "overlay-whiteout-device": "device",
    "record-is-a-device": "no plain file",
    "truncated-stream": "ends in the middle",
    "truncated-header": "ends in the middle",
    "truncated-content": "ends in the middle",
    "not-a-tar": "header",
    "wrong-header-checksum": "checksum",
    "lying-size": "ends in the middle",
    "bytes-behind-gzip": "no gzip member",
    "record-twice": "twice",
}
MOST = {"api": 250, "worker": 300, "keys": 120, "reader": 350}
"""Megabytes that a process may have held at its peak."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installation]:
    made = start(tmp_path_factory.mktemp("hostile"), PRATIQUE_SCAN__LAYER_ENTRIES="1050000")
    yield made
    made.run("down")


@pytest.fixture(scope="module")
def wire(server: Installation) -> Wire:
    return Wire(server, server.account("pusher", "AcrPush", "/registry/team/"))


def hostile(layer: bytes) -> Artifact:
    """An image of one layer; its configuration tells the truth about it as far as there is one."""
    packed = layer.startswith(b"\x28\xb5\x2f\xfd")
    opened = zstandard.ZstdDecompressor().stream_reader(layer) if packed else gzip.GzipFile(fileobj=io.BytesIO(layer))
    plain = Hasher()
    with contextlib.suppress(OSError, EOFError, zlib.error):
        while piece := opened.read(1 << 20):
            plain.update(piece)
    config = {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": [str(plain.digest())]}}
    kind = ZSTD if packed else LAYER
    return artifact(json.dumps(config).encode(), CONFIG, [(layer, kind)])


def _found(server: Installation, name: str) -> dict[str, object]:
    found = server.status(f"team/{name}:1")
    print(name, found["state"], found["class"], found["summary"])
    return found


@pytest.mark.timeout(600)
def test_each_attack_is_held_and_named_while_others_are_judged_and_memory_stays_flat(
    server: Installation, wire: Wire, tmp_path: Path
) -> None:
    for name in SAID:
        wire.push(f"team/{name}", hostile(ATTACKS[name].build()), "1")
    for name, count in (("tiny", 1_000_000), ("count-bomb", 1_100_000)):
        tiny_files(tmp_path / name, count)
        wire.push(f"team/{name}", hostile((tmp_path / name).read_bytes()), "1")
    wire.push("team/good", image_of(b"nothing bad"), "1")
    peaks: dict[str, int] = {}
    wrong = {}
    for name, said in SAID.items():
        found = _found(server, name)
        if (found["state"], found["class"]) != ("held", "not-assessable") or said not in str(found["summary"]):
            wrong[name] = found["summary"]
        _note(server, peaks)
    assert _found(server, "tiny")["state"] == "open"
    assert "more than 1050000 entries" in str(_found(server, "count-bomb")["summary"])
    _note(server, peaks)
    assert _found(server, "good")["state"] == "open"
    print(peaks)
    assert not wrong
    assert {name for name, most in MOST.items() if peaks[name] > most} == set()


def test_bytes_that_do_not_have_the_promised_digest_are_not_taken(wire: Wire) -> None:
    digest = Digest.of(b"promised")
    heard = wire.request("PUT", f"{wire.begin('team/wrong')}?digest={digest}", b"delivered")
    assert heard.status == 400
    assert "the bytes do not have this digest" in heard.message
    assert wire.request("HEAD", f"/v2/team/wrong/blobs/{digest}").status == 404


def test_a_configuration_that_lies_about_its_layer_is_held(server: Installation, wire: Wire) -> None:
    config, layer = image_of(b"one").blobs.values()
    other = json.loads(config) | {"rootfs": {"type": "layers", "diff_ids": [str(Digest.of(b"another"))]}}
    wire.push("team/lying", artifact(json.dumps(other).encode(), CONFIG, [(layer, LAYER)]), "1")
    found = _found(server, "lying")
    assert (found["state"], found["class"]) == ("held", "not-assessable")
    assert "its diffID is" in str(found["summary"])


def _note(server: Installation, peaks: dict[str, int]) -> None:
    found = processes(server)
    measured = {name: peak(pid) for name, pid in found.items()}
    readers = children_of(found["worker"], "pratique.inventory.reader")
    measured["reader"] = max((peak(pid) for pid in readers), default=0)
    for name, size in measured.items():
        peaks[name] = max(peaks.get(name, 0), size)
