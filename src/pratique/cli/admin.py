"""`pratique admin`: let somebody in, and change the key of tokens, on the machine itself."""

import time
from typing import Annotated

import typer

from pratique.cli.output import Output, OutputOption, emit_json

app = typer.Typer(help="Make a one-time sign-in link, or a new key for tokens, on this machine.")


@app.callback()
def admin() -> None:
    """Make a one-time sign-in link, or a new key for tokens, on this machine."""


@app.command("link")
def link(
    name: Annotated[str, typer.Argument(help="Whom the link signs in.")] = "admin",
    *,
    output: OutputOption = Output.TABLE,
) -> None:
    """Make a link that lets a person set a password or passkey, once, within a quarter of an hour."""
    from pratique.cli.client import connect, console_address, trust_anchor_fingerprint
    from pratique.core.settings import load

    settings = load()
    with connect(settings) as client:
        made = client.post("/api/v1/sign-in-links", json={"principal": name}).json()
    url = console_address(settings) + made["path"]
    fingerprint = trust_anchor_fingerprint(settings)
    if output is Output.JSON:
        emit_json({**made, "url": url, "fingerprint": fingerprint})
        return
    print(url)
    print(f"  signs in {made['principal']}; works once, until {made['expires_at']}")
    print(f"  CA SHA-256 {fingerprint}")


@app.command("rotate-token-key")
def rotate_token_key(
    *,
    revoke: Annotated[
        bool, typer.Option("--revoke", help="Forget the older keys and refuse every token so far: after a theft.")
    ] = False,
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")] = "rotated on the command line",
    output: OutputOption = Output.TABLE,
) -> None:
    """Sign tokens with a new key from now on; tokens of the older one are good until they end."""
    from pratique.cli.client import connect
    from pratique.core.keys.client import connect_keys
    from pratique.core.keys.types import Purpose, Role
    from pratique.core.settings import load

    settings = load()
    keys = connect_keys(settings.data.directory / "keys", Role.ADMIN, patience=2.0)
    try:
        key_id = keys.rotate(Purpose.TOKEN)
        discarded = keys.discard(Purpose.TOKEN) if revoke else 0
    finally:
        keys.close()
    with connect(settings) as client:
        path = "/api/v1/tokens/revoke-all" if revoke else "/api/v1/tokens/key-rotated"
        client.post(path, json={"reason": reason, "key_id": key_id})
    if revoke:
        time.sleep(1.0)  # tokens count whole seconds: one of the running second would be refused too
    if output is Output.JSON:
        emit_json({"key_id": key_id, "discarded": discarded, "revoked": revoke})
        return
    print(f"Tokens are signed with {key_id}.")
    print("  Every token so far is refused." if revoke else "  Tokens of the older key are good until they end.")
