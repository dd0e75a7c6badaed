"""Sign-in with a code that the person types at the console (RFC 8628), and the tokens that follow from it."""

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2

from pratique.cli.sign_ins import SignIn, SignIns, trust_in
from pratique.core.errors import Denied, Gone, Invalid, PratiqueError, Unauthenticated, Unavailable

CLIENT = "pratique"
_GRANT = "urn:ietf:params:oauth:grant-type:device_code"
_PARAMETER = re.compile(r'(authorization|resource)="([^"]{1,300})"')
_NUMBER = re.compile(r"^AADSTS[0-9]+: | Trace ID: .*$")
_LONGEST = 900.0
_ENDS: Mapping[str, type[PratiqueError]] = {"authorization_declined": Denied, "expired_token": Gone}


@dataclass(frozen=True, slots=True)
class Place:
    """A server, and where it says that tokens for it are given."""

    server: str
    authority: str
    resource: str
    authorities: str

    def client(self) -> httpx2.Client:
        return httpx2.Client(
            verify=trust_in(self.authorities), timeout=30.0, trust_env=False, headers={"user-agent": "pratique"}
        )


def find(server: str, authorities: str) -> Place:
    """Ask a server without a token, and read in its refusal where to get one; raises Invalid or Unavailable."""
    origin = origin_of(server)
    with httpx2.Client(verify=trust_in(authorities), timeout=30.0, trust_env=False) as client:
        refused = _send(client, "GET", f"{origin}/api/v1/me")
    told = dict(_PARAMETER.findall(refused.headers.get("www-authenticate", "")))
    if refused.status_code != 401 or not told.get("authorization", "").startswith("https://"):
        raise Invalid(f"{origin} is no console of Pratique.", remedy="Give the address that a browser opens.")
    # Only a neighbour's word is taken: else a false server could have somebody sign in elsewhere, and get the token.
    if told["authorization"].rpartition("/")[0] not in (
        origin,
        origin.replace("https://console.", "https://login.", 1),
    ):
        raise Invalid(f"{origin} gives no tokens itself.", remedy="Is the address right?")
    return Place(origin, told["authorization"], told.get("resource", ""), authorities)


def origin_of(server: str) -> str:
    """Return `https://host[:port]` of an address; raises Invalid for anything that is sent in the clear."""
    text = server if "://" in server else f"https://{server}"
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        url = httpx2.URL("")
    if url.scheme != "https" or not url.host or url.userinfo or url.path not in ("", "/") or url.query:
        raise Invalid(
            f"{server[:200]!r} is not an address of a server.", remedy="Give https://HOST or https://HOST:PORT."
        )
    return f"https://{url.netloc.decode('ascii')}"


def sign_in(place: Place, show: Callable[[str, str], None], *, sleep: Callable[[float], None] = time.sleep) -> SignIn:
    """Show where to type which code, wait until somebody did, and return their sign-in.

    Raises Denied when they refuse, Gone when nobody types it in time.
    """
    with place.client() as client:
        fields = {"client_id": CLIENT, "scope": f"{place.resource}/.default offline_access"}
        code = _tokens(client, f"{place.authority}/oauth2/v2.0/devicecode", fields)
        if code["verification_uri"] != f"{place.server}/device":
            raise Invalid("The server sends people to another one.", remedy="Is the address right?")
        show(str(code["verification_uri"]), str(code["user_code"]))
        answer = _wait(client, place, code, sleep)
        access = str(answer["access_token"])
        me = _send(client, "GET", f"{place.server}/api/v1/me", headers={"authorization": f"Bearer {access}"})
    if me.status_code != 200:
        raise Unauthenticated("The server does not take the token that it gave.", remedy="See pratique logs there.")
    name = str(me.json()["name"])
    begun = SignIn(place.server, place.authority, place.resource, name, "", "", 0.0, place.authorities)
    return begun.renewed(answer)


def fresh(kept: SignIns) -> SignIn | None:
    """Return the current sign-in with a token that holds, renewed where needed; raises Unauthenticated if it ended."""
    current = kept.current()
    if current is None or current.is_fresh:
        return current
    with kept.lock():
        current = kept.current()
        if current is None or current.is_fresh:
            return current
        renewed = _renewed(current)
        kept.renew(renewed)
        return renewed


def sign_out(kept: SignIns, one: SignIn) -> bool:
    """End a sign-in there and forget it here; return False when the server did not hear of it."""
    try:
        with kept.lock():
            one = next(found for found in kept.all() if found.server == one.server)
            if not one.is_fresh:
                one = _renewed(one)
                kept.renew(one)
        with httpx2.Client(verify=one.trust(), timeout=10.0, trust_env=False) as client:
            headers = {"authorization": f"Bearer {one.access_token}"}
            answer = _send(client, "DELETE", f"{one.server}/api/v1/me/sign-in", headers=headers)
        told = answer.is_success or answer.status_code == 401
    except Unauthenticated:
        told = True
    except PratiqueError:
        told = False
    kept.forget(one.server)
    return told


def ended(sign_in: SignIn, why: str = "") -> Unauthenticated:
    """The error for a sign-in that does not hold any more."""
    return Unauthenticated(
        f"The sign-in of {sign_in.name} at {sign_in.server} has ended. {why}".rstrip(),
        remedy=f"Sign in again: pratique login --server {sign_in.server}  (or pratique logout)",
    )


def _renewed(current: SignIn) -> SignIn:
    fields = {
        "grant_type": "refresh_token",
        "client_id": CLIENT,
        "refresh_token": current.refresh_token,
        "scope": f"{current.resource}/.default offline_access",
    }
    with httpx2.Client(verify=current.trust(), timeout=30.0, trust_env=False) as client:
        answer = _send(client, "POST", f"{current.authority}/oauth2/v2.0/token", data=fields)
    if answer.status_code in (400, 401):
        raise ended(current)
    return current.renewed(_read(answer))


def _wait(client: httpx2.Client, place: Place, code: Mapping[str, Any], sleep: Callable[[float], None]) -> Any:
    pause = min(60.0, max(1.0, float(code.get("interval", 5))))
    until = time.monotonic() + min(_LONGEST, float(code["expires_in"]))
    fields = {"grant_type": _GRANT, "client_id": CLIENT, "device_code": str(code["device_code"])}
    while time.monotonic() < until:
        sleep(pause)
        answer = _send(client, "POST", f"{place.authority}/oauth2/v2.0/token", data=fields)
        word = "" if answer.is_success else _word(answer)
        if word == "slow_down":
            pause += 5.0
        elif word != "authorization_pending":
            return _read(answer)
    raise Gone("Nobody typed the code in time.", remedy="Begin again: pratique login")


def _tokens(client: httpx2.Client, address: str, fields: Mapping[str, str]) -> Any:
    return _read(_send(client, "POST", address, data=fields))


def _read(answer: httpx2.Response) -> Any:
    if answer.is_success:
        return answer.json()
    kind = _ENDS.get(_word(answer), Unavailable if answer.status_code in (429, 503) else Invalid)
    try:
        text = _NUMBER.sub("", str(answer.json()["error_description"]))
    except (ValueError, KeyError, TypeError):
        text = f"The server answered {answer.status_code}."
    raise kind(text, remedy="Begin again: pratique login")


def _word(answer: httpx2.Response) -> str:
    try:
        return str(answer.json().get("error", ""))
    except (ValueError, AttributeError):
        return ""


def _send(client: httpx2.Client, method: str, address: str, **more: Any) -> httpx2.Response:
    try:
        return client.request(method, address, **more)
    except httpx2.TransportError as error:
        if "CERTIFICATE" in str(error).upper():
            raise Unavailable(
                f"The certificate of {client.build_request(method, address).url.host} is not trusted here.",
                remedy="Get the installation's CA from its operator (STATE/tls/ca.pem) and give it with --ca FILE.",
            ) from None
        raise Unavailable(
            f"{address} does not answer: {error}", remedy="Is the address right, and the server up?"
        ) from None
