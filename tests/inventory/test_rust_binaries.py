"""Dependency lists of cargo-auditable are read from a section of a real executable; broken ones are named."""

import json
import shutil
import subprocess
import zlib
from pathlib import Path

import pytest

from pratique.inventory.binaries import look_into

LIST = {
    "packages": [
        {"name": "program", "version": "0.1.0", "source": "local", "root": True, "dependencies": [1, 2]},
        {"name": "hyper", "version": "0.9.3", "source": "crates.io"},
        {"name": "forked", "version": "1.0.0", "source": "git"},
        {"name": "cc", "version": "1.0.0", "source": "crates.io", "kind": "build"},
    ]
}


def with_section(folder: Path, content: bytes) -> bytes:
    """An executable of this machine with a section `.dep-v0` added by the linker's own tools."""
    if not shutil.which("objcopy"):
        pytest.skip("objcopy is needed to add a section")
    (folder / "section").write_bytes(content)
    command = [
        "objcopy",
        f"--add-section=.dep-v0={folder / 'section'}",
        shutil.which("true") or "/bin/true",
        folder / "out",
    ]
    subprocess.run(command, check=True, capture_output=True)
    return (folder / "out").read_bytes()


def test_crates_that_are_in_the_program_are_found(tmp_path: Path) -> None:
    record = look_into("bin/x", with_section(tmp_path, zlib.compress(json.dumps(LIST).encode())))
    assert record is not None
    assert [(p.purl, p.version) for p in record.packages] == [
        ("pkg:cargo/forked@1.0.0", "1.0.0"), ("pkg:cargo/hyper@0.9.3", "0.9.3"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        b"x",
        zlib.compress(b"{"),
        zlib.compress(b'{"packages":[{}]}'),
        zlib.compress(bytes(64 << 20)),
        zlib.compress(b"[" * 100_000),
    ],
    ids=["no-zlib", "no-json", "no-names", "bomb", "deep"],
)
def test_a_broken_list_is_named(tmp_path: Path, content: bytes) -> None:
    record = look_into("bin/x", with_section(tmp_path, content))
    assert record is not None
    assert record.problem is not None
    assert (record.problem.code, record.problem.ecosystem) == ("build-info", "cargo")
