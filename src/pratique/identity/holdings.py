"""What acts on one principal, and the answers that follow from it: pure, without a database."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from pratique.core.permissions import Permission, Scope
from pratique.identity.conditions import Condition
from pratique.identity.types import Assignment, PrincipalKind

FOREVER = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Held:
    """An assignment that acts on a principal: its own, or one of a group that it belongs to."""

    assignment: Assignment
    role_name: str
    permissions: frozenset[Permission]
    group: str = ""
    """Name of the group that holds it, or '' for the principal's own."""
    condition: Condition | None = None

    def live(self, now: int) -> bool:
        ends = self.assignment.expires_at
        return ends is None or ends > now

    def allows(self, permission: Permission, scope: Scope) -> bool:
        """Whether a condition, if there is one, lets it allow this; scope and time are looked at elsewhere."""
        return permission in self.permissions and (self.condition is None or self.condition.allows(permission, scope))

    def denies(self, permission: Permission, scope: Scope) -> bool:
        return permission in self.permissions and (self.condition is None or self.condition.denies(permission, scope))


ByPlace = Mapping[tuple[str, ...], tuple[Held, ...]]
"""What is held by the segments of its scope: a check looks at the few scopes above a place, whatever else is held."""


@dataclass(frozen=True)
class Rights:
    """One principal's state, live credentials and what acts on it."""

    principal_id: str
    name: str
    kind: PrincipalKind
    active: bool
    tokens_from: int
    credentials: Mapping[str, int | None]
    """Ids of credentials and when each ends."""
    proofs: tuple[tuple[str, bytes], ...]
    held: tuple[Held, ...]
    groups: tuple[str, ...] = ()
    """Ids of the groups that it belongs to."""

    def holds_credential(self, credential_id: str, now: int) -> bool:
        """True while the credential exists and has not ended."""
        ends = self.credentials.get(credential_id, 0)
        return ends is None or ends > now

    def allowing(self, permission: Permission, scope: Scope, now: int) -> Iterator[Held]:
        """What allows it there and now; says nothing of what denies it."""
        return (h for h in _above(self._allows, scope) if h.allows(permission, scope) and h.live(now))

    def denying(self, permission: Permission, scope: Scope, now: int) -> Iterator[Held]:
        return (h for h in _above(self._denies, scope) if h.denies(permission, scope) and h.live(now))

    def decisive(self, permission: Permission, scope: Scope, now: int) -> Held | None:
        """What allows it, or None: default deny, and deny wins."""
        if not self.active or (self._denies and next(self.denying(permission, scope, now), None) is not None):
            return None
        return next(self.allowing(permission, scope, now), None)

    def allowed(self, permission: Permission, scope: Scope, now: int) -> bool:
        """Default deny, and deny wins."""
        return self.decisive(permission, scope, now) is not None

    def lasting(self, permission: Permission, scope: Scope, now: int, *, condition: str = "") -> int:
        """Until when it is allowed at a scope and everywhere below, 0 if it is not; `condition` may narrow both."""
        if not self.active or self.denied_near(permission, scope, now):
            return 0
        ends = [
            FOREVER if held.assignment.expires_at is None else held.assignment.expires_at
            for held in _above(self._allows, scope)
            if permission in held.permissions
            and held.live(now)
            and (held.condition is None or held.condition.text == condition)
        ]
        return max(ends, default=0)

    def denied_near(self, permission: Permission, scope: Scope, now: int) -> bool:
        """Whether it is denied at a scope, above it, or anywhere below."""
        return any(
            permission in held.permissions
            and held.live(now)
            and (held.assignment.scope.covers(scope) or scope.covers(held.assignment.scope))
            for held in self.given("deny")
        )

    def given(self, effect: str) -> Iterator[Held]:
        return (held for held in self.held if held.assignment.effect == effect)

    @cached_property
    def _allows(self) -> ByPlace:
        return _by_place(self.given("allow"))

    @cached_property
    def _denies(self) -> ByPlace:
        return _by_place(self.given("deny"))


def _by_place(given: Iterable[Held]) -> ByPlace:
    found: defaultdict[tuple[str, ...], list[Held]] = defaultdict(list)
    for held in given:
        found[held.assignment.scope.segments].append(held)
    return {place: tuple(several) for place, several in found.items()}


def _above(places: ByPlace, scope: Scope) -> Iterator[Held]:
    """What is held at a scope and at those above it, the widest first."""
    segments = scope.segments
    for length in range(len(segments) + 1):
        yield from places.get(segments[:length], ())
