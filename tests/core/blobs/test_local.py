"""What only a disk can do wrong: fill up, lose a process, keep temporary files."""

import errno
import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pratique.core.blobs import StorageAway, StorageFull
from pratique.core.blobs.local import LocalBlobStore


def incoming(folder: Path) -> list[Path]:
    return list((folder / "incoming").iterdir())


def test_files_are_private(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path / "blobs")
    writer = store.create()
    writer.commit()
    assert stat.S_IMODE(store.path(writer.key).stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "blobs" / "segments").stat().st_mode) == 0o700


def test_little_space_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    store = LocalBlobStore(tmp_path, minimum_free=1 << 60)
    with pytest.raises(StorageFull) as refused:
        store.create()
    assert "data.minimum_free" in refused.value.remedy
    assert refused.value.status == 507
    assert incoming(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, StorageFull), (errno.EDQUOT, StorageFull), (errno.EIO, StorageAway)]
)
@pytest.mark.parametrize("step", ["write", "fsync", "rename"])
def test_failure_at_any_step_is_said_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception], step: str
) -> None:
    store = LocalBlobStore(tmp_path)
    writer = store.create()

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path if step == "rename" else os, step, fail)
    with pytest.raises(kind):  # noqa: PT012  whichever of the two steps it is
        writer.write(b"x")
        writer.commit()
    monkeypatch.undo()
    assert incoming(tmp_path) == []
    assert store.keys() == []


def test_real_full_disk(tmp_path: Path) -> None:
    """A file system of 2 MiB, where this machine lets us have one."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("mounting needs privileges")
    try:
        store = LocalBlobStore(folder)
        writer = store.create()
        with pytest.raises(StorageFull):  # noqa: PT012  whichever write finds it full
            for _ in range(10):
                writer.write(bytes(1024 * 1024))
        assert incoming(folder) == []
        smaller = store.create()
        smaller.write(b"fits")
        smaller.commit()
    finally:
        subprocess.run(["umount", folder], check=True)


def test_process_killed_before_commit_leaves_no_segment(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from pratique.core.blobs.local import LocalBlobStore\n"
        "writer = LocalBlobStore(Path(sys.argv[1])).create(); writer.write(b'x' * 100000)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert subprocess.run([sys.executable, "-c", script, tmp_path], check=False).returncode == -9
    assert len(incoming(tmp_path)) == 1
    assert LocalBlobStore(tmp_path).keys() == []
    for path in incoming(tmp_path):
        os.utime(path, (0, 0))
    LocalBlobStore(tmp_path)
    assert incoming(tmp_path) == []
