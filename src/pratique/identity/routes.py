"""The management API of identity, as one router below `/api/v1`."""

from fastapi import APIRouter

from pratique.identity.api import (
    access,
    activations,
    audit,
    credentials,
    groups,
    me,
    people,
    principals,
    providers,
    roles,
    scope_maps,
    sessions,
)
from pratique.identity.service import IdentityService


def router(service: IdentityService) -> APIRouter:
    """Routes of principals, secrets, roles, assignments, explanations, sessions, sign-in links and the audit log."""
    routes = APIRouter()
    access_routes = (access, roles, groups, activations, scope_maps)
    for part in (principals, credentials, *access_routes, sessions, audit, providers, people, me):
        routes.include_router(part.router(service))
    return routes
