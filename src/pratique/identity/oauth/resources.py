"""What a token is asked for: `scope=RESOURCE/.default` of version 2, `resource=RESOURCE` of version 1."""

from dataclasses import dataclass

from pratique.core.errors import Invalid
from pratique.identity.audiences import Audiences
from pratique.identity.oauth.errors import ScopeRefused
from pratique.identity.oauth.requests import GrantRequest
from pratique.identity.types import Audience

_OPENID = frozenset({"email", "openid", "profile"})
_OFFLINE = "offline_access"
_MAX_SCOPES = 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """One resource, and what a person's client wants beside the access token."""

    resource: str
    audience: Audience
    offline: bool = False
    openid: bool = False


def wanted(request: GrantRequest, audiences: Audiences, *, default: str = "") -> Wanted:
    """Return what is asked for, or raise ScopeRefused; `default` is the resource when none is named."""
    scopes = request.get("scope").split()
    if len(scopes) > _MAX_SCOPES:
        raise ScopeRefused("Too many scopes.", remedy="Ask for one resource at a time.")
    named = [scope for scope in scopes if scope.lower() not in _OPENID and scope.lower() != _OFFLINE]
    resources = {resource_of(scope) for scope in named}
    if request.get("resource"):
        resources.add(request.get("resource"))
    names = resources or ({default} if default else set())
    if len(names) != 1:
        raise ScopeRefused(
            "A token is for one resource.",
            remedy="Ask for one, for instance https://containerregistry.azure.net/.default",
        )
    try:
        resource, audience = audiences.resource(names.pop())
    except Invalid as error:
        raise ScopeRefused(error.message, remedy=error.remedy) from None
    lowered = {scope.lower() for scope in scopes}
    return Wanted(resource, audience, offline=_OFFLINE in lowered, openid=bool(lowered & _OPENID))


def resource_of(scope: str) -> str:
    """The resource of a scope: all before its last segment, which says what to do there and is `.default` here."""
    return scope.rpartition("/")[0]
