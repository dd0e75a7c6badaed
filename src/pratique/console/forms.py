"""Forms that work without scripts and cannot be sent by another site."""

import secrets

from starlette.datastructures import FormData
from starlette.requests import Request

from pratique.core.errors import Invalid
from pratique.core.http.plane import caller_of
from pratique.identity.sessions import SessionService

VISITOR = "__Host-visitor"
FIELDS = 400
_UNITS = {"m": 60, "h": 3600, "d": 86400}


class Csrf:
    """Tokens bound to the session, or before sign-in to a random cookie of the browser; a MAC, so nothing is stored."""

    def __init__(self, sessions: SessionService) -> None:
        self._sessions = sessions

    def token(self, request: Request) -> str:
        return masked(self._sessions.forgery_token(_subject(request)))

    async def checked(self, request: Request) -> FormData:
        """Return the fields of a form; raises ForgeryRefused unless its token is that of this browser."""
        form = await request.form(max_files=0, max_fields=FIELDS)
        self._sessions.check_forgery_token(_subject(request), unmasked(text(form, "csrf")))
        return form


def masked(token: str) -> str:
    """Return a token as it stands in one answer: other text each time, so its length packed says nothing of it."""
    plain = token.encode()
    mask = secrets.token_bytes(len(plain))
    return (mask + _mixed(plain, mask)).hex()


def unmasked(given: str) -> str:
    """Return the token behind its mask, '' for what is none."""
    try:
        both = bytes.fromhex(given)
    except ValueError:
        return ""
    half = len(both) // 2
    return _mixed(both[:half], both[half : 2 * half]).decode("ascii", "replace")


def _mixed(first: bytes, second: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(first, second, strict=True))


def _subject(request: Request) -> str:
    return caller_of(request.scope).session_id or f"visitor/{visitor_of(request)}"


def visitor_of(request: Request) -> str:
    """Return the random name of a browser that is not signed in: its cookie, or one that the answer will set."""
    known: str = request.scope.get("pratique.visitor", "") or request.cookies.get(VISITOR, "")
    if len(known) != 43 or not known.replace("-", "").replace("_", "").isalnum():
        known = secrets.token_urlsafe(32)
        request.scope["pratique.new_visitor"] = known
    request.scope["pratique.visitor"] = known
    return known


def seconds(text: str) -> float:
    """Return the seconds of a time such as 30m, 8h or 90d, or raise Invalid."""
    number, unit = text[:-1].strip(), _UNITS.get(text[-1:].lower())
    if unit is None or not number.isascii() or not number.isdigit() or not 0 < int(number) <= 100_000:
        raise Invalid(f"{text[:20]!r} is not a time.", remedy="Write for instance 30m, 8h or 90d.")
    return float(int(number) * unit)


def text(form: FormData, name: str, length: int = 255) -> str:
    """Return a field as stripped text of bounded length; '' if it is missing or a file."""
    value = form.get(name, "")
    return value.strip()[:length] if isinstance(value, str) else ""
