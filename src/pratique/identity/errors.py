"""Errors of identity; what they say to strangers is the same whether or not a name exists."""

from pratique.core.errors import Conflict, Denied, Gone, NotFound, TooManyRequests, Unauthenticated


class SignInRefused(Unauthenticated):
    """Name, secret, password or code do not fit together."""

    code = "sign-in-refused"


class TokenRefused(Unauthenticated):
    """A token does not verify, is for another audience or installation, or has ended."""

    code = "token-refused"


class TokenRevoked(TokenRefused):
    """A token that was good hangs on something that is no more: its principal, its credential, or a new beginning.

    `claims`: what a client that understands such an end (it sent `xms_cc` with CP1) must ask a new token with, as a
    challenge carries it; empty for every other client.
    """

    code = "token-revoked"

    def __init__(self, message: str, *, claims: str = "", remedy: str = "Ask for a new one.") -> None:
        super().__init__(message, remedy=remedy)
        self.claims = claims


class LockedOut(TooManyRequests):
    """Too many wrong tries."""

    code = "locked-out"


class LinkGone(Gone):
    """A one-time link was used, has ended, or never was."""

    code = "link-gone"


class PrincipalNotFound(NotFound):
    code = "principal-not-found"


class CredentialNotFound(NotFound):
    code = "credential-not-found"


class AssignmentNotFound(NotFound):
    code = "assignment-not-found"


class GroupNotFound(NotFound):
    code = "group-not-found"


class ActivationNotFound(NotFound):
    code = "activation-not-found"


class ProviderNotFound(NotFound):
    code = "provider-not-found"


class RoleNotFound(NotFound):
    code = "role-not-found"


class ScopeMapNotFound(NotFound):
    code = "scope-map-not-found"


class RegistryTokenNotFound(NotFound):
    code = "registry-token-not-found"


class SessionNotFound(NotFound):
    code = "session-not-found"


class NameTaken(Conflict):
    code = "name-taken"


class SignInTooOld(Denied):
    """What was asked for needs somebody who has just signed in."""

    code = "sign-in-too-old"


class ForgeryRefused(Denied):
    """An unsafe request came with a session cookie but without the session's token against forgery."""

    code = "forgery-refused"


class BeyondOwnRights(Denied):
    """Someone tried to hand out, or to take hold of, rights that they do not hold themselves."""

    code = "beyond-own-rights"
