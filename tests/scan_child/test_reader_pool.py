"""The reader child is powerless, and whatever happens to it is a report, never an error of the parent."""

import gzip
import io
import os
import signal
import tempfile
import threading
import time
from pathlib import Path
from typing import Any, Never

import pytest
from tests.corpus.layers.archive import END, gzipped
from tests.corpus.layers.build import ATTACKS, GOOD, tiny_files

from pratique.inventory.types import ExpectedLayer, Limits
from pratique.scan.child import ReaderPool

LAYER = gzipped(GOOD + END)


@pytest.fixture
def pool() -> Any:
    with ReaderPool(2) as readers:
        yield readers


def names(report: Any) -> Any:
    return {package.name for record in report.records for package in record.packages}


def codes(report: Any) -> Any:
    return {problem.code for problem in report.problems}


def test_a_stream_and_a_file_give_the_same_report(pool: ReaderPool, tmp_path: Path) -> None:
    path = tmp_path / "layer"
    path.write_bytes(b"skip" + LAYER)
    with path.open("rb") as handle:
        handle.read(4)
        from_file = pool.read(handle)
    assert from_file == pool.read(io.BytesIO(LAYER))
    assert names(from_file) == {"innocent"}


def test_a_child_is_kept_warm(pool: ReaderPool) -> None:
    pool.read(io.BytesIO(LAYER))
    (first,) = pool._idle
    pool.read(io.BytesIO(LAYER))
    assert pool._idle == [first]


def test_what_confines_a_child_holds(pool: ReaderPool) -> None:
    held = pool.capabilities()
    (child,) = pool._idle
    status = Path(f"/proc/{child.process.pid}/status").read_text()
    assert held["no-new-privileges"] == held["limits"] == held["not-dumpable"] == "held"
    assert "NoNewPrivs:\t1" in status
    if held["user"] == "held" and os.geteuid() == 0:
        assert "Uid:\t65534\t65534\t65534\t65534" in status
    environment = Path(f"/proc/{child.process.pid}/environ").read_bytes() if os.geteuid() == 0 else b""
    assert b"PATH=" not in environment


def test_a_confined_process_reaches_neither_files_nor_network(tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import socket, sys\n"
        "from pratique.inventory.confine import confine\n"
        "held = confine(1 << 30)\n"
        "def tried(act) :\n"
        "    try: act()\n"
        "    except OSError: return 'refused'\n"
        "    return 'done'\n"
        "print(held['landlock'], tried(lambda: open('/etc/passwd')), held['network-namespace'],\n"
        "      tried(lambda: socket.socket().connect(('127.0.0.1', int(sys.argv[1])))),\n"
        "      tried(lambda: open(sys.argv[2], 'w').write('x')), sep='|')\n"
    )
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-I", "-c", code, port, tmp_path / "x"], capture_output=True, text=True, check=True
        )
    landlock, read, network, connect, write = done.stdout.strip().split("|")
    assert read == ("refused" if landlock == "held" else read)
    assert connect == ("refused" if network == "held" else connect)
    assert write == "refused"


def test_a_killed_child_is_not_assessed_and_the_next_layer_is_read(pool: ReaderPool) -> None:
    class Slow(io.BytesIO):
        def read(self, size: int = -1) -> Any:
            data = super().read(100)
            if self.tell() > 200:
                for child in pool._busy:
                    os.kill(child.process.pid, signal.SIGKILL)
            return data

    report = pool.read(Slow(LAYER), expected=ExpectedLayer(digest="sha256:" + "1" * 64))
    assert codes(report) == {"reader-died"}
    assert report.digest == "sha256:" + "1" * 64
    assert names(pool.read(io.BytesIO(LAYER))) == {"innocent"}


def test_a_child_that_takes_too_long_is_killed(monkeypatch: pytest.MonkeyPatch, pool: ReaderPool) -> None:
    monkeypatch.setattr("pratique.scan.child._GRACE", 0.5)
    pool.capabilities()
    (child,) = pool._idle
    os.kill(child.process.pid, signal.SIGSTOP)
    started = time.monotonic()
    report = pool.read(io.BytesIO(LAYER), limits=Limits(seconds=0.5))
    assert codes(report) == {"reader-timeout"}
    assert time.monotonic() - started < 20
    assert child.process.poll() is not None


def test_too_little_memory_is_named() -> None:
    limits = Limits(small_record_bytes=1 << 30, captured_bytes=1 << 30)
    with ReaderPool(1, memory_bytes=128 << 20, limits=limits) as pool:
        report = pool.read(io.BytesIO(ATTACKS["large-package-json"].build()))
        assert codes(report) == {"limit-memory"}
        assert names(pool.read(io.BytesIO(LAYER))) == {"innocent"}


def test_an_error_of_the_stream_is_the_callers(pool: ReaderPool) -> None:
    class Broken(io.RawIOBase):
        def read(self, size: int = -1) -> Never:
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        pool.read(Broken())
    assert names(pool.read(io.BytesIO(LAYER))) == {"innocent"}


def test_a_buffer_over_something_that_is_no_file_goes_through_a_pipe(pool: ReaderPool) -> None:
    class Segments(io.RawIOBase):
        def __init__(self) -> None:
            self._held = io.BytesIO(LAYER)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self._held.readinto(buffer)

    assert names(pool.read(io.BufferedReader(Segments()))) == {"innocent"}
    with tempfile.TemporaryFile() as file, gzip.GzipFile(fileobj=file, mode="w") as packed:
        packed.write(LAYER)
        packed.close()
        file.seek(0)
        with gzip.GzipFile(fileobj=file) as unpacked:  # its fileno is that of the packed file
            assert names(pool.read(unpacked)) == {"innocent"}


def test_threads_share_the_pool(pool: ReaderPool) -> None:
    reports = []
    threads = [threading.Thread(target=lambda: reports.append(pool.read(io.BytesIO(LAYER)))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(reports) == 8
    assert all(names(report) == {"innocent"} for report in reports)
    assert len(pool._idle) <= 2


def test_a_closed_pool_says_so() -> None:
    pool = ReaderPool(1)
    pool.close()
    assert codes(pool.read(io.BytesIO(LAYER))) == {"reader-closed"}


def test_an_early_answer_ends_the_feeding(pool: ReaderPool) -> None:
    class Endless(io.RawIOBase):
        def read(self, size: int = -1) -> Any:
            return b"\0" * (size if size > 0 else 1 << 20)

    report = pool.read(Endless(), limits=Limits(stored_bytes=8 << 20))
    assert codes(report) == {"limit-stored"}


def test_memory_stays_flat_over_many_tiny_files(pool: ReaderPool, tmp_path: Path) -> None:
    path = tmp_path / "tiny.layer"
    tiny_files(path, 150_000)
    with path.open("rb") as handle:
        report = pool.read(handle)
    assert report.entries == 150_002
    assert names(report) == {"innocent"}
    (child,) = pool._idle
    lines = Path(f"/proc/{child.process.pid}/status").read_text().splitlines()
    peak = next(line for line in lines if line.startswith("VmHWM"))
    assert int(peak.split()[1]) < 100_000
