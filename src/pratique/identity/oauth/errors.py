"""Errors of the token endpoint in OAuth's words (RFC 6749, 5.2; RFC 8628, 3.5), with the numbers that Azure prints."""

# ruff: noqa: N818  named as what happened, like the tree in core.errors

from typing import ClassVar

from pratique.core.errors import Invalid, PratiqueError, Unauthenticated


class GrantRefused(PratiqueError):
    """What was sent for a token gives none."""

    code = "grant-refused"
    status = 400
    oauth: ClassVar[str] = "invalid_grant"
    number: ClassVar[int] = 70000


class RequestUnclear(GrantRefused, Invalid):
    """A field is missing, stands twice, or says nothing."""

    code = "request-unclear"
    oauth = "invalid_request"
    number = 900144


class GrantUnknown(GrantRefused):
    code = "grant-unknown"
    oauth = "unsupported_grant_type"
    number = 70003


class ScopeRefused(GrantRefused):
    code = "scope-refused"
    oauth = "invalid_scope"
    number = 70011


class ClientRefused(GrantRefused, Unauthenticated):
    """Client and proof do not fit together; the same for a client that does not exist."""

    code = "client-refused"
    status = 401
    oauth = "invalid_client"
    number = 7000215


class ClientNotPublic(GrantRefused):
    """Not one of the programs with which people sign in."""

    code = "client-not-public"
    oauth = "unauthorized_client"
    number = 700016


class TenantUnknown(GrantRefused):
    code = "tenant-unknown"
    oauth = "invalid_request"
    number = 90002


class ApprovalPending(GrantRefused):
    """Nobody has said yes or no yet."""

    code = "approval-pending"
    oauth = "authorization_pending"
    number = 70016


class PollSlower(GrantRefused):
    code = "poll-slower"
    oauth = "slow_down"
    number = 70016


class ApprovalDenied(GrantRefused):
    code = "approval-denied"
    oauth = "authorization_declined"
    number = 70017


class CodeExpired(GrantRefused):
    code = "code-expired"
    oauth = "expired_token"
    number = 70020
