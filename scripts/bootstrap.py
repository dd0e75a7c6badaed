"""What the Makefile calls: set-up steps that must work before anything is installed. Standard library only.

bootstrap.py up [--bundle FILE]     build what is missing, then start the server
bootstrap.py environment NAME       build .venv from requirements/NAME.txt
bootstrap.py assets                 build the browser assets
bootstrap.py bundle [FILE]          make one archive for a machine without network
"""

import argparse
import os
import sys
from pathlib import Path

import bundle
from environment import PYTHON, SetupError, ensure_assets, ensure_environment


def main() -> int:
    options = parse()
    try:
        return int(options.run(options) or 0)
    except SetupError as error:
        print(f"\npratique: {error.message}", file=sys.stderr)
        if error.remedy:
            print(f"  {error.remedy}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("up")
    command.add_argument("--bundle", type=Path)
    command.set_defaults(run=up)
    command = commands.add_parser("environment")
    command.add_argument("name", choices=("runtime", "extras", "test", "build"))
    command.set_defaults(run=lambda options: ensure_environment(f"{options.name}.txt"))
    command = commands.add_parser("assets")
    command.set_defaults(run=lambda _options: ensure_assets())
    command = commands.add_parser("bundle")
    command.add_argument("file", type=Path, nargs="?")
    command.set_defaults(run=make_bundle)
    return parser.parse_args()


def up(options: argparse.Namespace) -> None:
    """Build what is missing and hand over to `pratique up`."""
    if options.bundle:
        with bundle.opened(options.bundle) as place:
            ensure_environment("runtime.txt", place / "wheels")
            bundle.install_assets(place)
    else:
        ensure_environment("runtime.txt")
        ensure_assets()
    os.execv(PYTHON, [str(PYTHON), "-m", "pratique", "up"])  # noqa: S606  an argument list, on purpose


def make_bundle(options: argparse.Namespace) -> None:
    target = bundle.make(options.file)
    size = target.stat().st_size / 1024**2
    print(f"\n{target} ({size:.0f} MB)\nCopy it to a clone of this version and run:  make up BUNDLE={target.name}")


if __name__ == "__main__":
    sys.exit(main())
