"""Values of cache rules."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from pratique.core.errors import Invalid
from pratique.registry.parsing import Descriptor
from pratique.registry.types import RepositoryName
from pratique.registry.upstream.errors import CacheRuleInvalid

DOCKER_HUB: Final = "docker.io"
_HUB_HOST: Final = "registry-1.docker.io"
_HOST: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?")
_PLATFORM: Final = re.compile(r"[a-z0-9]{1,20}/[a-z0-9_]{1,20}(?:/[a-z0-9]{1,10})?")
MOST: Final = 50
PLATFORMS: Final = ("linux/amd64", "linux/arm64")
TTL: Final = 300.0


@dataclass(frozen=True, slots=True)
class NewRule:
    """A cache rule as somebody asks for it, checked."""

    prefix: str
    upstream: str
    user: str = ""
    secret: str = field(default="", repr=False)
    patterns: tuple[str, ...] = ()
    platforms: tuple[str, ...] = PLATFORMS
    ttl: float = TTL

    def __post_init__(self) -> None:
        RepositoryName.parse(self.prefix)
        host, remote = split_upstream(self.upstream)
        if not _HOST.fullmatch(host) or (remote and not _is_repository(remote)):
            raise CacheRuleInvalid("This is no upstream.", remedy="Write HOST, HOST:PORT or HOST/PREFIX.")
        if len(self.patterns) > MOST or len(self.platforms) > MOST:
            raise CacheRuleInvalid(f"A rule has {MOST} patterns and platforms at most.")
        for platform in self.platforms:
            if not _PLATFORM.fullmatch(platform):
                raise CacheRuleInvalid(f"{platform[:40]!r} is no platform.", remedy="Write OS/ARCHITECTURE.")
        if bool(self.user) != bool(self.secret) or not self.user.isprintable() or ":" in self.user:
            raise CacheRuleInvalid("Credentials are a user and a secret.", remedy="Give both, or neither.")


@dataclass(frozen=True, slots=True)
class CacheRule:
    """Repositories here that are filled from there."""

    id: str
    prefix: str
    host: str
    remote: str
    user: str
    patterns: tuple[str, ...]
    platforms: tuple[str, ...]
    ttl: int
    """Microseconds."""
    created_at: int
    created_by: str

    @property
    def address(self) -> str:
        """Where requests go."""
        return _HUB_HOST if self.host == DOCKER_HUB else self.host

    def covers(self, name: str) -> bool:
        return name == self.prefix or name.startswith(self.prefix + "/")

    def remote_of(self, name: str) -> str:
        """Return the repository there that a covered name stands for."""
        rest = name[len(self.prefix) :].lstrip("/")
        found = "/".join(part for part in (self.remote, rest) if part)
        return f"library/{found}" if self.host == DOCKER_HUB and found and "/" not in found else found

    def allows(self, remote: str) -> bool:
        return bool(remote) and (not self.patterns or any(fnmatchcase(remote, each) for each in self.patterns))

    def choose(self, members: Sequence[Descriptor]) -> list[Descriptor]:
        """Return the members that come with an index: the platforms of the rule and what speaks about them."""
        chosen = [each for each in members if each.runnable and platform_of(each) in self.platforms]
        chosen = chosen or [each for each in members if each.runnable][:1]
        digests = {each.digest for each in chosen}
        return [*chosen, *(each for each in members if each.statement_subject in digests)]


def split_upstream(text: str) -> tuple[str, str]:
    """Return host and prefix of `HOST/PREFIX`."""
    host, _, remote = text.strip().partition("/")
    return host.lower(), remote.strip("/")


def platform_of(member: Descriptor) -> str:
    """Return `os/architecture`; variants come with their architecture."""
    return f"{member.platform.get('os', '')}/{member.platform.get('architecture', '')}"


def _is_repository(text: str) -> bool:
    try:
        RepositoryName.parse(text)
    except Invalid:
        return False
    return True
