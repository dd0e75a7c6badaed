"""The command line's way to the server: HTTPS to this machine, signed in as its operator.

Whoever may open the admin socket of the key process gets a token of five minutes for the built-in principal
`local-operator`; nothing is stored. After `pratique login` commands go to the server that it named, as the person who
signed in, until `pratique logout`; only those that are about this machine itself stay with its operator.

Every answer that is an error becomes the error it stands for.
"""

import hashlib
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2

from pratique.core.errors import (
    Conflict,
    Denied,
    Gone,
    Invalid,
    Locked,
    NotFound,
    PratiqueError,
    PreconditionFailed,
    TooLarge,
    TooManyRequests,
    Unauthenticated,
    Unavailable,
)
from pratique.core.keys.client import connect_keys
from pratique.core.keys.errors import KeysUnavailable
from pratique.core.keys.types import Role
from pratique.core.settings import Settings, load

if TYPE_CHECKING:
    from pratique.cli.sign_ins import SignIn

_KINDS: Mapping[int, type[PratiqueError]] = {
    kind.status: kind
    for kind in (
        Conflict, Denied, Gone, Invalid, Locked, NotFound, PreconditionFailed, TooLarge, TooManyRequests,
        Unauthenticated, Unavailable,
    )
}  # fmt: skip
_HERE = ("127.0.0.1", "::1", "0.0.0.0", "::", "localhost")  # noqa: S104 - compared with, not bound to
_PAGES = 10_000


class ServerDown(Unavailable):
    """Nothing answers at the server's address on this machine."""

    code = "server-down"


class ApiClient(httpx2.Client):
    """An HTTP client whose errors are those of the product: what it returns is a success."""

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send, or raise the error that the server answered, or ServerDown."""
        try:
            response = super().send(request, **options)
        except httpx2.ConnectError as error:
            raise _down(str(self.base_url), error) from None
        except httpx2.TimeoutException:
            raise Unavailable("The server takes too long to answer.", remedy="See pratique logs.") from None
        except httpx2.TransportError as error:
            raise Unavailable(f"The connection to the server broke: {error}", remedy="See pratique logs.") from None
        if response.is_error:
            response.read()
            raise error_of(response)
        return response


class PersonClient(ApiClient):
    """A client that acts as a person; when their sign-in was ended meanwhile, the error says how to begin another."""

    def __init__(self, sign_in: "SignIn", timeout: float) -> None:
        self._sign_in = sign_in
        super().__init__(
            base_url=sign_in.server,
            headers={"authorization": f"Bearer {sign_in.access_token}", "accept": "application/json"},
            verify=sign_in.trust(),
            timeout=timeout,
            trust_env=False,
        )

    def send(self, request: httpx2.Request, **options: Any) -> httpx2.Response:
        """Send as ApiClient does; raises Unauthenticated with the way back in."""
        try:
            return super().send(request, **options)
        except Unauthenticated as error:
            from pratique.cli.device_codes import ended

            raise ended(self._sign_in, error.message) from None
        except ServerDown:
            server, remedy = self._sign_in.server, "Is it up? Commands stay with this machine after: pratique logout"
            raise Unavailable(f"{server} does not answer.", remedy=remedy) from None


def connect(settings: Settings | None = None, *, timeout: float = 30.0) -> ApiClient:
    """A client of the server that somebody signed in to; else, and with `settings`, of this machine's as its operator.

    Raises ServerDown where none runs, Unauthenticated where a sign-in has ended.
    """
    if settings is None:
        from pratique.cli.device_codes import fresh
        from pratique.cli.sign_ins import SignIns

        sign_in = fresh(SignIns())
        if sign_in is not None:
            return PersonClient(sign_in, timeout)
        settings = load()
    base = address_of(settings)
    return ApiClient(
        base_url=base,
        headers={"authorization": f"Bearer {_operator_token(settings, base)}", "accept": "application/json"},
        verify=trust_of(settings),
        timeout=timeout,
        trust_env=False,
    )


def every(client: httpx2.Client, path: str, params: Mapping[str, Any] | None = None) -> Iterator[dict[str, Any]]:
    """Each item of a listing, page by page."""
    cursor: str | None = None
    for _ in range(_PAGES):
        asked = {"limit": 500, **(params or {}), **({"cursor": cursor} if cursor else {})}
        page = client.get(path, params=asked).json()
        yield from page["items"]
        cursor = page["next"]
        if cursor is None:
            return


def error_of(response: httpx2.Response) -> PratiqueError:
    """The error that an answer stands for, with the server's own words."""
    try:
        problem = response.json()
        title, remedy = str(problem["title"]), str(problem.get("remedy", ""))
    except (ValueError, KeyError, TypeError):
        title, remedy = f"The server answered {response.status_code}.", "See pratique logs."
    kind = _KINDS.get(response.status_code, PratiqueError)
    return kind(title, remedy=remedy)


def address_of(settings: Settings) -> str:
    """Where this machine's server is reached from this machine: at the port where it runs, else where it would."""
    host = "localhost" if settings.server.host in _HERE else settings.server.domain
    return f"https://{host}:{_port(settings)}"


def registry_host(settings: Settings) -> str:
    """The name under which clients on this machine address the registry."""
    return f"{settings.server.host_of('registry')}:{_port(settings)}"


def console_address(settings: Settings) -> str:
    """Where people open the console: `console.` under a domain, or this machine itself."""
    return f"https://{settings.server.host_of('console')}:{_port(settings)}"


def trust_anchor_fingerprint(settings: Settings) -> str:
    """The SHA-256 fingerprint that a browser shows for the CA, or for the operator's own certificate."""
    der = ssl.PEM_cert_to_DER_cert(_first_certificate(anchor_of(settings).read_text()))
    return ":".join(f"{byte:02X}" for byte in hashlib.sha256(der).digest())


def anchor_of(settings: Settings) -> Path:
    """The file that this machine's server is checked with: the CA, or the operator's own certificate."""
    return settings.server.certificate or settings.data.directory / "tls" / "ca.pem"


def _first_certificate(pem: str) -> str:
    end = "-----END CERTIFICATE-----"
    return pem[pem.index("-----BEGIN") : pem.index(end) + len(end)]


def trust_of(settings: Settings) -> ssl.SSLContext:
    """Trust for the server's certificate: the installation's CA, or the operator's own certificate."""
    own = settings.server.certificate
    if own is not None:
        context = ssl.create_default_context()
        context.load_verify_locations(own)
        return context
    authority = settings.data.directory / "tls" / "ca.pem"
    if not authority.exists():
        raise ServerDown(f"There is no installation in {settings.data.directory}.", remedy="Start one: pratique up")
    return ssl.create_default_context(cafile=str(authority))


def _port(settings: Settings) -> int:
    from pratique.supervisor.runfiles import RunFiles

    return RunFiles(settings.data.directory).port() or settings.server.port


def _operator_token(settings: Settings, base: str) -> str:
    folder: Path = settings.data.directory / "keys"
    keys = connect_keys(folder, Role.ADMIN, patience=1.0)
    try:
        return keys.operator_token()
    except KeysUnavailable as error:
        if "account" in error.message:
            raise
        raise _down(base, error) from None
    finally:
        keys.close()


def _down(base: str, error: Exception) -> PratiqueError:
    if "CERTIFICATE" in str(error).upper():
        return Unavailable(
            f"The server at {base} shows a certificate that is not this installation's.",
            remedy="Is the port taken by another server? See pratique ps.",
        )
    return ServerDown(f"Pratique does not run at {base}.", remedy="Start it: pratique up")
