"""Every route of the server: plane, method, path, summary. Needs no server: planes are built over an empty folder."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pratique.app import create_identity, create_pipeline
from pratique.core.ground import ground_over
from pratique.core.http.management import ManagementApi
from pratique.core.http.plane import Plane
from pratique.core.keys.client import local_keys
from pratique.core.settings import with_directory
from pratique.domains import join_domains
from pratique.migrations.run import migrate
from pratique.registry.limits.gatekeeper import Limited
from pratique.registry.v2 import RegistryApp

Route = tuple[str, str, str, str]
_OWN: dict[str, list[tuple[str, str, str]]] = {
    "health": [
        ("GET", "/healthz", "The process answers."),
        ("GET", "/readyz", "Every check passes, or 503 with the names of those that fail."),
    ],
    "metrics": [("GET", "/metrics", "Metrics in the text form of Prometheus.")],
    "sign-in": [
        ("GET", "/{tenant}/v2.0/.well-known/openid-configuration", "Discovery; without `/v2.0` in the form of AD FS."),
        ("GET", "/{tenant}/discovery/v2.0/keys", "The keys that verify tokens; also at `/{tenant}/discovery/keys`."),
        ("GET", "/{tenant}/discovery/instance", "Whether an address is an authority: this server is its own."),
        ("GET", "/{tenant}/oauth2/v2.0/authorize", "Sends the browser to the console, where the person is asked."),
        ("POST", "/{tenant}/oauth2/v2.0/devicecode", "Begins a sign-in with a code on another machine."),
        ("POST", "/{tenant}/oauth2/v2.0/token", "Every grant; `/{tenant}/oauth2/token` takes `resource` for a scope."),
    ],
    "token": [
        ("POST", "/oauth2/exchange", "An access token for the registry's resource becomes a refresh token."),
        ("GET", "/oauth2/token", "Docker token authentication; also at `/token`."),
        ("POST", "/oauth2/token", "OAuth2: password, refresh_token, client_credentials; also at `/token`."),
        ("GET", "/oauth2/keys", "The keys that verify tokens, as a JWK set."),
    ],
}


def route_table() -> list[Route]:
    """Return all routes, in the order of planes."""
    with tempfile.TemporaryDirectory() as folder:
        settings = with_directory(Path(folder))
        migrate(settings.database_url, settings.data.directory)
        ground = ground_over(settings, local_keys(settings.data.directory / "keys"))
        domains, identity = join_domains(ground), create_identity(ground)
        try:
            planes = create_pipeline(ground, domains, identity).planes
            return [(plane.name, *route) for plane in planes for route in _routes(plane)]
        finally:
            identity.close()
            domains.close()
            ground.close()


def _routes(plane: Plane) -> Iterator[tuple[str, str, str]]:
    app: Any = plane.app.app if isinstance(plane.app, Limited) else plane.app
    if isinstance(app, RegistryApp):
        yield from app.routes()
    elif isinstance(app, ManagementApi):
        yield from _described(app.load().openapi())
    elif hasattr(app, "routes"):
        for route in app.routes:
            path = re.sub(r":[a-z]+}", "}", route.path)
            summary = (route.endpoint.__doc__ or "").strip().partition("\n")[0]
            yield from ((method, path, summary) for method in sorted(route.methods - {"HEAD"}))
    else:
        yield from _OWN[plane.name]


def _described(description: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for path, methods in sorted(description["paths"].items()):
        for method, operation in sorted(methods.items()):
            yield method.upper(), path, str(operation.get("description", "")).partition("\n")[0]
