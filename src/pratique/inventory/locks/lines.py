"""Lock files that are lines: requirements.txt, yarn, pnpm, go.mod, Gradle and Bundler."""

import re
from collections.abc import Iterator
from typing import Final

from pratique.inventory.locks.record import LockError, Pairs, wanted

_REQUIREMENT: Final = re.compile(
    r"([A-Za-z0-9][A-Za-z0-9._-]{0,200})[ \t]{0,9}(?:\[[^\]]{0,200}\])?[ \t]{0,9}(===?)?[ \t]{0,9}([^\s;#,]{0,200})"
)
_YARN_KEY: Final = re.compile(r'"?(@?[^@"\s]{1,214})@([^"]*)')
_YARN_VERSION: Final = re.compile(r'  version:? "?([^"\s]{1,200})"?')
_PNPM: Final = re.compile(r"  ['\"]?/?(@?[^@'\"\s]{1,214}?)[@/]([0-9][^('\":\s]{0,200})(?:\([^:]{0,999}\))?['\"]?:")
_GO: Final = re.compile(
    r"(?:require[ \t]{1,9})?([^\s()\"]{1,500})[ \t]{1,9}(v[^\s()/]{1,200})(?:[ \t]{1,9}//.{0,200})?"
)
_GEM: Final = re.compile(r"    ([A-Za-z0-9._-]{1,200}) \(([^()\s]{1,200})\)")


def requirements(data: bytes) -> Pairs:
    """requirements.txt: pins by `==`; anything else names no version that could be judged."""
    for line in data.decode().replace("\\\n", " ").splitlines():
        text = line.strip()
        if not text or text.startswith(("#", "-")):
            continue
        match = _REQUIREMENT.match(text)
        if match is None:
            raise LockError("it has a line that is no requirement")
        yield match[1], match[3] if match[2] and "*" not in match[3] else ""


def yarn(data: bytes) -> Pairs:
    """yarn.lock, of version 1 and of later ones; what lies in the tree itself (workspace, link) is left out."""
    name, local = "", False
    for line in data.decode().splitlines():
        if line and not line[0].isspace() and not line.startswith(("#", "__metadata")):
            match = _YARN_KEY.match(line)
            if match is None:
                raise LockError("it has an entry without a name")
            name, local = match[1], match[2].startswith(("workspace:", "link:", "portal:", "file:"))
        elif name and not local and (match := _YARN_VERSION.match(line)):
            yield name, match[1]
            name = ""


def pnpm(data: bytes) -> Pairs:
    """pnpm-lock.yaml: the keys under `packages:`, as versions 5 to 9 write them."""
    inside = False
    for line in data.decode().splitlines():
        if line and not line[0].isspace():
            inside = line == "packages:"
        elif inside and (match := _PNPM.match(line)):
            yield match[1], match[2]


def go_mod(data: bytes) -> Pairs:
    """go.mod: what is required, with the same version replacements as the `go` command makes of it."""
    block, replaced = "", dict[str, tuple[str, str] | None]()
    found: list[tuple[str, str]] = []
    for line in data.decode().splitlines():
        text = line.split("//", 1)[0].strip()
        if text.endswith("(") or text == ")":
            block = text[:-1].strip()
        elif block == "replace" or text.startswith("replace "):
            old, _, new = text.removeprefix("replace ").partition("=>")
            words = new.split()
            replaced[old.split()[0]] = (words[0], words[1]) if len(words) == 2 else None
        elif (block == "require" or text.startswith("require ")) and (match := _GO.fullmatch(text)):
            found.append((match[1], match[2]))
    return _after_replacing(found, replaced)


def _after_replacing(
    found: list[tuple[str, str]], replaced: dict[str, tuple[str, str] | None]
) -> Iterator[tuple[str, str]]:
    for name, version in found:
        other = replaced.get(name, (name, version))
        if other is not None:  # else a folder of the tree
            yield other


def gradle(data: bytes) -> Pairs:
    """gradle.lockfile: `group:name:version=configurations`."""
    for line in data.decode().splitlines():
        if line and not line.startswith(("#", "empty=")):
            group, name, version = line.partition("=")[0].split(":")
            yield f"{group}:{name}", version


def bundler(data: bytes) -> Pairs:
    """Gemfile.lock: the resolved gems of every source but those of paths; a version's platform is cut off."""
    inside = False
    for line in data.decode().splitlines():
        if line and not line[0].isspace():
            inside = line in ("GEM", "GIT")
        elif inside and (match := _GEM.fullmatch(line)):
            yield match[1], re.split(r"-(?=[a-z])", match[2], maxsplit=1)[0]


WANTED: Final = (
    wanted("requirements.txt", "pypi", requirements),
    wanted("yarn.lock", "npm", yarn),
    wanted("pnpm-lock.yaml", "npm", pnpm),
    wanted("go.mod", "golang", go_mod),
    wanted("gradle.lockfile", "maven", gradle),
    wanted("Gemfile.lock", "gem", bundler),
)
