"""The words of registry tokens: `repository:team/app:pull,push` and what each action permits.

Source: distribution/distribution, docs/content/spec/auth/scope.md; the further actions are those that clients of
Azure Container Registry ask for.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pratique.core.errors import Invalid
from pratique.core.permissions import Bound, Extent, Permission, Scope

_MAX_SCOPES = 32
_MAX_LENGTH = 512

_DELETE = frozenset({Permission.REGISTRY_CONTENT_DELETE})
_METADATA_READ = frozenset({Permission.REGISTRY_METADATA_READ})
_METADATA_WRITE = frozenset({Permission.REGISTRY_METADATA_WRITE})
_PULL = frozenset(
    {Permission.REGISTRY_CONTENT_READ, Permission.REGISTRY_METADATA_READ, Permission.REGISTRY_QUARANTINE_READ}
)
_PUSH = frozenset({Permission.REGISTRY_CONTENT_WRITE, Permission.REGISTRY_CONTENT_SIGN})
_CATALOG = frozenset({Permission.REGISTRY_CATALOG_LIST})
# Azure's older name for a repository of charts; a chart is an artifact in a repository like any other.
_REPOSITORY = frozenset({"repository", "artifact-repository"})

# What a token with the action may be used for, if assignments permit it too.
ACTIONS: Mapping[str, frozenset[Permission]] = {
    "pull": _PULL,
    "push": _PUSH,
    "delete": _DELETE,
    "metadata_read": _METADATA_READ,
    "metadata_write": _METADATA_WRITE,
    "deleted_read": frozenset({Permission.REGISTRY_DELETED_READ}),
    "deleted_restore": frozenset({Permission.REGISTRY_DELETED_RESTORE}),
    "quarantine_read": frozenset({Permission.REGISTRY_QUARANTINE_READ}),
    "quarantine_write": frozenset({Permission.REGISTRY_QUARANTINE_WRITE}),
}
# Any one of these is enough for the action to be granted: a signer pushes signatures, a quarantine reader pulls.
NEEDS: Mapping[str, frozenset[Permission]] = {
    **ACTIONS,
    "pull": frozenset({Permission.REGISTRY_CONTENT_READ, Permission.REGISTRY_QUARANTINE_READ}),
}


@dataclass(frozen=True, slots=True)
class Access:
    """One entry of a token's `access` claim: what is asked of, or granted on, one resource."""

    kind: str
    name: str
    actions: tuple[str, ...]

    def as_claim(self) -> dict[str, Any]:
        return {"type": self.kind, "name": self.name, "actions": list(self.actions)}

    def bound(self) -> Bound:
        """What the token may be used for."""
        if self.kind == "registry":
            return Bound(Scope.root(), _CATALOG, exact=False)
        permitted = frozenset[Permission]().union(*(ACTIONS.get(action, frozenset()) for action in self.actions))
        return Bound(Scope.for_repository(self.name), permitted, exact=True)


def parse_scopes(texts: Iterable[str]) -> tuple[Access, ...]:
    """Read scopes that come repeated, or several in one with spaces between; too many or too long ones are refused."""
    words = [word for text in texts for word in text.split(" ") if word]
    if len(words) > _MAX_SCOPES or any(len(word) > _MAX_LENGTH for word in words):
        raise Invalid("Too many or too long scopes.", remedy=f"Ask for at most {_MAX_SCOPES} scopes at a time.")
    return tuple(_parse(word) for word in dict.fromkeys(words))


def _parse(word: str) -> Access:
    kind, _, rest = word.partition(":")
    name, _, actions = rest.rpartition(":")  # a name may hold a port
    kind = kind.partition("(")[0]  # `repository(plugin)` is a repository to those who know no classes
    if kind not in (*_REPOSITORY, "registry") or not name or not actions:
        raise Invalid(f"{word[:80]!r} is not a scope.", remedy="Write repository:NAME:pull,push or registry:catalog:*.")
    if kind == "registry":
        return Access(kind, name, ("*",))
    Scope.for_repository(name)
    wanted = dict.fromkeys(actions.split(","))
    if "*" in wanted:
        wanted = dict.fromkeys(ACTIONS)
    return Access(kind, name, tuple(action for action in wanted if action in ACTIONS))


def granted(
    wanted: Access, allowed: Callable[[Permission, Scope], bool], extent: Callable[[Permission], Extent]
) -> Access | None:
    """The part of what is asked for that `allowed` permits, or None when that is nothing.

    The catalogue is granted to whoever may list names anywhere: it then holds the names of there, and no other.
    """
    if wanted.kind == "registry":
        lists = wanted.name == "catalog" and not extent(Permission.REGISTRY_CATALOG_LIST).is_empty
        return wanted if lists else None
    scope = Scope.for_repository(wanted.name)
    actions = tuple(action for action in wanted.actions if any(allowed(need, scope) for need in NEEDS[action]))
    return Access(wanted.kind, wanted.name, actions) if actions else None


def bounds_of(claim: Iterable[Mapping[str, Any]]) -> tuple[Bound, ...]:
    """The bounds of a token's `access` claim, which was made here and whose signature holds."""
    return tuple(Access(entry["type"], entry["name"], tuple(entry["actions"])).bound() for entry in claim)
