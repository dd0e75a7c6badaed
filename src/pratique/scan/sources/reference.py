"""Image references as people write them: `[registry/]name[:tag][@digest]`, with Docker's defaults."""

import re
from dataclasses import dataclass
from typing import Final

from pratique.core.errors import Invalid

_NAME: Final = re.compile(r"[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_{1,2}|-+)[a-z0-9]+)*)*")
_TAG: Final = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}")
_HOST: Final = re.compile(r"(?:[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*|\[[0-9a-fA-F:]+\])(?::[0-9]{1,5})?")


@dataclass(frozen=True)
class Reference:
    """One image in one registry; `host` is where requests go, `registry` what people call it."""

    registry: str
    name: str
    tag: str
    digest: str

    @property
    def host(self) -> str:
        return "registry-1.docker.io" if self.registry == "docker.io" else self.registry

    @property
    def target(self) -> str:
        """What the manifest is asked by: the digest where there is one."""
        return self.digest or self.tag

    def __str__(self) -> str:
        return (
            f"{self.registry}/{self.name}" + (f":{self.tag}" if self.tag else "") + (self.digest and f"@{self.digest}")
        )

    @classmethod
    def parse(cls, text: str) -> "Reference":
        """The reference in a text. Raises `Invalid`."""
        rest, _, digest = text.partition("@")
        registry, slash, remainder = rest.partition("/")
        if not slash or not (registry == "localhost" or "." in registry or ":" in registry):
            registry, remainder = "docker.io", rest
        name, colon, tag = remainder.partition(":")
        if registry == "docker.io" and "/" not in name:
            name = f"library/{name}"
        if not colon and not digest:
            tag = "latest"
        valid = _HOST.fullmatch(registry) and _NAME.fullmatch(name) and (not tag or _TAG.fullmatch(tag))
        if not valid or (colon and not tag) or ("@" in text and not _DIGEST.fullmatch(digest)):
            raise Invalid(
                f"{text!r} is no image reference.",
                remedy="Write REGISTRY/NAME:TAG, or NAME@sha256:…; for files use oci:FOLDER or archive:FILE.",
            )
        return cls(registry, name, tag, digest)
