"""Builds the wheel into dist/ (or the folder that is named), with the browser assets and the starter data in it."""

import argparse
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = ("pratique/console/static/manifest.json", "pratique/advisories/starter/", "pratique/py.typed")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=ROOT / "dist")
    folder = parser.parse_args().folder.absolute()
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    status = subprocess.run(command, cwd=ROOT, check=False).returncode
    return status or check(max(folder.glob("*.whl"), key=lambda file: file.stat().st_mtime))


def check(wheel: Path) -> int:
    """Refuse a wheel that would start without its pages or its first data."""
    names = zipfile.ZipFile(wheel).namelist()
    missing = [part for part in NEEDED if not any(name.startswith(part) for name in names)]
    for part in missing:
        print(f"{wheel.name} lacks {part}: run `make assets` first")
    if not missing:
        print(f"{wheel} ({wheel.stat().st_size / 1024**2:.1f} MB, {len(names)} files)")
    return len(missing)


if __name__ == "__main__":
    sys.exit(main())
