"""What the lean walk accepts, Go's archive/tar reads alike: the reader of docker, containerd and podman."""

import base64
import json
import os
import random
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.inventory.test_tar_differential import mutated, own_members, seeds

from pratique.inventory.errors import StopReading

_KINDS = {"0": "file", "5": "directory", "2": "symlink", "1": "hard-link", "7": "file", "S": "file"}


pytestmark = pytest.mark.interop


@pytest.fixture(scope="module")
def lister(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("go"):
        pytest.skip("Go is needed to compare with archive/tar")
    folder = tmp_path_factory.mktemp("go")
    environment = {
        **os.environ,
        "GOCACHE": str(folder / "cache"),
        "GOFLAGS": "-mod=mod",
        "GO111MODULE": "off",
        "CGO_ENABLED": "0",
    }
    source = Path(__file__).parent / "go_tar/main.go"
    subprocess.run(["go", "build", "-o", folder / "lister", source], check=True, env=environment, capture_output=True)
    return folder / "lister"


def go_members(lister: Path, archives: list[bytes]) -> list[tuple[list[tuple[bytes, str, int]], str]]:
    data = b"".join(len(archive).to_bytes(8, "big") + archive for archive in archives)
    lines = subprocess.run([lister], input=data, capture_output=True, check=True).stdout.splitlines()
    found = []
    for line in map(json.loads, lines):
        members = [
            (
                base64.b64decode(one["Name"]).rstrip(b"/"),
                _KINDS.get(one["Type"], "other"),
                one["Size"] if one["Type"] in "07" else 0,
            )
            for one in line["Members"]
        ]
        found.append((members, line["Error"]))
    return found


@pytest.mark.parametrize("seed", range(6))
def test_an_accepted_mutation_reads_alike_in_go(lister: Path, seed: int) -> None:
    chance = random.Random(100 + seed)
    archives, expected = [], []
    for _ in range(1200):
        data = mutated(seeds()[seed], chance)
        try:
            members, _ = own_members(data)
        except StopReading:
            continue
        archives.append(data)
        expected.append(members)
    assert len(archives) > 200
    for ours, (theirs, error), data in zip(expected, go_members(lister, archives), archives, strict=True):
        assert error or theirs == ours, (ours, theirs, data)
