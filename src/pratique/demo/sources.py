"""Where Debian packages come from on this machine: its own apt sources, or a mirror that the user names.

Formats: sources.list(5), one-line and deb822.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pratique.demo.errors import NoMirror

APT = Path("/etc/apt")
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_SECURITY = "-security"
_CODENAMES = frozenset({"stable", "testing", "oldstable", "bullseye", "bookworm", "trixie", "forky", "sid", "unstable"})


@dataclass(frozen=True, slots=True)
class Archive:
    """One archive of a distribution: an address below which `dists/` and `pool/` lie, and the keys that sign it."""

    url: str
    suite: str
    keyring: Path | None


@dataclass(frozen=True, slots=True)
class Archives:
    """The two archives that the demo compares: the release as it was published, and its security suite."""

    main: Archive
    security: Archive


def archives(release: str, mirror: str = "", security_mirror: str = "", apt: Path = APT) -> Archives:
    """Return where `release` and its security suite are to be had; raises NoMirror."""
    if mirror:
        base = mirror.rstrip("/")
        return _pair(release, base, security_mirror.rstrip("/") or f"{base}{_SECURITY}", None, None)
    main = security = None
    for entry in _entries(apt):
        if entry.suite.endswith(_SECURITY) and entry.suite.removesuffix(_SECURITY) in _CODENAMES:
            security = security or entry
        elif entry.suite in _CODENAMES:
            main = main or entry
    if main is None or security is None:
        raise NoMirror(
            "this machine's package sources name no Debian archive with its security suite",
            remedy="name a mirror: pratique demo --mirror URL (the folder that holds dists/ and pool/)",
        )
    return _pair(release, main.url, security.url, main.keyring, security.keyring)


def _pair(release: str, main: str, security: str, main_keys: Path | None, security_keys: Path | None) -> Archives:
    return Archives(
        main=Archive(main, release, _keyring(main_keys)),
        security=Archive(security, f"{release}{_SECURITY}", _keyring(security_keys)),
    )


def _keyring(named: Path | None) -> Path | None:
    return next((path for path in (named, KEYRING) if path is not None and path.is_file()), None)


def _entries(apt: Path) -> Iterator[Archive]:
    parts = apt / "sources.list.d"
    lists = [apt / "sources.list", *sorted(parts.glob("*.list"))]
    for path in sorted(parts.glob("*.sources")):
        yield from _deb822(_text(path))
    for path in lists:
        yield from _one_line(_text(path))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _deb822(text: str) -> Iterator[Archive]:
    for paragraph in text.split("\n\n"):
        fields = dict(_fields(paragraph))
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in {"no", "false"}:
            continue
        signed = fields.get("signed-by", "")
        keyring = Path(signed) if signed.startswith("/") and " " not in signed else None
        for url in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                if "main" in fields.get("components", "").split() and url.startswith("http"):
                    yield Archive(url.rstrip("/"), suite, keyring)


def _fields(paragraph: str) -> Iterator[tuple[str, str]]:
    for line in paragraph.splitlines():
        name, colon, value = line.partition(":")
        if colon and not line.startswith((" ", "\t", "#")):
            yield name.strip().lower(), value.strip()


def _one_line(text: str) -> Iterator[Archive]:
    for raw in text.splitlines():
        line = raw.partition("#")[0].strip()
        if not line.startswith("deb "):
            continue
        rest = line.removeprefix("deb ").strip()
        options = ""
        if rest.startswith("["):
            options, _, rest = rest[1:].partition("]")
        words = rest.split()
        if len(words) >= 3 and "main" in words[2:] and words[0].startswith("http"):
            signed = dict(pair.partition("=")[::2] for pair in options.split()).get("signed-by", "")
            yield Archive(words[0].rstrip("/"), words[1], Path(signed) if signed else None)
