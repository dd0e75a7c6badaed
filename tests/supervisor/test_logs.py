import os
from pathlib import Path

from pratique.supervisor.logs import LogPipe, RotatedFile


def test_a_log_stays_within_its_size_and_keeps_the_newest(tmp_path: Path) -> None:
    file = RotatedFile(tmp_path / "api.log", size=1000, files=3)
    for number in range(200):
        file.write(f"line {number:04}\n".encode() * 5)
    kept = sorted(tmp_path.iterdir())
    assert [path.name for path in kept] == ["api.log", "api.log.1", "api.log.2"]
    assert all(path.stat().st_size <= 1000 for path in kept)
    assert "line 0199" in (tmp_path / "api.log").read_text()
    assert (tmp_path / "api.log").stat().st_mode & 0o077 == 0


def test_a_new_run_goes_on_in_the_old_file(tmp_path: Path) -> None:
    for text in (b"first\n", b"second\n"):
        file = RotatedFile(tmp_path / "api.log", size=1000, files=3)
        file.write(text)
        file.close()
    assert (tmp_path / "api.log").read_text() == "first\nsecond\n"


def test_a_log_that_cannot_be_written_is_no_reason_to_stop(tmp_path: Path) -> None:
    RotatedFile(tmp_path / "missing" / "api.log", size=1000, files=3).write(b"lost\n")


def test_everything_that_was_printed_before_the_end_is_in_the_file(tmp_path: Path) -> None:
    pipe = LogPipe("api", RotatedFile(tmp_path / "api.log", size=10**6, files=2), echo=False)
    os.set_blocking(pipe.write_end, False)
    written = os.write(pipe.write_end, b"x" * 200_000)
    pipe.pump()
    pipe.drain()
    assert (tmp_path / "api.log").stat().st_size == written
