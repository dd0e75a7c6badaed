"""Reads what a request below `/acr/v1/` addresses. A repository name never has a part that begins with '_'."""

from dataclasses import dataclass
from functools import lru_cache

from pratique.registry.errors import NameInvalid
from pratique.registry.types import RepositoryName

PREFIX = "/acr/v1/"


@dataclass(frozen=True, slots=True)
class AcrAddress:
    """One of: catalog, repository, tags, tag, manifests, manifest; with the name and what stands after it."""

    kind: str
    name: RepositoryName | None = None
    last: str = ""

    @property
    def repository(self) -> RepositoryName:
        if self.name is None:
            raise NameInvalid("the path names no repository")
        return self.name


@lru_cache(maxsize=4096)
def parse_acr_address(raw_path: bytes) -> AcrAddress:
    """Return the address; raises NameInvalid for paths that are none."""
    path = raw_path.decode("ascii").removeprefix(PREFIX)
    if path == "_catalog":
        return AcrAddress("catalog")
    for noun in ("tag", "manifest"):
        name, found, last = path.partition(f"/_{noun}s")
        if not found:
            continue
        if not last:
            return AcrAddress(f"{noun}s", RepositoryName.parse(name))
        if last.startswith("/") and len(last) > 1:
            return AcrAddress(noun, RepositoryName.parse(name), last[1:].replace("%3A", ":").replace("%3a", ":"))
    return AcrAddress("repository", RepositoryName.parse(path))
