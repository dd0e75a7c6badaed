"""The data plane of the registry: a raw router for /v2 and /acr/v1, as repository names hold slashes."""

from collections.abc import Awaitable, Callable

from pratique.core.http.answers import answer
from pratique.core.http.plane import Authenticator, HttpScope, Plane, Receive, Send, caller_of
from pratique.core.permissions import Caller
from pratique.registry.acr.requests import PATHS as ACR_PATHS
from pratique.registry.acr.requests import AcrRequests
from pratique.registry.addresses import Address, parse_address
from pratique.registry.blob_requests import BlobRequests
from pratique.registry.errors import Unsupported
from pratique.registry.manifest_requests import ManifestRequests
from pratique.registry.wire import oci_error

Handler = Callable[[Address, HttpScope, Receive, Send], Awaitable[None]]
THREADS = 16
PATHS = {
    "base": "/v2/",
    "catalog": "/v2/_catalog",
    "manifests": "/v2/{name}/manifests/{reference}",
    "tags": "/v2/{name}/tags/list",
    "referrers": "/v2/{name}/referrers/{digest}",
    "blobs": "/v2/{name}/blobs/{digest}",
    "uploads": "/v2/{name}/blobs/uploads/{id}",
}
"""Each kind of address as a template, for the list of routes."""


class RegistryApp:
    """Routes OCI distribution requests; raises the errors that `oci_error` turns into answers."""

    def __init__(self, manifests: ManifestRequests, blobs: BlobRequests, acr: AcrRequests) -> None:
        self._acr = acr
        self._handlers: dict[tuple[str, str], Handler] = {
            ("base", "GET"): _base,
            ("base", "HEAD"): _base,
            ("catalog", "GET"): manifests.catalog,
            ("manifests", "GET"): manifests.get,
            ("manifests", "HEAD"): manifests.head,
            ("manifests", "PUT"): manifests.put,
            ("manifests", "DELETE"): manifests.delete,
            ("tags", "GET"): manifests.tags,
            ("referrers", "GET"): manifests.referrers,
            ("blobs", "GET"): blobs.get,
            ("blobs", "HEAD"): blobs.head,
            ("blobs", "DELETE"): blobs.delete,
            ("uploads", "POST"): blobs.post,
            ("uploads", "PATCH"): blobs.patch,
            ("uploads", "PUT"): blobs.put,
            ("uploads", "GET"): blobs.status,
            ("uploads", "DELETE"): blobs.cancel,
        }

    def routes(self) -> list[tuple[str, str, str]]:
        """Return method, path and summary of everything that is served."""
        return [
            (method, paths[kind], (handler.__doc__ or "").partition("\n")[0])
            for paths, handlers in ((PATHS, self._handlers), (ACR_PATHS, self._acr.handlers))
            for (kind, method), handler in handlers.items()
        ]

    async def __call__(self, scope: HttpScope, receive: Receive, send: Send) -> None:
        if scope["raw_path"].startswith(b"/acr/"):
            await self._acr(scope, receive, send)
            return
        address = parse_address(scope["raw_path"])
        handler = self._handlers.get((address.kind, scope["method"]))
        if handler is None:
            raise Unsupported("this method is not for this resource", remedy="see the OCI distribution specification")
        await handler(address, scope, receive, send)


def registry_plane(app: RegistryApp, authenticator: Authenticator) -> Plane:
    """Return the plane of /v2/ and /acr/v1/."""
    return Plane(
        "registry",
        ("registry",),
        ("/v2/", "/v2", "/acr/v1/"),
        app,
        oci_error,
        authenticator,
        max_body=None,
        threads=THREADS,
        encoded_slashes=True,
        headers={"docker-distribution-api-version": "registry/2.0"},
    )


async def _base(address: Address, scope: HttpScope, receive: Receive, send: Send) -> None:
    """Tell a signed-in client that this is a registry, and anybody else how to sign in."""
    del address, receive
    _require_known(caller_of(scope))
    await answer(send, 200, b"{}", media_type="application/json")


def _require_known(caller: Caller) -> None:
    from pratique.core.errors import Unauthenticated

    if caller.is_anonymous:
        raise Unauthenticated("sign in first", remedy="use `podman login` or `docker login` for this host")
