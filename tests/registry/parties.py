"""Callers of the registry's own tests: names with rights, and tokens that are the names themselves."""

import base64
import json
import time
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from pratique.core.errors import Denied, Unauthenticated
from pratique.core.http.answers import answer_json, problem_json
from pratique.core.http.bodies import read_all
from pratique.core.http.plane import HttpScope, Plane, Receive, Send
from pratique.core.permissions import ANONYMOUS, Bound, Caller, Extent, Permission, Scope
from pratique.identity.access import parse_scopes

PULL = frozenset({Permission.REGISTRY_CONTENT_READ, Permission.REGISTRY_METADATA_READ})
PUSH = PULL | {Permission.REGISTRY_CONTENT_WRITE}
SIGN = PULL | {Permission.REGISTRY_CONTENT_SIGN}
DELETE = PULL | {Permission.REGISTRY_CONTENT_DELETE}
QUARANTINE = PULL | {Permission.REGISTRY_QUARANTINE_READ}
LOCK = PULL | {Permission.REGISTRY_METADATA_WRITE}
MARK = PULL | {Permission.REGISTRY_QUARANTINE_READ, Permission.REGISTRY_QUARANTINE_WRITE}
SEE = frozenset({Permission.REGISTRY_METADATA_READ})
RIGHTS: dict[str, dict[str, frozenset[Permission]]] = {
    "pusher": {"/registry": PUSH | DELETE},
    "other-pusher": {"/registry": PUSH},
    "team-pusher": {"/registry/team": PUSH},
    "team-pusher-reader": {"/registry/team": PUSH, "/registry": PULL},
    "reader": {"/registry": PULL},
    "signer": {"/registry": SIGN},
    "inspector": {"/registry": QUARANTINE},
    "keeper": {"/registry": LOCK | PUSH | DELETE},
    "locker": {"/registry": frozenset({Permission.REGISTRY_METADATA_WRITE, Permission.REGISTRY_METADATA_READ})},
    "scanner": {"/registry": MARK},
    "marking-pusher": {"/registry": MARK | PUSH},
    "onlooker": {"/registry": SEE},
    "deleter": {"/registry": SEE | {Permission.REGISTRY_CONTENT_DELETE}},
    "everybody": {"/registry/public": PULL},
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
        return caller(name, _bounds(bound))


def _bounds(text: str) -> tuple[Bound, ...] | None:
    """A scope that bounds reading, or the scopes of a token that was asked for with them."""
    if text.startswith("="):
        scopes = base64.urlsafe_b64decode(text[1:]).decode()
        return tuple(access.bound() for access in parse_scopes([scopes]))
    return (Bound(Scope.parse(text), PULL | QUARANTINE),) if text else None


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
    """A token endpoint that gives everybody who is known a token of that name (password: the name).

    Azure's clients exchange an access token, which is the name, for a refresh token and that for a bounded token; with
    none they are `everybody`.
    """

    async def app(scope: HttpScope, receive: Receive, send: Send) -> None:
        if scope["method"] == "POST":
            form = dict(parse_qsl((await read_all(receive, 65536)).decode(), keep_blank_values=True))
            if scope["raw_path"].endswith(b"/exchange"):
                await answer_json(send, 200, {"refresh_token": _refresh_token(form["access_token"])})
                return
            if form.get("username"):
                given = f"{form['username']}:{form['password']}".encode()
                scope["pratique.headers"] = {b"authorization": b"Basic " + base64.b64encode(given)}
            else:
                name = _name_of(form["refresh_token"]) if form.get("refresh_token") else "everybody"
                bound = base64.urlsafe_b64encode(form.get("scope", "").encode()).decode()
                await answer_json(send, 200, {"access_token": f"{name};={bound}"})
                return
        header = scope["pratique.headers"].get(b"authorization", b"").decode()
        name, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        if name not in passwords or password != name:
            msg = "wrong name or secret"
            raise Unauthenticated(msg, remedy="ask for a new secret")
        await answer_json(send, 200, {"token": name, "access_token": name, "expires_in": 300})

    return Plane("login", ("login", "registry"), ("/oauth2/",), app, problem_json)


def _refresh_token(name: str) -> str:
    """A token in the form of a JWT, as Azure's clients look for its end; nothing about it is signed."""
    claims = json.dumps({"exp": int(time.time()) + 3600, "sub": name}).encode()
    return f"e30.{base64.urlsafe_b64encode(claims).decode().rstrip('=')}.e30"


def _name_of(token: str) -> str:
    claims = token.split(".")[1]
    return str(json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"])


def pretty(value: object) -> str:
    return json.dumps(value, indent=1)
