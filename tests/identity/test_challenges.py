"""The challenge for a token that ended early, answered by Azure's own pipeline."""

from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline import Pipeline
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.pipeline.transport import HttpRequest, HttpTransport

from pratique.core.errors import PratiqueError
from pratique.identity.errors import TokenRevoked
from pratique.identity.oauth.challenges import bearer_challenge


class Cached:
    """A credential that keeps its token until it is told that more is claimed of it."""

    def __init__(self) -> None:
        self.claims: list[str | None] = []

    def get_token(self, *_: str, claims: str | None = None, **__: Any) -> AccessToken:
        self.claims.append(claims)
        return AccessToken("new" if claims else "old", 9_000_000_000)


class Answer:
    def __init__(self, status: int, headers: dict[str, str]) -> None:
        self.status_code, self.headers = status, headers


class Plane(HttpTransport[Any, Any]):
    """Refuses the token `old` as the plane of a vault does."""

    def __init__(self, error: PratiqueError) -> None:
        self.error = error

    def send(self, request: Any, **_: Any) -> Any:
        if request.headers["Authorization"] == "Bearer new":
            return Answer(200, {})
        challenge = bearer_challenge("https://login.x", "t", "https://vault.x", self.error, 1_800_000_000_000_000)
        return Answer(401, {"WWW-Authenticate": challenge})

    def open(self) -> None: ...
    def close(self) -> None: ...
    def __exit__(self, *_: object) -> None: ...
    def __enter__(self) -> Any:
        return self


def ask(error: PratiqueError) -> tuple[int, list[str | None]]:
    credential = Cached()
    policy: Any = BearerTokenCredentialPolicy(credential, "https://vault.x/.default", enable_cae=True)
    answer: Any = Pipeline(Plane(error), [policy]).run(HttpRequest("GET", "https://v.vault.x/secrets"))
    return answer.http_response.status_code, credential.claims


def test_a_client_that_understands_gets_a_new_token_and_goes_on() -> None:
    status, claims = ask(TokenRevoked("revoked", evaluated=True))
    assert status == 200
    assert claims == [None, '{"access_token":{"nbf":{"essential":true,"value":"1800000000"}}}']


@pytest.mark.parametrize("error", [TokenRevoked("revoked"), PratiqueError("other")])
def test_others_are_not_asked_for_claims_that_they_do_not_know(error: PratiqueError) -> None:
    assert ask(error) == (401, [None])
