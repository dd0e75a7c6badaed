"""Challenges of the planes that take tokens: where to get one, and that one ended before its time.

Azure's parser splits at commas and at `=`, so no value holds either, but for the padding of `claims`, which comes last.
A client that said CP1 passes its own cache when it is shown `claims`: it asks once more and goes on, or learns that it
may not. Source: azure-core, the bearer token policy and continuous access evaluation.
"""

import base64
from collections.abc import Callable

import msgspec

from pratique.core.clock import SECOND
from pratique.core.errors import PratiqueError
from pratique.core.http.answers import problem_json
from pratique.core.http.plane import ErrorAnswer, ErrorShape, HttpScope
from pratique.identity.errors import TokenRevoked


def claims_from(now: int) -> str:
    """Return the claims that only a token of now, or later, fulfils, as they stand in a challenge."""
    claims = {"access_token": {"nbf": {"essential": True, "value": str(now // SECOND)}}}
    return base64.b64encode(msgspec.json.encode(claims)).decode()


def claims_parts(error: PratiqueError | None) -> list[str]:
    """Return what a challenge ends with when its client must pass its cache; else nothing."""
    if not isinstance(error, TokenRevoked) or not error.claims:
        return []
    return ['error="insufficient_claims"', f'claims="{error.claims}"']


def bearer_challenge(login: str, tenant: str, resource: str, error: PratiqueError | None) -> str:
    """Return the value of WWW-Authenticate for a 401 of a plane.

    `login` is the origin of the login host, `resource` what the client asks a token for.
    """
    parts = [f'authorization="{login}/{tenant}"', f'resource="{resource}"', *claims_parts(error)]
    return f"Bearer {', '.join(parts)}"


def challenging(tenant: str, resource: str, origin: Callable[[HttpScope], str]) -> ErrorShape:
    """Return problem details whose 401 says where to get a token; `origin` is the login host as a client knows it."""

    def shape(error: PratiqueError, scope: HttpScope) -> ErrorAnswer:
        answer = problem_json(error, scope)
        if answer.status != 401:
            return answer
        challenge = bearer_challenge(origin(scope), tenant, resource, error)
        return ErrorAnswer(answer.status, {**answer.headers, "www-authenticate": challenge}, answer.body)

    return shape
