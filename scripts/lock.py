"""Write requirements/*.txt: every distribution pinned with its hashes, and no address of where it came from.

The lock is one resolution for CPython 3.11 to 3.14 on x86-64 and aarch64, so the files agree with each other. With
`--check-wheels` it is also proved that each supported interpreter finds wheels only: nothing is compiled at set-up.
"""

import argparse
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterator
from itertools import product
from pathlib import Path

from packaging.markers import Environment, Marker, default_environment

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "requirements"
UNIVERSAL = ("--universal", "--python-version", "3.11", "--generate-hashes", "--no-annotate", "--no-header")
SILENT = ("--no-emit-index-url", "--no-emit-find-links")
PRODUCT = "pyproject.toml"
EVERYTHING = (PRODUCT, "--all-extras", "--group", "test", "--group", "build")
SELECTIONS: dict[str, tuple[str, ...]] = {
    "runtime.txt": (PRODUCT,),
    "extras.txt": (PRODUCT, "--all-extras"),
    "test.txt": (PRODUCT, "--all-extras", "--group", "test"),
    "build.txt": ("--group", "build"),
}
HEADS = {
    "runtime.txt": "What the server and the command line run on.",
    "extras.txt": "The same with every extra: PostgreSQL, object storage, telemetry export.",
    "test.txt": "What `make test` and `make lint` install: the product with every extra, and the test tools.",
    "build.txt": "What makes the wheel and the browser assets.",
}
VERSIONS = ("3.11", "3.12", "3.13", "3.14")
MACHINES = ("x86_64", "aarch64")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--upgrade", action="store_true", help="take the newest versions that fit pyproject.toml")
    parser.add_argument("--check-wheels", action="store_true", help="check wheels for each supported interpreter")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compiler = Compiler(install_compiler(Path(folder)))
        everything = Path(folder) / "everything.txt"
        if not options.upgrade:
            everything.write_text("".join(file.read_text() for file in FOLDER.glob("*.txt")))
        compiler.resolve(everything, EVERYTHING)
        for name, selection in SELECTIONS.items():
            compiler.write(FOLDER / name, selection, everything)
        if options.check_wheels:
            compiler.check_wheels(everything)


def install_compiler(folder: Path) -> Path:
    """Put the resolver into an environment of its own: it is no dependency of the project."""
    venv.create(folder / "venv", with_pip=True)
    python = folder / "venv/bin/python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", "uv>=0.13"], check=True)
    return folder / "venv/bin/uv"


class Compiler:
    """Runs the resolver from the root of the project."""

    def __init__(self, program: Path) -> None:
        self._program = program

    def resolve(self, target: Path, selection: tuple[str, ...]) -> None:
        self._run(*UNIVERSAL, *SILENT, *selection, "-o", str(target))

    def write(self, target: Path, selection: tuple[str, ...], pins: Path) -> None:
        target.parent.mkdir(exist_ok=True)
        target.unlink(missing_ok=True)
        self._run(*UNIVERSAL, *SILENT, *selection, "-c", str(pins), "-o", str(target))
        pins_of_target = [simplified for pin in blocks(target.read_text()) if (simplified := simplify(pin))]
        head = f"# {HEADS[target.name]}\n# Written by scripts/lock.py (`make lock`); not edited by hand.\n"
        target.write_text(head + "".join(pins_of_target))
        print(f"{target.relative_to(ROOT)}: {len(pins_of_target)} pins")

    def check_wheels(self, pins: Path) -> None:
        for version, machine in product(VERSIONS, MACHINES):
            platform = f"{machine}-manylinux_2_28"
            arguments = ("--python-version", version, "--python-platform", platform, "--only-binary", ":all:")
            self._run(*arguments, *EVERYTHING, "-c", str(pins), "-o", str(pins.with_name("checked.txt")))
            print(f"wheels for CPython {version} on {platform}: all there")

    def _run(self, *arguments: str) -> None:
        command = [self._program, "pip", "compile", "--quiet", *arguments]
        done = subprocess.run(command, cwd=ROOT, check=False)
        if done.returncode:
            sys.exit(done.returncode)


def blocks(text: str) -> Iterator[str]:
    """Yield each pin with its hash lines."""
    block: list[str] = []
    for line in text.splitlines(keepends=True):
        if block and not line.startswith(" "):
            yield "".join(block)
            block = []
        block.append(line)
    yield "".join(block)


def simplify(pin: str) -> str:
    """Return a pin without a marker that always holds here, and nothing for a pin that no machine of ours needs."""
    first, newline, rest = pin.partition("\n")
    requirement, separator, marker = first.removesuffix(" \\").partition(" ; ")
    if not separator:
        return pin
    holds = {Marker(marker).evaluate(environment) for environment in environments()}
    if holds == {True}:
        return f"{requirement} \\{newline}{rest}"
    return pin if True in holds else ""


def environments() -> Iterator[dict[str, str]]:
    for version, machine in product(VERSIONS, MACHINES):
        linux = Environment(**default_environment())
        linux.update(platform_machine=machine, sys_platform="linux", platform_system="Linux")
        linux.update(python_version=version, python_full_version=f"{version}.0", implementation_name="cpython")
        yield dict(linux)


if __name__ == "__main__":
    main()
