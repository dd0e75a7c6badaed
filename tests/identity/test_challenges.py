"""The challenge for a token that ended early, answered by Azure's own pipeline."""

from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.pipeline import Pipeline
from azure.core.pipeline.policies import BearerTokenCredentialPolicy
from azure.core.pipeline.transport import HttpRequest, HttpTransport
from tests.identity.conftest import World

from pratique.core.errors import PratiqueError
from pratique.core.http.plane import HttpScope
from pratique.core.permissions import OPERATOR
from pratique.identity.errors import TokenRevoked
from pratique.identity.oauth.challenges import bearer_challenge, claims_from
from pratique.identity.oauth.requests import GrantRequest, Place
from pratique.identity.token_floor import raise_floor
from pratique.identity.token_requests import TokenRequest
from pratique.identity.types import Audience, Principal
from pratique.registry.wire import oci_error


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
        challenge = bearer_challenge("https://login.x", "t", "https://vault.x", self.error)
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
    status, claims = ask(TokenRevoked("revoked", claims=claims_from(1_800_000_000_000_000)))
    assert status == 200
    assert claims == [None, '{"access_token":{"nbf":{"essential":true,"value":"1800000000"}}}']


@pytest.mark.parametrize("error", [TokenRevoked("revoked"), PratiqueError("other")])
def test_others_are_not_asked_for_claims_that_they_do_not_know(error: PratiqueError) -> None:
    assert ask(error) == (401, [None])


class TestOfThePlanes:
    """What is refused where, and what its client is told."""

    def token(self, world: World, scope: str, *, capable: bool = True) -> tuple[Principal, str]:
        made = world.create()
        secret = world.secret(made).value
        fields = {"grant_type": "client_credentials", "client_id": "builder", "client_secret": secret, "scope": scope}
        if capable:
            fields["claims"] = '{"access_token":{"xms_cc":{"values":["CP1"]}}}'
        answer = world.run(world.identity.machines.grants.answer(GrantRequest(Place("https://login.x", "t"), fields)))
        return made, answer["access_token"]

    @pytest.mark.parametrize("end", ["credential", "principal", "tokens", "all"])
    def test_every_end_is_told_to_who_understands_it(self, world: World, end: str) -> None:
        made, token = self.token(world, "api://pratique/.default")
        identity = world.identity
        if end == "credential":
            (held,) = world.read(lambda tx: identity.principals.secrets(tx, made))
            world.write(lambda tx: identity.principals.revoke_secret(tx, OPERATOR, made, held.id))
        elif end == "principal":
            world.write(lambda tx: identity.principals.set_active(tx, OPERATOR, made, active=False))
        elif end == "tokens":
            world.write(lambda tx: identity.principals.revoke_tokens(tx, OPERATOR, made))
        else:
            world.write(lambda tx: raise_floor(tx, OPERATOR, identity.memory.changed, identity.audit, why="theft"))
        with pytest.raises(TokenRevoked) as refused:
            identity.tokens.caller(token, Audience.MANAGEMENT)
        assert refused.value.claims == claims_from(world.clock.now())
        scope: HttpScope = {"pratique.headers": {b"host": b"console.x:8443"}, "pratique.request_id": "r"}
        answer = identity.management_error(refused.value, scope)
        told = answer.headers["www-authenticate"]
        assert told.startswith(f'Bearer authorization="https://login.x:8443/{identity.tokens.installation}", ')
        assert told.endswith(f'error="insufficient_claims", claims="{refused.value.claims}"')

    def test_a_token_asked_for_in_the_second_of_the_revocation_holds(self, world: World) -> None:
        made, token = self.token(world, "api://pratique/.default")
        world.write(lambda tx: world.identity.principals.revoke_tokens(tx, OPERATOR, made))
        again = world.identity.tokens.issue(
            made.id, world.read(lambda tx: world.identity.principals.secrets(tx, made))[0].id, Audience.MANAGEMENT, 60
        )
        assert world.identity.tokens.caller(again, Audience.MANAGEMENT).name == "builder"
        with pytest.raises(TokenRevoked):
            world.identity.tokens.caller(token, Audience.MANAGEMENT)

    @pytest.mark.parametrize("capable", [True, False])
    def test_the_registry_hands_the_capability_on_and_says_so_in_its_own_words(
        self, world: World, capable: bool
    ) -> None:
        made, token = self.token(world, "https://containerregistry.azure.net/.default", capable=capable)
        service = world.identity.token_service
        refresh = world.run(service.exchange(token))
        request = TokenRequest(proof="refresh", secret=refresh, scopes=("repository:app:pull",), offline=False)
        issued = world.run(service.issue(request, "192.0.2.1"))
        world.write(lambda tx: world.identity.principals.revoke_tokens(tx, OPERATOR, made))
        with pytest.raises(TokenRevoked) as refused:
            world.identity.tokens.caller(issued.access_token, Audience.REGISTRY)
        scope: HttpScope = {
            "pratique.headers": {b"host": b"r.x"},
            "scheme": "https",
            "raw_path": b"/v2/app/manifests/1",
            "method": "GET",
        }
        told = oci_error(refused.value, scope).headers["www-authenticate"]
        assert told.startswith('Bearer realm="https://r.x/oauth2/token",service="r.x",scope="repository:app:pull"')
        assert told.endswith(f',claims="{refused.value.claims}"') is capable
        assert ("insufficient_claims" in told) is capable
