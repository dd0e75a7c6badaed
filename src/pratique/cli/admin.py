"""`pratique admin`: let somebody in, on the machine itself."""

from typing import Annotated

import typer

from pratique.cli.output import Output, OutputOption, emit_json

app = typer.Typer(help="Make a one-time sign-in link on this machine.")


@app.callback()
def admin() -> None:
    """Make a one-time sign-in link on this machine."""


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
