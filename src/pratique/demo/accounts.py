"""The demo's accounts: one that pushes, one that only pulls; they live as long as the story."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2

from pratique.core.errors import NotFound
from pratique.demo.client import Account

SCOPE = "/registry/demo"
_LIFETIME = 3600.0


@contextmanager
def account(management: httpx2.Client, name: str, role: str) -> Iterator[Account]:
    """A service principal with one role at the demo's repositories; it is gone afterwards."""
    path = f"/api/v1/principals/{name}"
    _delete(management, path)
    body = {
        "name": name,
        "kind": "service",
        "display_name": "made by `pratique demo`",
        "grants": [{"role": role, "scope": SCOPE}],
        "secret": True,
        "secret_lifetime": _LIFETIME,
    }
    made = management.post("/api/v1/principals", json=body)
    try:
        yield Account(name, made.json()["secret"]["value"])
    finally:
        _delete(management, path)


def _delete(management: httpx2.Client, path: str) -> None:
    try:
        management.delete(path)
    except NotFound:
        return
