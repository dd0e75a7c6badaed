"""Runs a tier of checks and prints its seconds: what `make test`, `make lint`, `make bench` and CI call."""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BIN = Path(sys.executable).parent


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tier", choices=sorted(TIERS))
    parser.add_argument("--workers", default="2", help="test processes side by side")
    parser.add_argument("arguments", nargs="*")
    options, rest = parser.parse_known_args()
    start = time.monotonic()
    status = TIERS[options.tier](options, [*options.arguments, *rest])
    # Before the runner's own closing line would be better still, but that line must stay the last of a test run.
    if options.tier != "test":
        print(f"{options.tier}: {time.monotonic() - start:.0f} s")
    return status


def test(options: argparse.Namespace, arguments: list[str]) -> int:
    workers = [] if options.workers in {"0", "1"} else ["-n", options.workers, "--dist", "loadfile"]
    return run(BIN / "pytest", *workers, *arguments)


def lint(_options: argparse.Namespace, _arguments: list[str]) -> int:
    checks = {
        "ruff check": (BIN / "ruff", "check", "--quiet", "."),
        "ruff format": (BIN / "ruff", "format", "--quiet", "--check", "."),
        "mypy": (BIN / "mypy",),
        "lint-imports": (BIN / "lint-imports", "--no-cache"),
    }
    failed = 0
    for name, command in checks.items():
        start = time.monotonic()
        status = run(*command)
        print(f"{name}: {'ok' if not status else 'failed'}, {time.monotonic() - start:.0f} s", flush=True)
        failed += bool(status)
    return failed


def interop(_options: argparse.Namespace, arguments: list[str]) -> int:
    return run(BIN / "pytest", "-m", "interop", "tests/interop", *arguments)


def bench(_options: argparse.Namespace, arguments: list[str]) -> int:
    return scripts("benchmarks", arguments, lambda name: not name.startswith("peer_"))


def peers(_options: argparse.Namespace, arguments: list[str]) -> int:
    return scripts("benchmarks", arguments, lambda name: name.startswith("peer_"))


def scripts(folder: str, names: list[str], wanted: Callable[[str], bool]) -> int:
    files = [file for file in sorted((ROOT / folder).glob("*.py")) if wanted(file.name) and file.name[0] != "_"]
    chosen = [file for file in files if not names or file.stem in names]
    failed = 0
    for file in chosen:
        print(f"== {file.stem}", flush=True)
        failed += bool(run(sys.executable, file))
    return failed


def run(*command: str | Path) -> int:
    return subprocess.run([str(part) for part in command], cwd=ROOT, env=environment(), check=False).returncode


def environment() -> dict[str, str]:
    """The caller's, with the tools of this Python environment first on PATH."""
    return {**os.environ, "PATH": f"{BIN}:{os.environ.get('PATH', '/usr/bin:/bin')}"}


TIERS = {"test": test, "lint": lint, "interop": interop, "bench": bench, "peers": peers}

if __name__ == "__main__":
    sys.exit(main())
