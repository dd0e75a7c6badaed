"""The way in for the first administrator: a one-time link, written where only the machine's operator can read it."""

import datetime as dt
from pathlib import Path

from pratique.core.clock import SECOND
from pratique.core.private_files import write_private
from pratique.identity.service import IdentityService

FILE = "first-sign-in.txt"


def offer_first_sign_in(identity: IdentityService, state: Path, *, console: str, fingerprint: str) -> str | None:
    """While nobody can sign in, make a fresh link and write it to a file of mode 0600; return its text.

    Once somebody has a password or passkey nothing is made, and a file that was left is removed.
    """
    link = identity.database.write(identity.links.first)
    if link is None:
        (state / FILE).unlink(missing_ok=True)
        return None
    ends = dt.datetime.fromtimestamp(link.expires_at // SECOND, tz=dt.UTC).strftime("%H:%M UTC")
    text = (
        f"{link.url(console)}\n"
        f"signs in {link.principal.name}; works once, until {ends}; `pratique admin link` makes another\n"
        f"CA SHA-256 {fingerprint}\n"
    )
    write_private(state / FILE, text.encode())
    return text
