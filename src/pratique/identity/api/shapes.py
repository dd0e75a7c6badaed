"""What the management API of identity takes and gives, as JSON."""

import datetime as dt
from collections.abc import Iterable
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from pratique.core.clock import SECOND
from pratique.core.errors import Unauthenticated
from pratique.core.http.plane import caller_of
from pratique.core.permissions import Caller, Scope
from pratique.identity import roles
from pratique.identity.types import Assignment, Credential, Explanation, Principal, Role, Session

MAX_LIFETIME = 10 * 366 * 86400

Limit = Annotated[int, Query(ge=1, le=500, description="Items on a page.")]
Cursor = Annotated[str | None, Query(max_length=2048, description="`next` of the page before.")]
Lifetime = Annotated[float | None, Field(gt=0, le=MAX_LIFETIME, description="Seconds; none: no end.")]


class Body(BaseModel):
    """Unknown fields are refused: a misspelt one must not be ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Grant(Body):
    role: str = Field(max_length=128)
    scope: str = Field(max_length=512)


class NewPrincipal(Body):
    name: str = Field(max_length=128)
    kind: Literal["service", "user", "managed"] = "service"
    display_name: str = Field("", max_length=200)
    grants: list[Grant] = Field(default_factory=list, max_length=50)
    secret: bool = False
    secret_label: str = Field("", max_length=100)
    secret_lifetime: Lifetime = None


class NewSecretBody(Body):
    label: str = Field("", max_length=100)
    lifetime: Lifetime = None


class Rotation(NewSecretBody):
    overlap: float = Field(0.0, ge=0, le=90 * 86400)


class NewAssignment(Grant):
    principal: str = Field(max_length=128)
    effect: Literal["allow", "deny"] = "allow"
    lifetime: Lifetime = None
    condition: str = Field("", max_length=8192, description="On which repositories it holds, in Azure's text form.")


class NewLink(Body):
    principal: str = Field(max_length=128)


def known_caller(request: Request) -> Caller:
    """The caller, who must be somebody."""
    caller = caller_of(request.scope)
    if caller.is_anonymous:
        raise Unauthenticated("Sign in first.", remedy="Send a management token, or open the console.")
    return caller


Known = Annotated[Caller, Depends(known_caller)]


def instant(micros: int | None) -> str | None:
    """RFC 3339 in UTC."""
    if micros is None:
        return None
    return dt.datetime.fromtimestamp(micros // SECOND, tz=dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def principal_json(principal: Principal) -> dict[str, Any]:
    return {
        "id": principal.id,
        "name": principal.name,
        "kind": principal.kind,
        "state": principal.state,
        "display_name": principal.display_name,
        "created_at": instant(principal.created_at),
        "created_by": principal.created_by,
    }


def credential_json(credential: Credential) -> dict[str, Any]:
    return {
        "id": credential.id,
        "kind": credential.kind,
        "label": credential.label,
        "created_at": instant(credential.created_at),
        "expires_at": instant(credential.expires_at),
        "last_used_at": instant(credential.last_used_at),
    }


def role_json(role: Role) -> dict[str, Any]:
    return {
        "id": role.id,
        "name": role.name,
        "description": role.description,
        "permissions": sorted(role.permissions),
        "builtin": role.builtin,
        "actions": list(role.actions),
        "data_actions": list(role.data_actions),
        "not_actions": list(role.not_actions),
    }


def assignment_json(
    assignment: Assignment, principal_name: str | None = None, role_name: str | None = None
) -> dict[str, Any]:
    role = roles.BY_ID.get(assignment.role_id)
    return {
        "id": assignment.id,
        "principal_id": assignment.principal_id,
        "principal": principal_name,
        "role_id": assignment.role_id,
        "role": role.name if role else role_name,
        "scope": str(assignment.scope),
        "condition": assignment.condition,
        "activation_id": assignment.activation_id or None,
        "effect": assignment.effect,
        "created_at": instant(assignment.created_at),
        "created_by": assignment.created_by,
        "expires_at": instant(assignment.expires_at),
    }


def session_json(session: Session, principal_name: str | None = None) -> dict[str, Any]:
    return {
        "id": session.id,
        "principal_id": session.principal_id,
        "principal": principal_name,
        "method": session.means,
        "address": session.address,
        "agent": session.agent,
        "created_at": instant(session.created_at),
        "seen_at": instant(session.seen_at),
        "expires_at": instant(session.expires_at),
    }


def explanation_json(explanation: Explanation, principal_name: str) -> dict[str, Any]:
    return {
        "principal": principal_name,
        "permission": explanation.permission.value,
        "scope": str(explanation.scope),
        "allowed": explanation.allowed,
        "summary": explanation.summary,
        "by": [
            assignment_json(one.assignment, one.group or principal_name, one.role) | {"group": one.group or None}
            for one in explanation.through
        ],
        "roles": [role.name for role in explanation.roles],
    }


def page_json(items: Iterable[dict[str, Any]], following: str | None) -> dict[str, Any]:
    return {"items": list(items), "next": following}


ROOT = Scope.root()
