"""Sign-ins of people at a terminal: kept in the account's own state folder, readable by that account alone.

A refresh token works once, and ends the whole sign-in when it comes a second time; so commands that run at once renew
one after the other, under a lock, and each reads first what the one before it got.
"""

import fcntl
import json
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pratique.core.errors import Conflict
from pratique.core.private_files import write_private

_LIMIT = 1024 * 1024
_EARLY = 60.0
"""Seconds before its end from which a token is renewed."""


@dataclass(frozen=True, slots=True)
class SignIn:
    """A person at a server, with what their commands send there."""

    server: str
    """`https://host[:port]` of the console and the management API."""
    authority: str
    """`https://host[:port]/tenant` where tokens are given."""
    resource: str
    name: str
    access_token: str
    refresh_token: str
    expires_at: float
    authorities: str = ""
    """Certificates in PEM that the server's one is checked with; '' for those that this machine trusts."""

    def __repr__(self) -> str:
        return f"SignIn(server={self.server!r}, name={self.name!r})"

    @property
    def is_fresh(self) -> bool:
        return time.time() < self.expires_at - _EARLY

    def renewed(self, answer: Mapping[str, Any]) -> "SignIn":
        """The same sign-in with the tokens of an answer of the token endpoint."""
        return replace(
            self,
            access_token=str(answer["access_token"]),
            refresh_token=str(answer.get("refresh_token", self.refresh_token)),
            expires_at=time.time() + float(answer["expires_in"]),
        )

    def trust(self) -> ssl.SSLContext:
        return trust_in(self.authorities)


class SignIns:
    """The file of them: one for each server; commands use the one that came last."""

    def __init__(self, folder: Path | None = None) -> None:
        self.path = (folder or state_folder()) / "sign-ins.json"

    def current(self) -> SignIn | None:
        """The sign-in that commands use, or None: then they act as the operator of this machine."""
        found = self._read()
        return found[-1] if found else None

    def all(self) -> list[SignIn]:
        return self._read()

    def keep(self, sign_in: SignIn) -> None:
        """Add it, in place of an older one at the same server; commands use it from now on."""
        with self.lock():
            self._write([*(one for one in self._read() if one.server != sign_in.server), sign_in])

    def check(self) -> None:
        """Raise now what `keep` would raise later, before somebody types a code for nothing."""
        self._read()
        try:
            with self.lock():
                pass
        except OSError as error:
            raise Conflict(f"{self.path} cannot be written: {error.strerror}.", remedy="Set XDG_STATE_HOME.") from None

    def renew(self, sign_in: SignIn) -> None:
        """Put new tokens in its place; the caller holds the lock."""
        self._write([sign_in if one.server == sign_in.server else one for one in self._read()])

    def forget(self, server: str) -> None:
        with self.lock():
            self._write([one for one in self._read() if one.server != server])

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other commands of this account from changing the file."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(self.path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> list[SignIn]:
        try:
            with self.path.open("rb") as file:
                content = file.read(_LIMIT)
            return [SignIn(**one) for one in json.loads(content)["sign_ins"]]
        except FileNotFoundError:
            return []
        except (ValueError, KeyError, TypeError):
            raise Conflict(f"{self.path} cannot be read.", remedy="Remove it and sign in again.") from None

    def _write(self, found: list[SignIn]) -> None:
        write_private(self.path, json.dumps({"sign_ins": [asdict(one) for one in found]}, indent=1).encode() + b"\n")


def state_folder(environ: Mapping[str, str] | None = None) -> Path:
    """Where programs of this account keep what they remember (XDG Base Directory Specification)."""
    environ = os.environ if environ is None else environ
    home = Path(environ.get("HOME", "~")).expanduser()
    given = environ.get("XDG_STATE_HOME", "")
    return (Path(given) if given.startswith("/") else home / ".local" / "state") / "pratique"


def trust_in(authorities: str) -> ssl.SSLContext:
    """Trust for a server's certificate: in these alone, or in what this machine trusts."""
    return ssl.create_default_context(cadata=authorities or None)
