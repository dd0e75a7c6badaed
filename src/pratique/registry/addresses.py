"""Reads what a registry request addresses from its raw path: repository names hold slashes, so the ends decide."""

from dataclasses import dataclass
from functools import lru_cache

from pratique.registry.errors import NameInvalid, UploadUnknown
from pratique.registry.types import Reference, RepositoryName

PREFIX = "/v2/"


@dataclass(frozen=True, slots=True)
class Address:
    """One of: base, catalog, manifests, blobs, uploads, tags, referrers; with the name and what stands after it."""

    kind: str
    name: RepositoryName | None = None
    last: str = ""

    @property
    def repository(self) -> RepositoryName:
        if self.name is None:
            raise NameInvalid("the path names no repository")
        return self.name


@lru_cache(maxsize=4096)
def parse_address(raw_path: bytes) -> Address:
    """Return the address; raises NameInvalid or UploadUnknown for paths that are none."""
    path = raw_path.decode("ascii")
    if path in {"/v2", "/v2/"}:
        return Address("base")
    if path == "/v2/_catalog":
        return Address("catalog")
    head, _, last = path.removeprefix(PREFIX).rpartition("/")
    name, _, kind = head.rpartition("/")
    if kind == "uploads" and name.endswith("/blobs"):
        return Address("uploads", _name(name.removesuffix("/blobs")), _upload_id(last))
    if kind == "blobs" and last == "uploads":
        return Address("uploads", _name(name))
    if kind == "tags" and last == "list":
        return Address("tags", _name(name))
    if kind in {"manifests", "blobs", "referrers"}:
        return Address(kind, _name(name), _last(last))
    raise NameInvalid("the path is none of the registry's", remedy="see the OCI distribution specification, endpoints")


@lru_cache(maxsize=4096)
def parse_reference(text: str) -> Reference:
    """Return the tag or digest; raises TagInvalid or DigestInvalid."""
    return Reference.parse(text)


@lru_cache(maxsize=4096)
def _name(text: str) -> RepositoryName:
    return RepositoryName.parse(text)


def _last(text: str) -> str:
    # Some clients write the colon of a digest as %3A; nothing else needs an escape here.
    return text.replace("%3A", ":").replace("%3a", ":")


def _upload_id(text: str) -> str:
    if text and not (len(text) == 36 and all(character in "0123456789abcdef-" for character in text)):
        raise UploadUnknown("there is no such upload", remedy="start the upload again")
    return text
