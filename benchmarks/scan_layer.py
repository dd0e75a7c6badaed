"""What reading a layer costs, against its decompression and two digests alone, in one run.

    python benchmarks/scan_layer.py [LAYER …]

Without a layer it makes one: 200 MB of this machine's own libraries and 7,000 small files, with a package database.
Prints CPU seconds, the ratio to the floor, and the peak memory of the reader.
"""

import hashlib
import io
import resource
import subprocess
import sys
import tarfile
import tempfile
import time
from pathlib import Path

from pratique.inventory.layer import read_layer
from pratique.inventory.streams import Stored, Tape
from pratique.inventory.types import Limits

SIZE = 200 << 20
RUNS = 3


def made(folder: Path) -> list[Path]:
    """A layer of real binaries, packed by gzip and Zstandard."""
    plain = folder / "layer.tar"
    total = 0
    with tarfile.open(plain, "w") as archive:
        status = b"".join(
            b"Package: p%d\nStatus: install ok installed\nVersion: 1.%d-1\n\n" % (n, n) for n in range(400)
        )
        for name, data in {"var/lib/dpkg/status": status, "etc/os-release": b"ID=debian\nVERSION_ID=12\n"}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
        for path in sorted(Path("/usr").rglob("*")):
            if total > SIZE:
                break
            if path.is_file() and not path.is_symlink():
                archive.add(path, arcname=str(path)[1:])
                total += path.stat().st_size
    packed = []
    for command, suffix in ((["gzip", "-6"], ".gz"), (["zstd", "-3", "-q"], ".zst")):
        target = plain.with_suffix(".tar" + suffix)
        with plain.open("rb") as source, target.open("wb") as out:
            subprocess.run([*command, "-c"], stdin=source, stdout=out, check=True)
        packed.append(target)
    return [plain, *packed]


def floor(path: Path) -> None:
    """Decompression, the digest of what is stored and the digest of what is in it."""
    limits = Limits()
    with path.open("rb", buffering=0) as stream:
        stored = Stored(stream, limits)
        for _ in Tape(stored, limits).chunks():
            pass
        stored.finish()


def whole(path: Path) -> None:
    """The same and the reading."""
    with path.open("rb", buffering=0) as stream:
        report = read_layer(stream)
    if report.problems:
        raise SystemExit(f"the layer cannot be read: {report.problems}")


def cpu(action: object, path: Path) -> float:
    """The least CPU seconds of a few runs."""
    best = float("inf")
    for _ in range(RUNS):
        start = time.process_time()
        action(path)  # type: ignore[operator]
        best = min(best, time.process_time() - start)
    return best


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        for path in [Path(name) for name in sys.argv[1:]] or made(Path(folder)):
            with path.open("rb") as stream:
                digest = hashlib.file_digest(stream, "sha256").hexdigest()[:12]
            least, all_of_it = cpu(floor, path), cpu(whole, path)
            size = path.stat().st_size / 1_000_000
            print(
                f"{path.name} ({digest}, {size:.0f} MB stored): decompression and digests {least:.2f} CPU s, "
                f"whole reading {all_of_it:.2f} CPU s, ratio {all_of_it / least:.2f}"
            )
        print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")


if __name__ == "__main__":
    main()
