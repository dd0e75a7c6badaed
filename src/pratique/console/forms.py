"""Forms that work without scripts and cannot be sent by another site."""

import hmac
import secrets
from collections.abc import Callable
from hashlib import sha256

from starlette.datastructures import FormData
from starlette.requests import Request

from pratique.core.errors import Denied
from pratique.core.http.plane import caller_of

VISITOR = "__Host-visitor"
FIELDS = 400
Keyed = Callable[[bytes], bytes]


class Forged(Denied):  # noqa: N818  named for what it is, as its parents are
    """A form that was not made by this console for this browser."""

    code = "form-forged"


class Csrf:
    """Tokens bound to the session, or before sign-in to a random cookie of the browser; a MAC, so nothing is stored."""

    def __init__(self, keyed: Keyed) -> None:
        self._keyed = keyed

    def token(self, request: Request) -> str:
        return sha256(self._keyed(self._binding(request))).hexdigest()[:40]

    async def checked(self, request: Request) -> FormData:
        """Return the fields of a form; raises Forged unless its token is that of this browser."""
        form = await request.form(max_files=0, max_fields=FIELDS)
        given = form.get("csrf")
        if not isinstance(given, str) or not hmac.compare_digest(given.encode(), self.token(request).encode()):
            raise Forged(
                "This form is no longer valid.", remedy="Go back, load the page again and send it once more."
            )
        return form

    def _binding(self, request: Request) -> bytes:
        session = caller_of(request.scope).session_id
        return b"session\0" + session.encode() if session else b"visitor\0" + visitor_of(request).encode()


def visitor_of(request: Request) -> str:
    """Return the random name of a browser that is not signed in: its cookie, or one that the answer will set."""
    known: str = request.scope.get("pratique.visitor", "") or request.cookies.get(VISITOR, "")
    if len(known) != 43 or not known.replace("-", "").replace("_", "").isalnum():
        known = secrets.token_urlsafe(32)
        request.scope["pratique.new_visitor"] = known
    request.scope["pratique.visitor"] = known
    return known


def text(form: FormData, name: str, length: int = 255) -> str:
    """Return a field as stripped text of bounded length; '' if it is missing or a file."""
    value = form.get(name, "")
    return value.strip()[:length] if isinstance(value, str) else ""
