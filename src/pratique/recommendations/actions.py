"""The grammar of `Finding.action`: `kind|subject|subject`, the key by which findings become one recommendation.

base-upgrade|debian:12|KEY          build on a newer base; KEY stands for the base by name, see scan.bases
os-update|debian:12|openssl         update a source package of a distribution
app-update|pypi|django              update an application package
load-data|debian-tracker            not assessed: advisory data is missing
rebuild-supported|debian:9          not assessed: the release has no feed any more
not-assessed|unreadable-layer       not assessed for another reason
secret|private-key                  replace secrets of a kind and take them out of images
image-setting|runs-as-root          change how images are built

A package has one line: findings that nobody has published a fix for are counted in it, and where it has no others its
kind is AWAIT_FIX.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256

ID_LENGTH = 16


class Kind(StrEnum):
    """What a recommendation asks for."""

    BASE_UPGRADE = "base-upgrade"
    OS_UPDATE = "os-update"
    APP_UPDATE = "app-update"
    AWAIT_FIX = "await-fix"
    LOAD_DATA = "load-data"
    REBUILD_SUPPORTED = "rebuild-supported"
    NOT_ASSESSED = "not-assessed"
    SECRET = "secret"  # noqa: S105 - the name of a kind
    IMAGE_SETTING = "image-setting"
    OTHER = "other"


KIND_NAMES: dict[Kind, str] = {
    Kind.BASE_UPGRADE: "Base image",
    Kind.OS_UPDATE: "Distribution package",
    Kind.APP_UPDATE: "Application package",
    Kind.AWAIT_FIX: "No fix yet",
    Kind.LOAD_DATA: "Advisory data",
    Kind.REBUILD_SUPPORTED: "Unsupported release",
    Kind.NOT_ASSESSED: "Not assessed",
    Kind.SECRET: "Secret in an image",
    Kind.IMAGE_SETTING: "Image setting",
    Kind.OTHER: "Other",
}
_KINDS = {kind.value: kind for kind in Kind}
PACKAGES = frozenset({Kind.OS_UPDATE, Kind.APP_UPDATE})
ACTIONABLE = frozenset({Kind.BASE_UPGRADE, Kind.OS_UPDATE, Kind.APP_UPDATE})


@dataclass(frozen=True, slots=True)
class Action:
    """A parsed action key. Unknown kinds become OTHER and are shown by the title of their finding."""

    text: str
    kind: Kind
    place: str
    """Distribution and release (`debian:12`), ecosystem (`pypi`), feed or reason."""
    name: str
    """Package, or key of the base image; '' where the kind has none."""

    @classmethod
    def parse(cls, text: str) -> "Action":
        """Read any text: foreign or newer producers never make a finding disappear."""
        head, _, rest = text.partition("|")
        place, _, name = rest.partition("|")
        kind = _KINDS.get(head, Kind.OTHER)
        return cls(text, kind, place, name)

    @property
    def id(self) -> str:
        return recommendation_id(self.text)

    def given(self, *, affected: int, unfixed: int, fix: str) -> "Action":
        """Return what is asked for today: of a package without any fix, to wait for one."""
        waits = unfixed == affected if affected else not fix
        return replace(self, kind=Kind.AWAIT_FIX) if waits and self.kind in PACKAGES else self


def is_settled(action: str, fix: str) -> bool:
    """Whether doing the action ends a finding: a newer base does so also for what has no fixed version."""
    return bool(fix) or action.startswith(f"{Kind.BASE_UPGRADE.value}|")


def recommendation_id(action: str) -> str:
    """Return the public id of an action: stable over rebuilds, safe in an address, without foreign text in it."""
    return sha256(action.encode()).hexdigest()[:ID_LENGTH]
