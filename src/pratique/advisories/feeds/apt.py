"""What the host's own apt sources say, and how an index of such a source is fetched and verified.

No address is known here: they come from the settings or from `/etc/apt`. The signature of InRelease is checked with
gpgv and the keyring that the source names (or the distribution's); where gpgv or the keyring is missing only the hashes
are checked, and the data is labelled as unverified.
"""

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pratique.advisories.errors import FeedRefused

KEYRINGS = (Path("/usr/share/keyrings"), Path("/etc/apt/trusted.gpg.d"))
_ONE_LINE = re.compile(r"^deb\s+(?:\[(?P<options>[^\]]*)\]\s+)?(?P<uri>\S+)\s+(?P<suite>\S+)\s*(?P<components>.*)$")
_SIGNED_BY = re.compile(r"signed-by=(\S+)")
_HASH = re.compile(r"^ ([0-9a-f]{64})\s+(\d+)\s+(\S+)$", re.MULTILINE)
MAX_SOURCES = 200


@dataclass(frozen=True, slots=True)
class AptSource:
    """One suite of one archive."""

    uri: str
    suite: str
    components: tuple[str, ...] = ("main",)
    signed_by: str = ""

    def address(self, path: str) -> str:
        return f"{self.uri.rstrip('/')}/dists/{self.suite}/{path}"


@dataclass(frozen=True, slots=True)
class Release:
    """A verified (or labelled) InRelease: what the suite is, and the hash of each index."""

    codename: str
    date: str
    hashes: dict[str, tuple[str, int]]
    note: str  # '' when the signature is good


def host_sources(etc: Path = Path("/etc/apt")) -> list[AptSource]:
    """Every binary source of the host, in both formats, in the order of the files."""
    found: list[AptSource] = []
    parts = etc / "sources.list.d"
    files = [etc / "sources.list", *sorted(parts.glob("*.list")), *sorted(parts.glob("*.sources"))]
    for path in files:
        try:
            text = path.read_text("utf-8", errors="replace")
        except OSError:
            continue
        found.extend(_deb822(text) if path.suffix == ".sources" else _one_line(text))
    return found[:MAX_SOURCES]


def security_sources(sources: list[AptSource]) -> list[AptSource]:
    """Those that are a security suite (`bookworm-security`, formerly `buster/updates`)."""
    return [source for source in sources if source.suite.endswith(("-security", "/updates"))]


def parse_setting(text: str) -> list[AptSource]:
    """`URI [SUITE [COMPONENT…]]`, several separated by semicolons; without a suite the caller tries the usual ones."""
    found = []
    for item in text.split(";"):
        words = item.split()
        if words:
            found.append(AptSource(words[0], words[1] if len(words) > 1 else "", tuple(words[2:]) or ("main",)))
    return found


def _one_line(text: str) -> Iterator[AptSource]:
    for line in text.splitlines():
        match = _ONE_LINE.match(line.partition("#")[0].strip())
        if match:
            signed = _SIGNED_BY.search(match["options"] or "")
            yield AptSource(
                match["uri"], match["suite"], tuple(match["components"].split()), signed[1] if signed else ""
            )


def _deb822(text: str) -> Iterator[AptSource]:
    for stanza in re.split(r"\n\s*\n", text):
        fields = paragraph(line for line in stanza.splitlines() if not line.startswith("#"))
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        signed = fields.get("signed-by", "")
        for uri in fields.get("uris", "").split():
            for suite in fields.get("suites", "").split():
                key = signed if "\n" not in signed else ""
                yield AptSource(uri, suite, tuple(fields.get("components", "").split()), key)


def paragraph(lines: Iterator[str]) -> dict[str, str]:
    """The fields of one deb822 paragraph, names in lower case, continuation lines joined by line breaks."""
    fields: dict[str, str] = {}
    name = ""
    for line in lines:
        if line[:1] in (" ", "\t"):
            if name:
                fields[name] += "\n" + line.strip()
        else:
            name, _, value = line.partition(":")
            name = name.strip().lower()
            fields[name] = value.strip()
    return fields


def read_release(path: Path, signed_by: str) -> Release:
    """The content of an InRelease file; raises `FeedRefused` when its signature is bad."""
    text, note = _verified(path, signed_by)
    fields = paragraph(iter(text.splitlines()))
    hashes = {name: (digest, int(size)) for digest, size, name in _HASH.findall(text)}
    if not hashes or "codename" not in fields:
        raise FeedRefused("The suite's InRelease names no codename or no hashes.")
    return Release(fields["codename"], fields.get("date", ""), hashes, note)


def check_index(path: Path, expected: tuple[str, int]) -> None:
    """Refuse an index whose bytes are not those that InRelease names."""
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if (digest, path.stat().st_size) != expected:
        raise FeedRefused(
            "An index of the suite is not the one that its InRelease names.",
            remedy="The mirror may be in the middle of an update: run the sync again.",
        )


def _verified(path: Path, signed_by: str) -> tuple[str, str]:
    keyrings = _keyrings(signed_by)
    gpgv = shutil.which("gpgv")
    if gpgv is None or not keyrings:
        missing = "gpgv is missing" if gpgv is None else "no keyring was found"
        return _without_armour(path.read_text("utf-8", errors="replace")), f"signature not verified: {missing}"
    command = [gpgv, "--output", "-"]
    for keyring in keyrings:
        command += ["--keyring", str(keyring)]
    done = subprocess.run([*command, str(path)], capture_output=True, check=False, timeout=60)
    if done.returncode != 0:
        last = done.stderr.decode(errors="replace").strip().splitlines()[-1:]
        raise FeedRefused(
            f"The signature of the suite's InRelease is not good: {''.join(last)}",
            remedy="Check the package source, or that the machine has its present archive keyring.",
        )
    return done.stdout.decode("utf-8", errors="replace"), ""


def _keyrings(signed_by: str) -> list[Path]:
    if signed_by.startswith("/"):
        return [path for path in (Path(item) for item in signed_by.replace(",", " ").split()) if path.is_file()]
    names = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")
    return [folder / name for folder in KEYRINGS for name in names if (folder / name).is_file()]


def _without_armour(text: str) -> str:
    body = text.partition("\n\n")[2] if text.startswith("-----BEGIN PGP SIGNED MESSAGE-----") else text
    return body.partition("\n-----BEGIN PGP SIGNATURE-----")[0]
