"""`pratique principal serve`: tokens of one managed identity for programs on this machine."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer


def serve(
    name: Annotated[str, typer.Argument(help="The managed identity; its holder must be local-operator.")],
    *,
    port: Annotated[int, typer.Option(help="Port on 127.0.0.1; 0 takes a free one.")] = 0,
    metadata: Annotated[
        bool, typer.Option("--metadata", help="Answer in the metadata form too, to every program of this machine.")
    ] = False,
) -> None:
    """Serve tokens of a managed identity on loopback until it is stopped; prints the environment for programs."""
    import secrets

    from pratique.cli.client import connect
    from pratique.core.http.server import Server
    from pratique.identity.managed.listener import SECRET_PATH, Listener, listener_pipeline

    def fetch(resource: str) -> Mapping[str, Any]:
        with connect() as client:
            given: Mapping[str, Any] = client.post(
                f"/api/v1/principals/{name}/token", json={"resource": resource}
            ).json()
            return given

    with connect() as client:
        principal = client.get(f"/api/v1/principals/{name}").json()
    value = secrets.token_urlsafe(32)
    known = frozenset({principal["id"], principal["name"]})
    listener = Listener(fetch, client_ids=known, secret=value, metadata=metadata)
    server = Server(listener_pipeline(listener), host="127.0.0.1", port=port, drain=1.0)
    server.bind()
    base = f"http://127.0.0.1:{server.port}"
    print(f"export IDENTITY_ENDPOINT={base}{SECRET_PATH}")
    print(f"export IDENTITY_HEADER={value}", flush=True)
    if metadata:
        print(f"export AZURE_POD_IDENTITY_AUTHORITY_HOST={base}", flush=True)
    server.run()
