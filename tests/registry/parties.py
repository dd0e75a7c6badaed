"""Callers of the registry's own tests: names with rights, and tokens that are the names themselves."""

import base64
import json
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from pratique.core.errors import Denied, Unauthenticated
from pratique.core.http.answers import answer_json, problem_json
from pratique.core.http.plane import HttpScope, Plane, Receive, Send
from pratique.core.permissions import ANONYMOUS, Bound, Caller, Extent, Permission, Scope

PULL = frozenset({Permission.REGISTRY_CONTENT_READ, Permission.REGISTRY_METADATA_READ})
PUSH = PULL | {Permission.REGISTRY_CONTENT_WRITE}
SIGN = PULL | {Permission.REGISTRY_CONTENT_SIGN}
DELETE = PULL | {Permission.REGISTRY_CONTENT_DELETE}
QUARANTINE = PULL | {Permission.REGISTRY_QUARANTINE_READ}
RIGHTS: dict[str, dict[str, frozenset[Permission]]] = {
    "pusher": {"/registry": PUSH | DELETE},
    "other-pusher": {"/registry": PUSH},
    "team-pusher": {"/registry/team": PUSH},
    "team-pusher-reader": {"/registry/team": PUSH, "/registry": PULL},
    "reader": {"/registry": PULL},
    "signer": {"/registry": SIGN},
    "inspector": {"/registry": QUARANTINE},
    "stranger": {},
}


class RuleAuthorizer:
    """Rights from a table, in the words that the product uses."""

    def __init__(self, rights: Mapping[str, Mapping[str, frozenset[Permission]]] = RIGHTS) -> None:
        self._rights = {
            name: [(Scope.parse(path), permissions) for path, permissions in rules.items()]
            for name, rules in rights.items()
        }

    def allowed(self, caller: Caller, permission: Permission, scope: Scope) -> bool:
        rules = self._rights.get(caller.name, [])
        held = any(permission in permissions and place.covers(scope) for place, permissions in rules)
        return held and caller.admits(permission, scope)

    def require(self, caller: Caller, permission: Permission, scope: Scope) -> None:
        if not self.allowed(caller, permission, scope):
            msg = f"principal {caller.name} lacks {permission} at {scope}"
            raise Denied(msg, remedy="ask for role AcrPush")

    def extent(self, caller: Caller, permission: Permission) -> Extent:
        rules = self._rights.get(caller.name, [])
        places = tuple(place for place, permissions in rules if permission in permissions)
        return Extent(allowed=places, bound=caller.bound)


class NameAuthenticator:
    """`Bearer NAME` or `Bearer NAME;bound` is that caller; nothing is nobody; anything else is refused."""

    async def authenticate(self, scope: HttpScope) -> Caller:
        header = scope["pratique.headers"].get(b"authorization", b"").decode()
        if not header:
            return ANONYMOUS
        kind, _, token = header.partition(" ")
        name, _, bound = token.partition(";")
        if kind != "Bearer" or name not in RIGHTS:
            msg = "this token is not known"
            raise Unauthenticated(msg, remedy="sign in again")
        return caller(name, None if not bound else (Bound(Scope.parse(bound), PULL | QUARANTINE),))


class CountingAudit:
    """Keeps what the registry reports."""

    def __init__(self) -> None:
        self.changes: list[tuple[str, str, str]] = []
        self.counts: list[tuple[str, str, str]] = []

    def with_change(
        self, tx: object, action: str, caller: Caller, target: str, detail: Mapping[str, object] | None = None
    ) -> None:
        self.changes.append((action, caller.name, target))

    def count(self, action: str, caller: Caller, target: str) -> None:
        self.counts.append((action, caller.name, target))


def caller(name: str, bound: tuple[Bound, ...] | None = None) -> Caller:
    return Caller(principal_id=f"principal-{name}", name=name, kind="service", bound=bound)


def token_plane(passwords: Sequence[str] = tuple(RIGHTS)) -> Plane:
    """A token endpoint that gives everybody who is known a token of that name (password: the name)."""

    async def app(scope: HttpScope, receive: Receive, send: Send) -> None:
        header = scope["pratique.headers"].get(b"authorization", b"").decode()
        name, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        dict(parse_qsl(scope["query_string"].decode()))
        if name not in passwords or password != name:
            msg = "wrong name or secret"
            raise Unauthenticated(msg, remedy="ask for a new secret")
        await answer_json(send, 200, {"token": name, "access_token": name, "expires_in": 300})

    return Plane("login", ("login", "registry"), ("/oauth2/token",), app, problem_json)


def pretty(value: object) -> str:
    return json.dumps(value, indent=1)
