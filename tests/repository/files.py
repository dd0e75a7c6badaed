"""The files of the repository, as git would take them."""

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = ROOT / "src/pratique"


def tracked() -> list[Path]:
    """Every file that is, or could next be, in the repository; ignored ones are not."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [file for name in listed.split("\0") if name and (file := ROOT / name).is_file()]


def text_of(file: Path) -> str | None:
    """The text of a file, or None for one that is not text."""
    try:
        return file.read_text()
    except UnicodeDecodeError:
        return None


def shown(file: Path) -> str:
    return str(file.relative_to(ROOT))
