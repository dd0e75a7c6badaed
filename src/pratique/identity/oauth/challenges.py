"""Challenges of data planes that Azure's clients speak to: where to get a token, and when a token ended early.

Their parser splits at commas and at `=`, so no value holds either, but for the padding of `claims`, which comes last.
Source: azure-core, the bearer token policy and continuous access evaluation.
"""

import base64

import msgspec

from pratique.core.clock import SECOND
from pratique.core.errors import PratiqueError
from pratique.identity.errors import TokenRevoked


def bearer_challenge(login: str, tenant: str, resource: str, error: PratiqueError | None, now: int) -> str:
    """Return the value of WWW-Authenticate for a 401 of a plane.

    `login` is the origin of the login host, `resource` what the client asks a token for. A client that said CP1 is told
    to pass its own cache when its token was revoked: it asks once more and goes on, or learns that it may not.
    """
    parts = [f'authorization="{login}/{tenant}"', f'resource="{resource}"']
    if isinstance(error, TokenRevoked) and error.evaluated:
        claims = {"access_token": {"nbf": {"essential": True, "value": str(now // SECOND)}}}
        packed = base64.b64encode(msgspec.json.encode(claims)).decode()
        parts += ['error="insufficient_claims"', f'claims="{packed}"']
    return f"Bearer {', '.join(parts)}"
